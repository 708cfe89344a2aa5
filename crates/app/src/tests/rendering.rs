//! What diagnostics look like.

use super::load;
use crate::render::Color;

#[test]
fn a_message_shows_place_snippet_and_help() {
    let all = load("app: a\ntopics: { flights: }\npipelines: { p: { from: flihgts, to: u } }\n").unwrap_err();
    let expected = "\
[RR0011] Error: there is no topic `flihgts`
   ╭─[ riverrun.yaml:3:25 ]
   │
 3 │ pipelines: { p: { from: flihgts, to: u } }
   │                         ───┬───
   │                            ╰───── unknown
   │
   │ Help: did you mean `flights`?
───╯
";
    let printed = all.to_string();
    assert_eq!(printed, expected);
    assert!(!printed.contains('\u{1b}') && all.render(Color::Always).contains('\u{1b}'), "{printed}");
}

#[test]
fn programs_get_json_lines() {
    let all = load("app: a\nlgo: local\n").unwrap_err();
    let line: serde_json::Value = serde_json::from_str(all.json_lines().trim()).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "code": "RR0003", "severity": "error", "message": "`lgo` is no field of an app file", "note": "unknown",
            "file": "riverrun.yaml", "line": 2, "column": 1, "end_line": 2, "end_column": 4, "help": "did you mean `log`?",
        })
    );
}

#[test]
fn secrets_stay_hidden_even_in_files_that_do_not_parse() {
    for file in [
        "app: a\naccess: { tokens: [{ name: t, secret: hunter2 ]",
        "app: a\naccess: { tokens: [{ name: t, secert: hunter2 }] }",
        "app: a\naccess: { tokens: [{ name: t, secret: hunter2, x: 1 }] }",
        "app: a\naccess: { tokens: [{ name: t, secret: a, secret: hunter2 }] }",
        "app: a\nacces: { tokens: [{ name: t, secret: hunter2 }] }",
        "app: a\naccess: { tokens: { name: t, secret: hunter2 } }",
        "app: a\naccess: { tokens: [{ name: t, secret: [hunter2] }] }",
        "app: a\naccess:\n  tokens:\n    - name: t\n      \"secret\": |\n        hunter2 hunter2\n      x: 1",
    ] {
        let printed = load(file).unwrap_err().to_string();
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
