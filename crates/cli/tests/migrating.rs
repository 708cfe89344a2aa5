//! An app that ran on the embedded log goes on on Kafka, with the real binary and the broker of the tests: nothing is lost, nothing
//! counts twice, and everyone who read goes on where they were.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod binary;

use std::time::Duration;

use binary::{Place, Running};
use riverrun::client::{Client, Committed, Consumer};
use serde_json::{Value, json};

/// Orders counted by customer, and named by what is known of the customer; some of them cannot be.
const APP: &str = "\
app: shop
log: ${env:SHOP_LOG:-local}
kafka: { prefix: PREFIX, replication: 1, session: 6s, instance: one }
topics:
  orders: { partitions: 2, key: data.customer }
  customers: { partitions: 1, key: data.id }
models:
  customer: { from: customers }
pipelines:
  counted:
    from: orders
    steps: [count: { view: totals }]
    to: counts
  named:
    from: orders
    steps:
      - snapshot: { customer: { key: data.customer } }
      - set: { data.name: data.snapshot.customer.name }
      - filter: data.amount > 0
    to: names
    on_error: dead_letter
";

/// Every seventh order has an amount that is none.
const ORDERS: usize = 210;
const FAILING: usize = ORDERS / 7;

fn cluster() -> String {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    format!("kafka://{brokers}")
}

fn place(test: &str) -> Place {
    let app = APP.replace("PREFIX", &format!("move-{test}-{}.", std::process::id()));
    let place = Place::with_app(&app);
    let order = |number: usize| {
        let amount = if number.is_multiple_of(7) { json!("none") } else { json!(number) };
        event("order", &number.to_string(), json!({ "customer": format!("c{}", number % 5), "amount": amount }))
    };
    place.write("orders.ndjson", (0..ORDERS).map(order).collect::<String>());
    let customer = |number: usize| {
        let data = json!({ "id": format!("c{}", number % 5), "name": format!("name {number}") });
        event("customer", &format!("u{number}"), data)
    };
    place.write("customers.ndjson", (0..15).map(customer).collect::<String>());
    place
}

fn event(kind: &str, id: &str, data: Value) -> String {
    format!("{}\n", json!({ "specversion": "1.0", "id": id, "source": "/shop", "type": kind, "data": data }))
}

fn published(place: &Place) {
    place.succeed(&["publish", "customers", "customers.ndjson"]);
    place.succeed(&["publish", "orders", "orders.ndjson"]);
}

/// Starts the app on the embedded log and lets it do what there is.
fn run_locally(place: &Place) -> (Running, String) {
    let (server, url) = place.serve(&[]);
    published(place);
    settle(place, ORDERS);
    (server, url)
}

