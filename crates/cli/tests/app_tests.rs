//! `riverrun test`: what it prints and how it ends, for tests that pass, fail, cannot run or have mistakes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod binary;

use binary::Place;
use serde_json::Value;

const SHOP: &str = "
app: shop
topics:
  orders: { key: data.customer, id: data.order_id, time: data.placed_at }
  customers: { key: data.customer }
models:
  customer: { from: customers }
pipelines:
  billing:
    from: orders
    steps:
      - filter: data.count > 0
      - snapshot: { customer: { key: data.customer } }
      - set: { data.total: data.price * data.count }
    to: bills
  totals:
    from: bills
    steps:
      - remove: data.snapshot
    to: totals
";

const GOOD: &str = "
tests:
  time moves by hand:
    - at: 2026-03-01T12:00:00Z
      given:
        - { topic: customers, data: { customer: ada, level: silver } }
        - { topic: orders, data: { order_id: o-1, customer: ada, price: 1.5, count: 2 } }
        - { topic: orders, data: { order_id: o-1, customer: ada, price: 1.5, count: 2 } }
      expect:
        bills:
          - time: 2026-03-01T12:00:00Z
            type: orders
            key: ada
            contains: { total: 3.0, snapshot: { customer: { level: silver } } }
        totals: [{ data: { order_id: o-1, customer: ada, price: 1.5, count: 2, total: 3 } }]
    - after: 10m
      given:
        - { topic: orders, data: { order_id: o-2, customer: ada, price: 1, count: 1 } }
        - { topic: orders, data: { order_id: o-3, customer: bob, price: 1, count: 1 } }
        - { topic: orders, data: { order_id: o-4, customer: ada, price: 2, count: 1 } }
      expect:
        bills:
          - { key: ada, time: 2026-03-01T12:10:00Z, attributes: { causationid: o-2 } }
          - { key: ada, contains: { total: 2 } }
          - { key: bob, contains: { snapshot: { customer: null } } }
  the door's rules count:
    given:
      - { topic: orders, data: { order_id: o-1, customer: [1], count: 1 }, refused: RR0134 }
      - { topic: orders, data: { order_id: o-1, customer: ada, count: 0, placed_at: 2026-05-01T00:00:00Z } }
      - { topic: orders, data: { order_id: o-1, customer: bob, count: 0, placed_at: 2026-05-01T00:00:00Z }, refused: RR0142 }
      - { topic: orders, raw: '{\"order_id\": ', refused: RR0120 }
      - { topic: orders, id: x, source: /a b, refused: RR0131 }
    expect: { bills: nothing }
  what fails is set aside:
    given:
      - { topic: orders, data: { order_id: o-1, customer: ada, count: 2 } }
      - { topic: customers, id: c-1, data: { level: gold } }
    dead_letters:
      - { pipeline: billing, operator: set-1, code: RR0301, id: o-1, key: ada, error: data.price }
      - { model: customer, id: c-1, code: RR0310 }
";

#[test]
fn tests_pass_within_milliseconds() {
    let place = Place::with_app(SHOP);
    std::fs::create_dir(place.path().join("tests")).unwrap();
    place.write("tests/shop.test.yaml", GOOD);
    let out = place.succeed(&["test"]);
    assert!(out.starts_with("tests/shop.test.yaml\n") && out.contains("\n3 passed in "), "{out}");

    let lines = place.succeed(&["test", "--format", "json", "--only", "door"]);
    let line: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!(
        (&line["test"], &line["outcome"], &line["line"]),
        (&"the door's rules count".into(), &"passed".into(), &26.into())
    );
    // A hundred times what it takes where nothing else runs.
    assert!(line["milliseconds"].as_f64().unwrap() < 500.0, "{line}");
    assert!(!place.path().join("data").exists(), "tests leave nothing behind");
}

#[test]
fn the_example_passes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/flights/riverrun.yaml");
    let out = Place::new().succeed(&["-f", folder, "test"]);
    assert!(out.contains("5 passed"), "{out}");
}

