//! Files in the repository that are printed from code: they have to be up to date.

use super::{load, test_files};
use crate::fields::SECTIONS;
use crate::reference::{reference, test_reference};

/// Compares a committed file with what it should be; with RIVERRUN_BLESS=1 writes it instead.
pub(super) fn check_file(path: &str, expected: &str) {
    if std::env::var_os("RIVERRUN_BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == expected, "{path} is out of date; run the test with RIVERRUN_BLESS=1\n{expected}");
}

#[test]
fn the_reference_is_up_to_date() {
    check_file(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/app-file.md"), &reference());
    check_file(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/test-file.md"), &test_reference());
}

/// The pages of this crate's codes: the file in each is loaded, and the message in it is what comes out.
#[test]
fn every_page_shows_its_real_message() {
    for code in codes() {
        let path = format!("{}/../../docs/errors/{code}.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(page.starts_with(&format!("# {code}: ")), "{path}");
        let Some((before, rest)) = page.split_once("```yaml\n") else { continue };
        let (file, rest) = rest.split_once("\n```\n\n```text\n").unwrap();
        let (_, after) = rest.split_once("```\n").unwrap();
        // Codes of test files have a decade of their own.
        let found = if code.starts_with("RR004") {
            test_files::load(file).unwrap_err()
        } else {
            match load(file) {
                Err(all) => all,
                Ok(app) if app.warnings.is_empty() => app.unregistered_diagnostics(),
                Ok(app) => app.warnings,
            }
        };
        assert!(found.iter().all(|item| item.code == code), "{path}\n{found}");
        check_file(&path, &format!("{before}```yaml\n{file}\n```\n\n```text\n{found}```\n{after}"));
    }
}

fn codes() -> impl Iterator<Item = String> {
    let table = include_str!("../codes.rs");
    table.lines().filter_map(|line| Some(format!("RR{}", line.split_once("= \"RR")?.1.strip_suffix("\";")?)))
}

#[test]
fn every_example_of_the_reference_is_accepted() {
    for section in SECTIONS {
        for field in section.fields {
            let example = field.example;
            let file = match section.path {
                "riverrun.yaml" => format!("app: a\n{example}"),
                "topics.<name>" => format!("app: a\ntopics: {{ t: {{ {example} }} }}"),
                "topics.<name>.retention" => format!("app: a\ntopics: {{ t: {{ retention: {{ {example} }} }} }}"),
                "topics.<name>.compact" => format!("app: a\ntopics: {{ t: {{ compact: {{ {example} }} }} }}"),
                "models.<name>" => format!("app: a\nmodels: {{ m: {{ {example} }} }}"),
                "pipelines.<name>" => format!("app: a\npipelines: {{ p: {{ {example} }} }}"),
                "pipelines.<name>.to" => format!("app: a\npipelines: {{ p: {{ to: {{ {example} }} }} }}"),
                "pipelines.<name>.steps[]" | "pipelines.<name>.steps[].transform" => {
                    format!("app: a\npipelines: {{ p: {{ steps: [{{ {example} }}] }} }}")
                }
                "access.tokens[]" => format!("app: a\naccess: {{ tokens: [{{ {example} }}] }}"),
                // What is said of a lookup counts once it is said who is asked.
                path if path.ends_with(".lookup") && !example.starts_with("get:") && !example.starts_with("call:") => {
                    let asked = if example.starts_with("with:") { "call: f" } else { "get: data.a" };
                    format!("app: a\npipelines: {{ p: {{ steps: [{{ lookup: {{ {asked}, {example} }} }}] }} }}")
                }
                path => match path.strip_prefix("pipelines.<name>.steps[].") {
                    Some(within) => format!("app: a\npipelines: {{ p: {{ steps: [{}] }} }}", nested(within, example)),
                    None => match path.split_once('.') {
                        Some((outer, within)) => format!("app: a\n{outer}: {}", nested(within, example)),
                        None => format!("app: a\n{path}: {{ {example} }}"),
                    },
                },
            };
            // An example stands alone, so what goes with it is missing: names it refers to, other required fields.
            let lone = ["RR0004", "RR0005", "RR0011", "RR0013", "RR0032", "RR0035", "RR0036"];
            if let Err(found) = load(&file) {
                assert!(found.iter().all(|item| lone.contains(&item.code)), "{file}\n{found}");
            }
        }
    }
}

/// What stands at a path within a step.
fn nested(path: &str, example: &str) -> String {
    let names = path.rsplit('.').map(|name| name.trim_matches(['<', '>']));
    names.fold(format!("{{ {example} }}"), |inner, name| format!("{{ {name}: {inner} }}"))
}
