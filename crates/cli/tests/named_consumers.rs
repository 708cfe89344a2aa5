//! Looking after named consumers from the command line, while a reader of the library is at work.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod binary;

use binary::Place;
use riverrun::client::{Committed, Consumer};
use serde_json::Value;

const APP: &str = "\
app: shop
topics:
  orders: { partitions: 2, key: data.customer }
  returns: { partitions: 1, key: data.customer }
";

/// What `consumers show` prints of the consumer `billing`: committed, end and lag of each partition.
fn shown(place: &Place) -> Vec<[u64; 3]> {
    let answer: Value = json(place, &["consumers", "show", "billing", "--format", "json"]);
    let number = |held: &Value, name: &str| held[name].as_u64().unwrap();
    let held = answer["partitions"].as_array().unwrap().iter();
    held.map(|held| ["committed", "end", "lag"].map(|name| number(held, name))).collect()
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&place.succeed(arguments)).unwrap()
}

/// The cells of the table's row that begins with `first`.
fn row(table: &str, first: &str) -> Vec<String> {
    let mut lines = table.lines().map(|line| line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>());
    lines.find(|cells| cells.first().is_some_and(|cell| cell == first)).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_are_listed_shown_reset_and_removed() {
    let place = Place::with_app(APP);
    let (server, url) = place.serve(&[]);
    assert_eq!(place.succeed(&["consumers", "list"]), "no consumers\n");
    let orders: String = (0..40).map(|number| format!("{{\"customer\":\"c{number}\"}}\n")).collect();
    place.write("orders.ndjson", orders);
    place.succeed(&["publish", "orders", "orders.ndjson"]);

    let mut consumer = Consumer::connect(&url, "billing", &["orders"]).unwrap().limit(10);
    let batch = consumer.next().await.unwrap();
    assert_eq!(consumer.commit(batch).await.unwrap(), Committed::Done);
    check_shown(&place);
    consumer.leave().await.unwrap();
    check_reset(&place);

    let removed = place.run(&["consumers", "remove", "billing"]);
    assert_eq!((removed.code, removed.error.as_str()), (0, "removed billing\n"));
    assert_eq!(place.succeed(&["consumers", "list", "--format", "json"]).trim_end(), "[]");
    let error = place.fail(1, &["consumers", "show", "billing"]);
    assert!(error.starts_with("error[RR0190]: there is no consumer billing yet"), "{error}");
    assert_eq!(server.terminate(), 0);
}

/// 10 of 40 events are committed, and the reader is there.
fn check_shown(place: &Place) {
    let expected = ["billing", "1", "2", "30"];
    for arguments in [&["consumers", "list"][..], &["status"]] {
        assert_eq!(row(&place.succeed(arguments), "billing"), expected, "{arguments:?}");
    }
    let held = shown(place);
    assert_eq!(held.iter().map(|[committed, _, _]| committed).sum::<u64>(), 10, "{held:?}");
    let table = place.succeed(&["consumers", "show", "billing"]);
    for (number, held) in held.iter().enumerate() {
        let [name, committed, end, lag, reader] = row(&table, &format!("orders/{number}")).try_into().unwrap();
        assert_eq!([committed, end, lag], held.map(|number| number.to_string()), "{name}");
        assert!(reader.starts_with("rust-"), "{table}");
    }
    let status = json(place, &["status", "--format", "json"]);
    assert_eq!(status["consumers"], json(place, &["consumers", "list", "--format", "json"]));
}

fn check_reset(place: &Place) {
    let reset = |to: &str| place.succeed(&["consumers", "reset", "billing", "--to", to]);
    let lags = || -> Vec<u64> { shown(place).iter().map(|[_, _, lag]| *lag).collect() };
    let committed = || -> Vec<u64> { shown(place).iter().map(|[committed, _, _]| *committed).collect() };
    let table = reset("latest");
    assert_eq!(lags(), [0, 0]);
    assert_eq!(row(&table, "orders/1").last().map(String::as_str), Some("-"), "{table}");
    reset("beginning");
    assert_eq!(lags().iter().sum::<u64>(), 40);
    place.succeed(&["consumers", "reset", "billing", "--to", "0@3,1@2", "--topic", "orders"]);
    assert_eq!(committed(), [3, 2]);

    for (to, topic) in [("tomorrow", "orders"), ("beginning", "returns"), ("7@0", "orders")] {
        let error = place.fail(1, &["consumers", "reset", "billing", "--to", to, "--topic", topic]);
        assert!(error.starts_with("error[RR01"), "{to} {topic}: {error}");
    }
    assert_eq!(committed(), [3, 2]);
}