/// Runs a test of the shop that must fail, and checks what is said about it.
fn check_failure(steps: &str, expected: &[&str]) {
    let place = Place::with_app(SHOP);
    place.write("x.test.yaml", format!("tests:\n  t:\n{steps}"));
    let outcome = place.run(&["test"]);
    assert_eq!(outcome.code, 1, "{steps}\n{outcome:?}");
    for part in expected {
        assert!(outcome.out.contains(part), "{part:?} is not in\n{}", outcome.out);
    }
    assert!(outcome.out.contains("0 passed, 1 failed in "), "{}", outcome.out);
}

const ORDER: &str = "    given: [{ topic: orders, data: { order_id: o-1, customer: ada, price: 1, count: 2 } }]\n";

#[test]
fn a_difference_has_its_place_and_cause() {
    check_failure(
        &format!(
            "{ORDER}    expect:\n      totals:\n        - data: {{ order_id: o-1, customer: eve, price: 1, count: 2, x: 1 }}\n"
        ),
        &[
            "x.test.yaml:6:11: totals, event 1: data.customer is not as expected",
            "- data.customer: \"eve\"\n      + data.customer: \"ada\"",
            "- data.total is not there\n      + data.total: 2",
            "- data.x: 1\n      + data.x is not there",
            "cause: orders/1@0, event \"o-1\", given in line 3",
            "\"rrposition\":\"totals/1@0\"",
        ],
    );
}

#[test]
fn what_is_too_much_or_missing_is_told() {
    check_failure(
        &format!("{ORDER}    expect: {{ bills: nothing }}\n"),
        &["x.test.yaml:4:15: bills: an event came out that the test does not expect", "given in line 3"],
    );
    check_failure(
        &format!("{ORDER}    expect: {{ bills: [{{ key: ada }}, {{ key: ada }}] }}\n"),
        &["bills, event 2: it did not come out"],
    );
    let second = "{ topic: orders, data: { order_id: o-2, customer: ada, price: 1, count: 3 } }";
    check_failure(
        &format!(
            "{}, {second}]\n    expect: {{ bills: [{{ contains: {{ total: 3 }} }}, {{ contains: {{ total: 2 }} }}] }}\n",
            ORDER.trim_end().trim_end_matches(']')
        ),
        &["bills, event 2: it came out in another order"],
    );
}

#[test]
fn dead_letters_and_refusals_fail_a_test_that_does_not_expect_them() {
    check_failure(
        "    given: [{ topic: orders, data: { order_id: o-1, customer: ada, count: 2 } }]\n    expect: { bills: nothing }\n",
        &["x.test.yaml:3:15: an event became a dead letter of billing: RR0301 in set-1: data.price is null"],
    );
    check_failure(
        "    given: [{ topic: orders, data: { customer: ada } }]\n    expect: { bills: nothing }\n",
        &["x.test.yaml:3:15: the door refused the event with RR0134: the id of topic orders"],
    );
    check_failure(
        "    given: [{ topic: orders, data: { order_id: a, count: 0 }, refused: RR0134 }]\n",
        &["the door accepted the event; it was to refuse it with RR0134"],
    );
    check_failure(
        "    - at: 2026-03-01T00:00:00Z\n      given: [{ topic: orders, data: { order_id: a, count: 0 } }]\n      expect: { bills: nothing }\n    - at: 2026-02-01T00:00:00Z\n",
        &["x.test.yaml:6:7: the clock stands at 2026-03-01T00:00:00Z and cannot go back to 2026-02-01T00:00:00Z"],
    );
}

