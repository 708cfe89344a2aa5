//! Events by way of the commands, with a server and without: published, transformed, read, replayed, set aside, verified.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod binary;

use binary::Place;
use serde_json::Value;

const APP: &str = "\
app: shop
topics:
  orders: { partitions: 2, key: data.customer, id: data.order }
  customers: { key: data.customer, id: data.customer }
models:
  customer: { from: customers }
pipelines:
  checked:
    from: orders
    steps:
      - filter: data.total > 0
      - snapshot: { customer: { key: data.customer } }
      - set: { data.cents: data.total * 100 }
    to: orders-checked
    on_error: dead_letter
";

const CUSTOMERS: &str = "{\"customer\":\"a\",\"tier\":\"gold\"}\n{\"customer\":\"b\",\"tier\":\"iron\"}\n";

/// 1,200 orders, more than two batches; every hundredth has no total worth keeping, one has a text for a number.
fn orders() -> String {
    let order = |number: u32| {
        let customer = if number.is_multiple_of(2) { "a" } else { "b" };
        let total = match number {
            700 => "\"many\"".to_owned(),
            number if number.is_multiple_of(100) => "0".to_owned(),
            number => format!("{number}.5"),
        };
        format!("{{\"order\":{number},\"customer\":\"{customer}\",\"total\":{total}}}\n")
    };
    (1..=1_200).map(order).collect()
}

