//! Apps of several files: what is joined, what clashes, and what stands in the wrong file.

use super::{Fixed, RETURNS, load};
use crate::app::{App, LoadError};
use crate::diagnostic::Diagnostics;
use crate::render::Color;
use crate::source::Source;

fn load_all(files: &'static [(&'static str, &'static str)], overlay: Option<&str>) -> Result<App, Diagnostics> {
    let (path, text) = files[0];
    let overlay = overlay.map(|text| Source::new("riverrun.prod.yaml", text));
    App::parse_in(&Source::new(path, text), overlay, &Fixed(&files[1..]))
}

/// Each mistake as `file:line:column code message`.
fn check(files: &'static [(&'static str, &'static str)], overlay: Option<&str>, expected: &[&str]) -> String {
    let found = load_all(files, overlay).unwrap_err();
    let lines: Vec<String> = found
        .iter()
        .map(|item| {
            let source = found.sources().of(item.span);
            format!("{}:{} {} {}", source.path().display(), source.place(item.span.start), item.code, item.message)
        })
        .collect();
    assert_eq!(lines, expected, "{found}");
    found.render(Color::Never)
}

#[test]
fn included_files_are_part_of_the_app() {
    let app = load("app: a\ninclude: pipelines/*.yaml\ntopics: { orders: { accept: x } }")
        .unwrap_or_else(|all| panic!("{all}"));
    assert!(app.warnings.is_empty(), "{}", app.warnings);
    let topics: Vec<&str> = app.topology.topics.keys().map(|name| name.as_str()).collect();
    assert_eq!(topics, ["orders", "returned", "returns"]);
    assert_eq!(app.topology.pipelines.len(), 1);
}

#[test]
fn files_may_refer_to_one_another() {
    let app = load_all(
        &[
            ("riverrun.yaml", "app: a\ninclude: [p/*.yaml, 't*.yaml', p/b.yaml]\ndefaults: { partitions: 3 }"),
            ("p/a.yaml", "pipelines: { p: { from: t, to: u } }"),
            ("p/b.yaml", "# nothing yet"),
            ("topics.yaml", "topics: { t: }"),
        ],
        None,
    );
    let app = app.unwrap_or_else(|all| panic!("{all}"));
    assert!(app.topology.topics.values().all(|topic| topic.partitions == 3));
}

#[test]
fn a_clash_shows_both_files() {
    let shown = check(
        &[
            ("riverrun.yaml", "app: a\ninclude: p/*.yaml\ntopics:\n  t:\n"),
            ("p/a.yaml", "topics:\n  x: { accept: x }\n  t: { key: data.k }\n"),
        ],
        None,
        &["p/a.yaml:3:3 RR0004 the topic `t` is declared in two files"],
    );
    for expected in ["p/a.yaml:3:3", "riverrun.yaml:4:3", "declared again here", "declared here", "t: { key: data.k }"]
    {
        assert!(shown.contains(expected), "{expected:?} is not in\n{shown}");
    }
}

#[test]
fn mistakes_are_told_in_the_file_they_are_in() {
    let shown = check(
        &[
            ("riverrun.yaml", "app: a\ninclude: [a.yaml, '../x', gone.yaml]\nlisten: here"),
            (
                "a.yaml",
                "app: b\ntpics:\ntopics: [t]\npipelines:\n  p:\n    from: t\n    to: u\n    steps:\n      - filter: data.x ===\n",
            ),
        ],
        None,
        &[
            "riverrun.yaml:2:19 RR0019 `../x` leads out of the app file's folder",
            "riverrun.yaml:2:27 RR0019 no file matches `gone.yaml`",
            "riverrun.yaml:3:9 RR0008 `here` is not an address and port such as 127.0.0.1:8080",
            "a.yaml:1:1 RR0020 `app` does not belong into an included file",
            "a.yaml:2:1 RR0003 `tpics` is no field of an included file",
            "a.yaml:3:9 RR0006 `topics` takes a mapping of names, found a list",
            "a.yaml:6:11 RR0011 there is no topic `t`",
            "a.yaml:9:26 RR0009 the expression does not parse: `=` does not belong in an expression; compare with ==",
        ],
    );
    assert!(shown.contains("a.yaml:9:26") && shown.ends_with("8 errors in 2 files\n"), "{shown}");
}

#[test]
fn an_environment_changes_where_an_app_runs() {
    let file = "app: a\nlisten: 127.0.0.1:1\nlimits: { body: 2MiB, json_depth: 8 }\naccess: { hosts: [x] }\n";
    let overlay = "listen: 127.0.0.1:2\nlimits: { body: 4MiB }\naccess: { hosts: [y, z] }\ndata_dir: /srv";
    let app = App::parse_in(&Source::new("riverrun.yaml", file), Some(Source::new("o", overlay)), &Fixed(&[])).unwrap();
    assert_eq!((app.settings.listen.port(), app.settings.data_dir.to_str()), (2, Some("/srv")));
    assert_eq!((app.settings.limits.body_bytes_max, app.settings.limits.json_depth_max), (4 << 20, 8));
    assert_eq!(app.settings.allowed_hosts, ["y", "z"]);
}

#[test]
fn an_environment_does_not_change_what_an_app_does() {
    let shown = check(
        &[("riverrun.yaml", "app: a\naccess: { tokens: [{ name: t, secret: hunter2 }] }"), RETURNS],
        Some("listen: x\npipelines: { p: }\naccess: { tokens: [{ name: t, secret: hunter3, x: 1 }] }"),
        &[
            "riverrun.prod.yaml:1:9 RR0008 `x` is not an address and port such as 127.0.0.1:8080",
            "riverrun.prod.yaml:2:1 RR0020 `pipelines` does not belong into the file of an environment",
            "riverrun.prod.yaml:3:39 RR0053 the secret is written into the app file",
            "riverrun.prod.yaml:3:48 RR0003 `x` is no field of `access.tokens[]`",
        ],
    );
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn files_are_found_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("shop.yaml", "app: a\ninclude: ['*.yaml', more/*/x.yaml]\n");
    write("shop.prod.yaml", "listen: 127.0.0.1:7");
    write("b.yaml", "topics: { b: }");
    write(".hidden.yaml", "topics: { hidden: }");
    write("more/1/x.yaml", "topics: { x1: }");
    write("more/2/x.yaml", "topics: { x2: }");
    let path = folder.path().join("shop.yaml");
    let app = App::load_for(&path, Some("prod")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(app.topology.topics.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["b", "x1", "x2"]);
    assert_eq!(app.settings.listen.port(), 7);
    assert_eq!(app.sources().iter().count(), 5);
    for name in ["test", "", "../shop"] {
        let Err(LoadError::Environment { known, .. }) = App::load_for(&path, Some(name)) else { panic!("{name}") };
        assert_eq!(known, "There are: prod");
    }
}