#[test]
fn a_pipeline_that_stops_is_expected_or_a_failure() {
    let place = Place::with_app(&SHOP.replace("    to: bills", "    to: bills\n    on_error: stop"));
    let order = "given: [{ topic: orders, data: { order_id: o-1, customer: ada, count: 2 } }]";
    place.write(
        "x.test.yaml",
        format!("tests:\n  t: {{ {order}, stopped: billing }}\n  u: {{ {order}, expect: {{ bills: nothing }} }}\n"),
    );
    let outcome = place.run(&["test"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.out.contains("pipeline billing stopped: RR0301 in set-1: data.price is null"), "{}", outcome.out);
    assert!(outcome.out.contains("1 passed, 1 failed"), "{}", outcome.out);
}

#[test]
fn tests_that_need_a_transformer_say_so() {
    let place = Place::with_app(&SHOP.replace("- remove: data.snapshot", "- transform: risk"));
    let order = "topic: orders, data: { order_id: o-1, customer: ada, price: 1, count: ";
    place.write("x.test.yaml", format!("tests:\n  t: {{ given: [{{ {order} 1 }} }}], expect: {{ totals: nothing }} }}\n  u: {{ given: [{{ {order} 0 }} }}], expect: {{ bills: nothing }} }}\n"));
    let outcome = place.run(&["test"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.out.contains("what is not compiled into this program: the transformer \"risk\""),
        "{}",
        outcome.out
    );
    assert!(outcome.out.contains("1 passed, 1 not run"), "{}", outcome.out);
}

#[test]
fn tests_that_need_a_function_or_a_partitioner_say_so() {
    let with = |step: &str| Place::with_app(&SHOP.replace("- remove: data.snapshot", step));
    let order = "{ topic: orders, data: { order_id: o-1, customer: ada, price: 1, count: 1 } }";
    for (step, lacks) in [
        ("- lookup: { call: tier, with: data.customer, as: data.tier }", "the function \"tier\""),
        ("- repartition: { by: data.customer, partitioner: { custom: by-tier } }", "the partitioner \"by-tier\""),
    ] {
        let place = with(step);
        place.write("x.test.yaml", format!("tests:\n  t: {{ given: [{order}], expect: {{ totals: nothing }} }}\n"));
        let outcome = place.run(&["test", "--format", "json"]);
        let line: Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!(
            (outcome.code, &line["outcome"], &line["lacks"]),
            (1, &"not_run".into(), &vec![lacks].into()),
            "{line}"
        );
    }
}

const HOURS: &str = "
app: hours
topics: { flights: { partitions: 2, key: data.carrier, time: data.at } }
pipelines:
  hours:
    from: flights
    steps:
      - count: { window: { tumbling: 1h, grace: 5m }, emit: close, late: late-flights, view: hourly }
    to: hourly-flights
  priced:
    from: flights
    steps:
      - lookup: { get: \"'http://prices/' + data.carrier\", as: data.price }
    to: priced-flights
";

const WINDOWS: &str = "
tests:
  rows are there or not:
    - given:
        - { topic: flights, data: { carrier: UA, at: 2026-01-01T10:10:00Z } }
        - { topic: flights, data: { carrier: UA, at: 2026-01-01T10:20:00Z } }
      views:
        hourly:
          - { key: UA, window: { start: 2026-01-01T10:00:00Z, end: 2026-01-01T11:00:00Z }, contains: { count: 2 } }
          - { key: UA, window: { end: 2026-01-01T11:00:00Z } }
          - { key: UA, window: { start: 2026-01-01T11:00:00Z }, no_row: true }
          - { key: AA, no_row: true }
    - given: [{ topic: flights, data: { carrier: UA, at: 2026-01-01T11:04:59Z } }]
      views:
        hourly:
          - { key: UA, contains: { count: 1 } }
          - { key: UA, window: { start: 2026-01-01T10:00:00Z }, contains: { count: 2 } }
    - given: [{ topic: flights, data: { carrier: UA, at: 2026-01-01T11:05:00Z } }]
      views: { hourly: [{ key: UA, window: { start: 2026-01-01T10:00:00Z }, no_row: true }] }
  lookups are answered:
    - lookups: { \"http://prices/UA\": { eur: 90 } }
      given:
        - { topic: flights, data: { carrier: UA, at: 2026-01-01T10:00:00Z } }
        - { topic: flights, data: { carrier: AA, at: 2026-01-01T10:00:00Z } }
      expect:
        priced-flights:
          - { key: UA, contains: { price: { eur: 90 } } }
          - { key: AA, contains: { price: null } }
    - lookups: { \"http://prices/AA\": 7 }
      given: [{ topic: flights, data: { carrier: AA, at: 2026-01-01T10:00:00Z } }]
      expect: { priced-flights: [{ contains: { price: 7 } }] }
";

#[test]
fn the_example_of_the_guide_passes() {
    let guide = include_str!("../../../docs/testing.md");
    let (_, section) = guide.split_once("## Windows, late events and views\n").unwrap();
    let blocks: Vec<&str> = section.split("```yaml\n").skip(1).map(|part| part.split("```").next().unwrap()).collect();
    let place = Place::with_app(blocks[0]);
    place.write("x.test.yaml", blocks[1]);
    let out = place.run(&["test"]);
    assert!(out.code == 0 && out.out.contains("2 passed"), "{}{}", out.out, out.error);
}

#[test]
fn views_windows_and_lookups_are_tested() {
    let place = Place::with_app(HOURS);
    place.write("x.test.yaml", WINDOWS);
    let out = place.run(&["test"]);
    assert_eq!(out.code, 0, "{}{}", out.out, out.error);
}

#[test]
fn a_row_that_is_not_as_expected_is_shown() {
    let place = Place::with_app(HOURS);
    let given = "given: [{ topic: flights, data: { carrier: UA, at: 2026-01-01T10:10:00Z } }]";
    let window = "{\"end\":\"2026-01-01T11:00:00Z\",\"start\":\"2026-01-01T10:00:00Z\"}";
    for (row, said) in [
        (
            "key: UA, contains: { count: 2 }",
            "3:25: hourly, key UA: data.count is not as expected\n      - data.count: 2\n      + data.count: 1",
        ),
        (
            "key: UA, window: { start: 2026-01-01T10:00:00Z, end: 2026-01-01T10:30:00Z }",
            "- window.end: \"2026-01-01T10:30:00Z\"",
        ),
        ("key: UA, no_row: true", "hourly, key UA: there is a row that the test does not expect"),
        ("key: UA, no_row: true", &format!("\"window\":{window}")),
        ("key: AA", "hourly, key AA: there is no such row\n"),
        (
            "key: UA, window: { start: 2026-01-01T09:00:00Z }",
            "the windows of the key: 2026-01-01T10:00:00Z to 2026-01-01T11:00:00Z",
        ),
    ] {
        place.write("x.test.yaml", format!("tests:\n  t: {{ {given},\n    views: {{ hourly: [{{ {row} }}] }} }}\n"));
        let outcome = place.run(&["test"]);
        assert_eq!(outcome.code, 1, "{row}");
        assert!(outcome.out.contains(said), "{said:?} is not in\n{}", outcome.out);
    }
}

#[test]
fn a_bad_test_file_ends_with_2() {
    let place = Place::with_app(SHOP);
    let error = place.fail(2, &["test"]);
    assert!(error.starts_with("error[RR0040]: there is no *.test.yaml beside ./riverrun.yaml"), "{error}");
    place.write("x.test.yaml", "tests:\n  t: { expect: { bill: nothing } }\n");
    let error = place.fail(2, &["test"]);
    assert!(error.contains("[RR0011]") && error.contains("did you mean `bills`?"), "{error}");
    let outcome = place.run(&["test", "--format", "json"]);
    let line: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!((outcome.code, &line["code"], &line["line"]), (2, &"RR0011".into(), &2.into()));
    place.write("x.test.yaml", "tests:\n  t: { expect: { bills: nothing } }\n");
    place.succeed(&["test", "x.test.yaml"]);
    assert!(
        place.fail(2, &["test", "--only", "nobody"]).starts_with("error[RR0040]: no test has \"nobody\" in its name")
    );
    assert!(
        place.fail(2, &["test", "y.test.yaml"]).starts_with("error[RR0040]: the test file y.test.yaml cannot be read")
    );
}