fn records(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn publish_all(place: &Place) {
    place.write("customers.ndjson", CUSTOMERS);
    place.write("orders.ndjson", orders());
    place.succeed(&["publish", "customers", "customers.ndjson"]);
    let summary = place.succeed(&["publish", "orders", "orders.ndjson"]);
    assert!(summary.starts_with("published 1,200 events to orders (0 duplicates, 0 refused)"), "{summary}");
}

#[test]
fn everything_works_without_a_server() {
    let place = Place::with_app(APP);
    publish_all(&place);
    let again = place.succeed(&["publish", "orders", "orders.ndjson", "--format", "json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["published"], &again["duplicates"]), (&Value::from(0), &Value::from(1_200)));

    place.succeed(&["run", "--listen", "127.0.0.1:0", "--exit-when-idle", "300ms"]);
    check_outcome(&place, "orders-checked");
    check_dead_letter(&place);
    check_replay(&place);

    let error = place.fail(1, &["status"]);
    assert!(error.starts_with("error[RR0409]"), "{error}");
    let verified = place.succeed(&["verify"]);
    assert!(verified.contains("./data\n") && verified.ends_with("everything fits\n"), "{verified}");
}

#[test]
fn commands_find_the_server_that_runs() {
    let place = Place::with_app(APP);
    let (server, url) = place.serve(&[]);
    publish_all(&place);
    wait_until_idle(&place);
    check_outcome(&place, "orders-checked");
    check_dead_letter(&place);
    check_replay(&place);

    let status = place.succeed(&["status"]);
    assert!(status.contains("serving") && status.contains("checked/1"), "{status}");

    let error = place.fail(1, &["run", "--listen", url.trim_start_matches("http://")]);
    assert!(error.starts_with("error[RR0416]"), "a port in use: {error}");
    let error = place.fail(1, &["run", "--listen", "127.0.0.1:0"]);
    assert!(error.starts_with("error[RR02"), "a locked directory: {error}");
    assert_eq!(server.terminate(), 0);
    assert!(!place.path().join("data/server.json").exists());
}

#[test]
fn a_server_that_was_killed_leaves_nothing_in_the_way() {
    let place = Place::with_app(APP);
    let (server, _) = place.serve(&["--only", "doors"]);
    publish_all(&place);
    server.kill();
    assert!(place.path().join("data/server.json").exists());
    assert_eq!(place.succeed(&["tail", "orders"]).lines().count(), 1_200);
    place.succeed(&["run", "--listen", "127.0.0.1:0", "--exit-when-idle", "300ms"]);
    check_outcome(&place, "orders-checked");
}

fn wait_until_idle(place: &Place) {
    let give_up_at = std::time::Instant::now() + binary::PATIENCE;
    loop {
        let status: Value = serde_json::from_str(&place.succeed(&["status", "--format", "json"])).unwrap();
        if status["idle"] == true {
            return;
        }
        assert!(std::time::Instant::now() < give_up_at, "{status}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// 1,200 orders less 11 without a total and one that fails, each with its customer.
fn check_outcome(place: &Place, topic: &str) {
    let records = records(&place.succeed(&["tail", topic, "--from", "beginning"]));
    assert_eq!(records.len(), 1_188);
    for record in &records {
        let data = &record["data"];
        assert_eq!(data["cents"].as_f64(), data["total"].as_f64().map(|total| total * 100.0), "{record}");
        let tier = if data["customer"] == "a" { "gold" } else { "iron" };
        assert_eq!(data["snapshot"]["customer"]["tier"], tier, "{record}");
    }
    for customer in ["a", "b"] {
        let mine = records.iter().filter(|record| record["data"]["customer"] == customer);
        let numbers: Vec<u64> = mine.map(|record| record["data"]["order"].as_u64().unwrap()).collect();
        assert!(numbers.is_sorted(), "the order of {customer} is kept");
    }
    assert_eq!(place.succeed(&["tail", topic, "--from", "beginning", "--limit", "7"]).lines().count(), 7);
    let pretty = place.succeed(&["tail", topic, "--from", "beginning", "--limit", "1", "--pretty"]);
    assert!(pretty.contains("\n  \"data\": {\n"), "{pretty}");
}

fn check_dead_letter(place: &Place) {
    let list = place.succeed(&["dead-letters", "list", "checked"]);
    assert_eq!(list.lines().count(), 2, "a header and one dead letter: {list}");
    assert!(list.contains("RR03") && list.contains("filter"), "{list}");
    let letters = records(&place.succeed(&["dead-letters", "list", "--format", "json"]));
    let position = letters[0]["rrposition"].as_str().unwrap();
    let shown = place.succeed(&["dead-letters", "show", position]);
    assert!(shown.contains("\"total\": \"many\""), "{shown}");
    let error = place.fail(1, &["dead-letters", "show", "_dead-letters.checked/0@999"]);
    assert!(error.starts_with("error[RR01"), "{error}");
}

fn check_replay(place: &Place) {
    let summary = place.succeed(&["replay", "checked", "--to", "orders-again"]);
    assert!(summary.starts_with("replayed 1,200 events of checked into orders-again: 1,188 records"), "{summary}");
    // The same bytes but for where they are: ids and positions name the topic.
    let data = |topic: &str| {
        let mut lines: Vec<String> = records(&place.succeed(&["tail", topic, "--from", "beginning"]))
            .into_iter()
            .map(|record| format!("{} {} {}", record["rrcause"], record["rrsnapshot"], record["data"]))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(data("orders-checked"), data("orders-again"));
}

#[test]
fn refused_lines_are_reported_and_none_is_lost() {
    let place = Place::with_app(APP);
    let lines = [
        "{\"order\":\"o1\",\"customer\":\"a\",\"total\":1}",
        "no json",
        "",
        "{\"order\":\"o2\",\"customer\":{},\"total\":1}",
        "{\"specversion\":\"1.0\",\"id\":\"c1\",\"source\":\"/s\",\"type\":\"t\",\"data\":{\"customer\":\"b\"}}",
        "{\"customer\":\"a\"}",
        "{\"specversion\":\"1.0\",\"id\":\"c1\",\"source\":\"/s\",\"type\":\"t\",\"data\":{\"customer\":\"c\"}}",
        "{\"order\":\"o3\",\"customer\":\"a\",\"total\":3}",
    ];
    let arguments = ["publish", "orders", "--rejects", "rejects.ndjson"];
    let outcome = place.run_with_input(&arguments, &lines.join("\n"));
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.out.starts_with("published 3 events to orders (0 duplicates, 4 refused)"), "{outcome:?}");
    for expected in ["line 2: no valid JSON", "line 4[RR0134]: ", "line 6: the topic's id", "line 7[RR0142]"] {
        assert!(outcome.error.contains(expected), "{expected:?} is not in {}", outcome.error);
    }
    assert_eq!(place.read("rejects.ndjson").lines().count(), 4);
    let stored = records(&place.succeed(&["tail", "orders"]));
    assert_eq!(stored.len(), 3);

    let outcome = place.run_with_input(&["publish", "nowhere"], "1\n2\n");
    assert_eq!((outcome.code, outcome.out.as_str()), (1, ""));
    assert!(outcome.error.starts_with("error[RR0140]"), "{}", outcome.error);
    assert!(outcome.error.contains("no line was published"), "{}", outcome.error);
}

#[test]
fn asking_for_a_server_that_does_not_run_touches_nothing() {
    let place = Place::with_app(APP);
    for arguments in [vec!["status"], vec!["tail", "orders", "--follow"]] {
        assert!(place.fail(1, &arguments).starts_with("error[RR0409]"), "{arguments:?}");
    }
    assert!(!place.path().join("data").exists());
}

#[test]
fn a_topic_keeps_its_number_of_partitions() {
    let place = Place::with_app("app: a\ntopics: { orders: { partitions: 2 } }\n");
    assert_eq!(place.run_with_input(&["publish", "orders"], "1\n").code, 0);
    place.write("riverrun.yaml", "app: a\ntopics: { orders: { partitions: 3 } }\n");
    let error = place.fail(1, &["run"]);
    assert!(error.contains("error[RR0417]") && error.contains("partitions: 2"), "{error}");
}

#[test]
fn an_app_with_a_transformer_of_another_program_is_read_and_written_here() {
    let app = "app: a\ntopics: { orders: }\npipelines: { p: { from: orders, steps: [transform: risk], to: scored } }\n";
    let place = Place::with_app(app);
    assert!(place.succeed(&["check"]).contains("[RR0016] Warning"));
    let published = place.run_with_input(&["publish", "orders"], "1\n");
    assert!(published.out.starts_with("published 1 event to orders"), "{published:?}");
    assert_eq!(records(&place.succeed(&["tail", "orders"])).len(), 1);
    assert!(place.fail(1, &["replay", "p", "--to", "again"]).starts_with("error[RR0175]"));
    assert!(place.fail(1, &["run"]).starts_with("error[RR0016]"));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let place = Place::with_app(APP);
    publish_all(&place);
    let mut tail = place.start(&["tail", "orders"]);
    tail.out_line_with("specversion");
    assert_eq!(tail.close_output_and_wait(), 0);
}

#[test]
fn damage_is_found() {
    let place = Place::with_app(APP);
    let marker = "a text that is in no other place of the data directory";
    place
        .run_with_input(&["publish", "orders"], &format!("{{\"order\":1,\"customer\":\"a\",\"note\":\"{marker}\"}}\n"));
    place.succeed(&["verify"]);
    assert!(flip(&place.path().join("data"), marker.as_bytes()) > 0, "the text is stored as it is");
    let outcome = place.run(&["verify"]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.out.contains("PROBLEM") || outcome.error.starts_with("error[RR02"), "{outcome:?}");
}

/// Flips a bit in every occurrence of `wanted` in the files below `directory`; how many.
fn flip(directory: &std::path::Path, wanted: &[u8]) -> usize {
    let mut flipped = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            flipped += flip(&path, wanted);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(wanted)).collect();
        places.iter().for_each(|at| bytes[*at] ^= 1);
        if !places.is_empty() {
            std::fs::write(&path, bytes).unwrap();
        }
        flipped += places.len();
    }
    flipped
}