/// Waits until as many orders are counted.
fn settle(place: &Place, orders: usize) {
    for _ in 0..600 {
        if counts(place).values().sum::<u64>() == orders as u64 && is_idle(place) {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{orders} orders are not counted: {:?}", counts(place));
}

fn is_idle(place: &Place) -> bool {
    place.run(&["status"]).out.contains("idle")
}

fn counts(place: &Place) -> std::collections::BTreeMap<String, u64> {
    let outcome = place.run(&["view", "totals"]);
    let rows = outcome.out.lines().skip(1).filter_map(|line| line.split_once(' '));
    let count = |(key, data): (&str, &str)| {
        let data: Value = serde_json::from_str(data.trim()).ok()?;
        Some((key.to_owned(), data["count"].as_u64()?))
    };
    rows.filter_map(count).collect()
}

fn records(place: &Place, topic: &str) -> Vec<String> {
    let out = place.succeed(&["tail", topic, "--from", "beginning"]);
    let mut lines: Vec<String> = out.lines().map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

fn migrated(place: &Place, arguments: &[&str]) -> Value {
    let to = cluster();
    let arguments = [&["migrate", "--to", &to, "--format", "json"], arguments].concat();
    serde_json::from_str(&place.succeed(&arguments)).unwrap()
}

/// Starts the app on Kafka, where it has counted as many orders.
fn run_there(place: &Place, orders: usize) -> (Running, String) {
    let app = place.read("riverrun.yaml").replace("${env:SHOP_LOG:-local}", &cluster());
    place.write("riverrun.yaml", app);
    let running = place.serve(&[]);
    settle(place, orders);
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_goes_on_where_it_was() {
    let place = place("whole");
    let (server, url) = run_locally(&place);
    let mut billing = Consumer::connect(&url, "billing", &["orders"]).unwrap().limit(40);
    let batch = billing.next().await.unwrap();
    let read = batch.raw().count();
    assert_eq!(billing.commit(batch).await.unwrap(), Committed::Done);
    billing.leave().await.unwrap();
    let topics = ["orders", "counts", "names", "_dead-letters.named"];
    let before = topics.map(|topic| records(&place, topic));
    let counted = counts(&place);
    let token = Client::new(&url, None).unwrap().get("/topics/counts/events?from=beginning&limit=1").await.unwrap();
    assert!(!token.is_empty());
    assert_eq!(server.terminate(), 0);

    check_plan(&place, 0);
    let report = migrated(&place, &[]);
    assert_eq!((&report["equal"], report["partitions"].as_array().unwrap().len()), (&json!(true), 16), "{report}");
    let identities = report["groups"].as_array().unwrap().iter().map(|group| group["identities"].as_u64().unwrap());
    assert_eq!(identities.sum::<u64>(), ORDERS as u64 + 15, "{report}");
    for arguments in [&["run", "--exit-when-idle", "1s"][..], &["tail", "orders"], &["migrate", "--to", &cluster()]] {
        let error = place.fail(1, arguments);
        assert!(error.contains("error[RR0207]: the app in"), "{arguments:?}: {error}");
    }

    let (server, url) = run_there(&place, ORDERS);
    assert_eq!(counts(&place), counted);
    assert_eq!(topics.map(|topic| records(&place, topic)), before);
    // What was sent before is recognised, and what is new is counted once.
    published(&place);
    let more: String =
        (0..10).map(|n| event("order", &format!("n{n}"), json!({ "customer": "c1", "amount": 1 }))).collect();
    place.write("more.ndjson", more + &event("order", "3", json!({ "customer": "c3", "amount": 999 })));
    place.succeed(&["publish", "orders", "more.ndjson"]);
    settle(&place, ORDERS + 10);
    assert_eq!(counts(&place)["c1"], counted["c1"] + 10);
    assert_eq!(records(&place, "names").len(), ORDERS - FAILING + 10);
    let letters = place.succeed(&["dead-letters", "list"]);
    assert!(letters.contains("stored at orders/"), "{letters}");
    check_consumer(&url, read).await;
    check_position(&url).await;
    assert_eq!(server.terminate(), 0);
}

fn check_plan(place: &Place, there: u64) {
    let plan = migrated(place, &["--dry-run"]);
    let orders = plan["topics"].as_array().unwrap().iter().find(|topic| topic["topic"] == "orders").unwrap();
    assert_eq!((&orders["offsets"], &orders["there"]), (&json!(ORDERS), &json!(there)), "{plan}");
}

/// The consumer reads what it has not read, and nothing else.
async fn check_consumer(url: &str, read: usize) {
    let mut billing = Consumer::connect(url, "billing", &["orders"]).unwrap().limit(1_000);
    let mut left = ORDERS + 10 - read;
    while left > 0 {
        let batch = tokio::time::timeout(Duration::from_secs(60), billing.next()).await.unwrap().unwrap();
        assert!(batch.raw().count() <= left, "{} of {left}", batch.raw().count());
        left -= batch.raw().count();
        assert_eq!(billing.commit(batch).await.unwrap(), Committed::Done);
    }
    billing.leave().await.unwrap();
}

/// A position that was given out before the move.
async fn check_position(url: &str) {
    let path = "/views/totals/c1?min_position=orders/1@5,orders/0@5";
    let row = Client::new(url, None).unwrap().get(path).await.unwrap();
    assert!(!row.is_empty());
}

#[test]
fn a_move_goes_on_while_the_app_runs_and_ends_with_it() {
    let place = place("running");
    let (server, _) = run_locally(&place);
    check_plan(&place, 0);
    let copied = migrated(&place, &["--copy-only"]);
    assert!(copied["copied"].as_u64().unwrap() > ORDERS as u64, "{copied}");
    check_plan(&place, ORDERS as u64);
    let to = cluster();
    let mut moving = place.start(&["migrate", "--to", &to]);
    moving.error_line_with("end the app now");
    let more: String =
        (0..10).map(|n| event("order", &format!("n{n}"), json!({ "customer": "c1", "amount": 1 }))).collect();
    place.write("more.ndjson", more);
    place.succeed(&["publish", "orders", "more.ndjson"]);
    settle(&place, ORDERS + 10);
    let counted = counts(&place);
    assert_eq!(server.terminate(), 0);
    moving.out_line_with("both sides are equal");
    assert_eq!(moving.close_output_and_wait(), 0);

    let (server, _) = run_there(&place, ORDERS + 10);
    assert_eq!(counts(&place), counted);
    assert_eq!(records(&place, "names").len(), ORDERS - FAILING + 10);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn a_move_that_was_killed_goes_on() {
    let place = place("killed");
    let (server, _) = run_locally(&place);
    let counted = counts(&place);
    assert_eq!(server.terminate(), 0);
    let to = cluster();
    // Wherever it is then: while it connects, copies, writes state, compares or finishes.
    for pause in [300, 700, 1_200, 2_000, 3_000, 4_000] {
        let moving = place.start(&["migrate", "--to", &to]);
        std::thread::sleep(Duration::from_millis(pause));
        moving.kill();
    }
    let outcome = place.run(&["migrate", "--to", &to]);
    assert!(outcome.code == 0 || outcome.error.contains("RR0207"), "{outcome:?}");
    let (server, _) = run_there(&place, ORDERS);
    assert_eq!(counts(&place), counted);
    assert_eq!(records(&place, "names").len(), ORDERS - FAILING);
    assert_eq!(server.terminate(), 0);
}

#[test]
fn what_others_have_on_the_cluster_is_left_alone() {
    let place = place("taken");
    let (server, _) = run_locally(&place);
    assert_eq!(server.terminate(), 0);
    let local = place.read("riverrun.yaml");
    // The same app was started on the cluster by mistake, and has events there.
    place.write(
        "riverrun.yaml",
        local.replace("${env:SHOP_LOG:-local}", &cluster()).replace("app: shop", "app: shop\ndata_dir: there"),
    );
    let (server, _) = place.serve(&[]);
    place.succeed(&["publish", "orders", "orders.ndjson"]);
    settle(&place, ORDERS);
    assert_eq!(server.terminate(), 0);
    place.write("riverrun.yaml", &local);
    let outcome = place.run(&["migrate", "--to", &cluster()]);
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.error.contains("error[RR0422]") || outcome.error.contains("error[RR0423]"), "{outcome:?}");
    // Another number of partitions is refused before anything is written, and the app still runs here.
    let (server, _) = place.serve(&[]);
    settle(&place, ORDERS);
    assert_eq!(server.terminate(), 0);
}
