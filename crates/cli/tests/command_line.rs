//! The command line itself: help that teaches, errors that help, exit codes, and the commands that need no server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod binary;

use std::process::Command;

use binary::Place;
use serde_json::Value;

const COMMANDS: [&str; 15] = [
    "init",
    "run",
    "check",
    "test",
    "describe",
    "schema",
    "publish",
    "tail",
    "replay",
    "dead-letters",
    "verify",
    "view",
    "status",
    "demo",
    "completions",
];

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    let help = place.succeed(&["--help"]);
    for command in COMMANDS {
        assert!(help.contains(command), "{command} is not in\n{help}");
        let own = place.succeed(&[command, "--help"]);
        assert!(own.contains("Examples:") && own.contains(&format!("riverrun {command}")), "{own}");
        assert!(own.contains("--file <APP>"), "{own}");
    }
    assert!(place.succeed(&["--version"]).starts_with("riverrun "));
}

#[test]
fn a_shell_completes_commands_and_options() {
    let place = Place::new();
    place.write("completions.bash", place.succeed(&["completions", "bash"]));
    for (typed, expected) in [
        (&["riverrun", "de"][..], &["dead-letters", "demo", "describe"][..]),
        (&["riverrun", "verify", "--form"], &["--format"]),
        (&["riverrun", "verify", "--format", ""], &["json", "text"]),
    ] {
        let (words, last) = (typed.join("' '"), typed.len() - 1);
        let (word, before) = (typed[last], typed[last - 1]);
        let script = format!(
            "source completions.bash; COMP_WORDS=('{words}'); COMP_CWORD={last}; _riverrun riverrun '{word}' '{before}'; \
             echo \"${{COMPREPLY[@]}}\""
        );
        let answer = Command::new("bash").args(["-c", &script]).current_dir(place.path()).output().unwrap();
        let answer = String::from_utf8(answer.stdout).unwrap();
        let mut found: Vec<&str> = answer.split_whitespace().collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{typed:?}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let place = Place::new();
    for (arguments, expected) in [
        (vec!["ran"], "unrecognized subcommand"),
        (vec!["run", "--only", "door"], "expected doors, outbox, pipelines or pipelines=a,b"),
        (vec!["run", "--exit-when-idle", "2"], "is no duration"),
        (vec!["run", "--workers", "0"], "expected a number from 1"),
        (vec!["--url", "localhost", "tail", "a"], "error[RR0402]"),
        (vec![], "Usage:"),
    ] {
        let error = place.fail(2, &arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn errors_name_their_code_and_what_to_do() {
    let place = Place::new();
    let error = place.fail(1, &["run"]);
    assert!(error.starts_with("error[RR0017]: the app file ./riverrun.yaml cannot be read"), "{error}");
    assert!(error.contains("help: -f names another file; `riverrun init` writes a new one"), "{error}");
    assert!(!error.contains('\u{1b}'), "no colours where there is no terminal: {error:?}");

    let error = place.fail(1, &["--color", "always", "run"]);
    assert!(error.contains("\u{1b}[1;31merror[RR0017]"), "{error:?}");

    // Port 1 needs privileges to listen on, and nobody does.
    let error = place.fail(1, &["--url", "http://127.0.0.1:1", "tail", "a"]);
    assert!(error.starts_with("error[RR0403]"), "{error}");
}

#[test]
fn a_new_app_file_has_no_mistakes() {
    let place = Place::new();
    place.succeed(&["init"]);
    assert!(place.succeed(&["check"]).contains("no mistakes"));
    assert_eq!(place.read("riverrun.schema.json"), place.succeed(&["schema"]));
    let first = place.read("riverrun.yaml");

    let error = place.fail(1, &["init"]);
    assert!(error.starts_with("error[RR0408]: ./riverrun.yaml is there already"), "{error}");
    assert_eq!(place.read("riverrun.yaml"), first);

    let order = |id: u32, customer: &str| {
        format!(
            "{{\"order_id\":{id},\"customer\":\"{customer}\",\"placed_at\":\"2024-05-01T12:00:00Z\",\"total\":9.5}}\n"
        )
    };
    place.write("orders.ndjson", [order(1, "a"), order(2, "b"), order(3, "a")].concat());
    place.succeed(&["init", "--from", "orders.ndjson", "--force"]);
    let fitted = place.read("riverrun.yaml");
    assert!(fitted.contains("data.customer") && fitted.contains("data.placed_at"), "{fitted}");
    assert!(place.succeed(&["check"]).contains("no mistakes"));

    place.write("empty.ndjson", "");
    let error = place.fail(1, &["-f", "other.yaml", "init", "--from", "empty.ndjson"]);
    assert!(error.starts_with("error[RR0413]"), "{error}");
}

const MISTAKEN: &str = "\
app: shop
topics:
  orders: { partitions: many, key: data.customer }
pipelines:
  checked:
    from: order
    steps:
      - filter: data.total >
      - frobnicate: yes
    to: checked
    on_error: explode
";

#[test]
fn check_reports_every_mistake_at_once() {
    let place = Place::with_app(MISTAKEN);
    let outcome = place.run(&["check"]);
    assert_eq!(outcome.code, 1);
    let lines = place.run(&["check", "--format", "json"]);
    assert_eq!(lines.code, 1);
    let mistakes: Vec<Value> = lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(mistakes.len() >= 5, "{}", lines.out);
    for mistake in mistakes {
        let code = mistake["code"].as_str().unwrap();
        assert!(outcome.out.contains(code), "{code} is missing in\n{}", outcome.out);
        assert!(mistake["line"].as_u64().unwrap() >= 3, "{mistake}");
    }
    // Other commands show the same on standard error.
    assert_eq!(place.fail(1, &["run"]).trim_end(), outcome.out.trim_end());
}

#[test]
fn describe_prints_the_topology() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/flights/riverrun.yaml");
    let place = Place::new();
    let text = place.succeed(&["-f", example, "describe"]);
    for expected in ["weather  from weather   history 400d", "flights -> departures  (4 tasks", "data.dep_time != null"]
    {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let dot = place.succeed(&["-f", example, "describe", "--format", "dot"]);
    assert!(
        dot.starts_with("digraph \"flights\" {") && dot.contains("\"model plane\" -> \"pipeline departures\""),
        "{dot}"
    );
    let json: Value = serde_json::from_str(&place.succeed(&["-f", example, "describe", "--format", "json"])).unwrap();
    assert_eq!(json["pipelines"][0]["steps"][0]["does"][0], "data.dep_time != null");
    assert_eq!(json["models"][3]["history_seconds"], 400 * 86_400);
}

#[test]
fn an_app_may_be_several_files_and_run_in_several_environments() {
    let place = Place::with_app("app: shop\ninclude: orders.yaml\nlisten: 127.0.0.1:1\n");
    place.write("orders.yaml", "topics: { orders: }\npipelines: { kept: { from: orders, to: kept } }\n");
    place.write("riverrun.prod.yaml", "limits: { body: huge }\n");
    assert!(place.succeed(&["check"]).contains("no mistakes"));
    assert!(place.succeed(&["describe"]).contains("orders -> kept"));

    let outcome = place.run(&["check", "--env", "prod", "--format", "json"]);
    let mistake: Value = serde_json::from_str(outcome.out.trim()).unwrap();
    assert_eq!((&mistake["code"], &mistake["file"]), (&Value::from("RR0008"), &Value::from("./riverrun.prod.yaml")));
    assert_eq!((&mistake["line"], &mistake["column"]), (&Value::from(1), &Value::from(17)));

    let error = place.fail(1, &["describe", "--env", "prd"]);
    let expected = "error[RR0021]: there is no environment `prd`: ./riverrun.prd.yaml is not there. There are: prod\n";
    assert!(error.starts_with(expected), "{error}");
}
