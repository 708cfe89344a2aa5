//! Views by way of `riverrun view`, and what `status` says of pipelines with a repartition and late events.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod binary;

use binary::Place;
use serde_json::Value;

const APP: &str = "
app: flights
topics: { flights: { partitions: 1, key: data.id, time: data.at } }
pipelines:
  delays:
    from: flights
    steps:
      - { name: by-carrier, repartition: { by: data.carrier, partitions: 1 } }
      - count: { window: { tumbling: 1h, grace: 1h }, late: late-flights, view: hourly }
    to: hourly-flights
  totals:
    from: flights
    steps: [count: { view: totals }]
    to: flight-totals
";

const FLIGHTS: &str = r#"{"id":"1","carrier":"UA","at":"2013-01-01T10:10:00Z"}
{"id":"2","carrier":"UA","at":"2013-01-01T10:20:00Z"}
{"id":"3","carrier":"US","at":"2013-01-01T10:30:00Z"}
{"id":"4","carrier":"UA","at":"2013-01-01T11:10:00Z"}
{"id":"5","carrier":"AA","at":"2013-01-01T11:20:00Z"}
"#;

fn publish(place: &Place, lines: &str) -> String {
    place.write("flights.ndjson", lines);
    place.succeed(&["publish", "flights", "flights.ndjson"])
}

#[test]
fn rows_are_listed_narrowed_and_followed() {
    let place = Place::with_app(APP);
    assert!(place.fail(1, &["view"]).starts_with("error[RR0409]"), "no server runs");
    let (_server, _) = place.serve(&[]);
    publish(&place, FLIGHTS);
    settle(&place);

    let listed = place.succeed(&["view"]);
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["VIEW", "hourly", "totals"], "{listed}");

    let keys = |arguments: &[&str]| -> Vec<String> {
        let lines = place.succeed(&[&["view", "hourly", "--format", "json"], arguments].concat());
        let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| format!("{} {}", row["key"].as_str().unwrap(), row["data"]["count"])).collect()
    };
    assert_eq!(keys(&[]), ["AA 1", "UA 2", "UA 1", "US 1"]);
    assert_eq!(keys(&["UA"]), ["UA 2", "UA 1"]);
    assert_eq!(keys(&["--prefix", "U", "--limit", "2"]), ["UA 2", "UA 1"]);
    assert_eq!(keys(&["--from", "A", "--to", "UB"]), ["AA 1", "UA 2", "UA 1"]);
    assert_eq!(keys(&["--window-from", "2013-01-01T11:00:00Z"]), ["AA 1", "UA 1"]);
    assert_eq!(keys(&["--min-position", "flights/0@4", "US"]), ["US 1"]);

    let shown = place.run(&["view", "hourly", "--limit", "2"]);
    assert_eq!(shown.out, TABLE);
    assert!(shown.error.contains("there are more rows than 2"), "{}", shown.error);
    assert_eq!(place.succeed(&["view", "totals", "3"]), "KEY  DATA\n  3  {\"count\":1}\n");
    assert!(place.fail(1, &["view", "totals", "nobody"]).starts_with("error[RR0154]"));
    assert!(place.fail(1, &["view", "total"]).starts_with("error[RR0153]"));
    assert!(place.fail(2, &["view", "totals", "3", "--prefix", "4"]).contains("cannot be used with"));

    let mut following = place.start(&["view", "hourly", "AA", "--follow"]);
    assert_eq!(following.out_line_with("AA"), "AA  2013-01-01T11:00:00Z to 2013-01-01T12:00:00Z  {\"count\":1}\n");
    publish(&place, "{\"id\":\"6\",\"carrier\":\"AA\",\"at\":\"2013-01-01T11:30:00Z\"}\n");
    following.out_line_with("{\"count\":2}");
    assert_eq!(following.terminate(), 0);
}

const TABLE: &str = "\
KEY  WINDOW                                        DATA
AA   2013-01-01T11:00:00Z to 2013-01-01T12:00:00Z  {\"count\":1}
UA   2013-01-01T10:00:00Z to 2013-01-01T11:00:00Z  {\"count\":2}
";

#[test]
fn status_shows_stages_and_late_events() {
    let place = Place::with_app(APP);
    let (_server, _) = place.serve(&[]);
    publish(&place, FLIGHTS);
    settle(&place);
    let late = r#"{"id":"8","carrier":"UA","at":"2013-01-01T10:00:00Z"}"#;
    publish(&place, &format!("{{\"id\":\"7\",\"carrier\":\"UA\",\"at\":\"2013-01-01T15:00:00Z\"}}\n{late}\n"));
    settle(&place);
    let status = place.succeed(&["status"]);
    let row = |name: &str| -> Vec<&str> {
        let line = status.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("{name} is not in\n{status}")).split_whitespace().collect()
    };
    let late = row("PIPELINE").iter().position(|column| *column == "LATE").unwrap();
    assert_eq!(row("delays/by-carrier")[late], "1", "{status}");
    assert_eq!(row("delays")[late], "0", "{status}");
    assert_eq!(row("delays/by-carrier/0")[1], "0", "{status}");
}

fn settle(place: &Place) {
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
