//! The outbox from the command line: set up, relayed, looked at, mended, listened to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod binary;

use std::time::{Duration, Instant};

use binary::{PATIENCE, Place};
use riverrun::outbox::{Database, NewEvent, Outbox, tokio_postgres};
use serde_json::Value;

/// A database of its own, gone with the test.
struct Shop {
    server: String,
    name: String,
}

impl Shop {
    async fn new(name: &str) -> Self {
        let Ok(server) = std::env::var("RIVERRUN_TEST_POSTGRES") else {
            panic!("RIVERRUN_TEST_POSTGRES names no database; `cargo xtask services start postgres` starts one")
        };
        let shop = Self { server, name: format!("{name}_{}", std::process::id()) };
        shop.superuser().await.batch_execute(&format!("create database {} owner riverrun", shop.name)).await.unwrap();
        shop
    }

    async fn superuser(&self) -> tokio_postgres::Client {
        Database::new(&self.server.replace("//riverrun@", "//postgres@")).unwrap().connect().await.unwrap()
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server.rsplit_once('/').unwrap().0, self.name)
    }

    async fn client(&self) -> tokio_postgres::Client {
        Database::new(&self.url()).unwrap().connect().await.unwrap()
    }

    async fn publish(&self, topic: &str, key: &str, data: &str) {
        let event = NewEvent::new(topic, "order.placed").key(key).json(data);
        Outbox::new("/shop").publish(&self.client().await, &event).await.unwrap();
    }

    async fn end(self) {
        self.superuser().await.batch_execute(&format!("drop database {} with (force)", self.name)).await.unwrap();
    }
}

fn app(url: &str) -> String {
    format!(
        "app: shop\noutbox: {{ url: '{url}', attempts: 2, backoff: 20ms }}\ntopics: {{ orders: {{ partitions: 2 }} }}\n"
    )
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let give_up_at = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < give_up_at, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn status(place: &Place) -> Value {
    serde_json::from_str(&place.succeed(&["outbox", "status", "--format", "json"])).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_is_set_up_relayed_and_mended() {
    let shop = Shop::new("mended").await;
    let place = Place::with_app(&app(&shop.url()));
    let error = place.fail(1, &["outbox", "status"]);
    assert!(error.starts_with("error[RR0502]") && error.contains("riverrun outbox init"), "{error}");
    assert!(place.succeed(&["outbox", "init"]).starts_with("created the outbox, version 1, in schema public of "));
    assert!(place.succeed(&["outbox", "init"]).contains("nothing to do"));
    assert!(place.succeed(&["outbox", "status"]).contains("no relay is connected"));

    shop.publish("orders", "o-1", "{\"amount\": 1.50}").await;
    let (server, _) = place.serve(&[]);
    eventually("an event", || place.succeed(&["tail", "orders"]).contains("\"data\":{\"amount\": 1.50}"));
    // Nobody declared it: tried twice, then marked, and the next one of its key waits.
    shop.publish("returns", "r-1", "1").await;
    shop.publish("returns", "r-1", "2").await;
    eventually("a marked row", || status(&place)["marked"] == 1);
    let seen = status(&place);
    assert_eq!((&seen["waiting"], &seen["parked"], &seen["rows"][0]["behind"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!(seen["relays"][0]["shards"], 64);
    let shown = place.succeed(&["outbox", "status"]);
    assert!(shown.contains("1 row marked") && shown.contains("topic \"returns\" is not declared"), "{shown}");
    let metrics = place.succeed(&["status"]);
    assert!(metrics.contains("OUTBOX"), "{metrics}");

    let row = seen["rows"][0]["row"].to_string();
    assert_eq!(place.succeed(&["outbox", "retry", &row]).trim_end(), "1 row to be processed again");
    eventually("a row marked again", || status(&place)["marked"] == 1);
    let error = place.fail(1, &["outbox", "discard", "4711"]);
    assert!(error.starts_with("error[RR0507]: 1 of 1 rows were not marked, or are gone"), "{error}");
    assert_eq!(place.succeed(&["outbox", "discard", "--all"]).trim_end(), "1 row discarded");
    eventually("the next one marked", || status(&place)["marked"] == 1 && status(&place)["waiting"] == 0);
    assert_eq!(server.terminate(), 0);

    // Declared, it goes through.
    place.write("riverrun.yaml", app(&shop.url()).replace("2 } }", "2 }, returns: { partitions: 1 } }"));
    place.succeed(&["outbox", "retry", "--all"]);
    let (server, _) = place.serve(&[]);
    eventually("the event behind", || place.succeed(&["tail", "returns"]).contains("\"data\":2"));
    eventually("an empty outbox", || status(&place)["waiting"] == 0 && status(&place)["marked"] == 0);
    assert_eq!(server.terminate(), 0);
    // Behind a relay that sleeps there is nothing left to do.
    place.succeed(&["run", "--listen", "127.0.0.1:0", "--exit-when-idle", "200ms"]);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_alone_has_no_doors_and_is_ready_with_its_database() {
    let shop = Shop::new("alone").await;
    let place = Place::with_app(&app(&shop.url()));
    let (mut server, url) = place.serve(&["--only", "outbox"]);
    server.error_line_with("RR0502");
    let get = |path: &str| {
        let (host, path) = (url.trim_start_matches("http://").to_owned(), path.to_owned());
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        std::io::Write::write_all(
            &mut stream,
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .unwrap();
        std::io::read_to_string(stream).unwrap()
    };
    let unready = get("/health/ready");
    assert!(unready.starts_with("HTTP/1.1 503") && unready.contains("riverrun outbox init"), "{unready}");
    assert!(get("/health/live").starts_with("HTTP/1.1 200"));
    assert!(get("/topics/orders/events").starts_with("HTTP/1.1 404"));
    place.succeed(&["outbox", "init"]);
    eventually("a ready relay", || get("/health/ready").starts_with("HTTP/1.1 200"));
    shop.publish("orders", "o-1", "{}").await;
    eventually("a published row", || get("/metrics").contains("riverrun_outbox_published_total{topic=\"orders\"} 1"));
    assert_eq!(server.terminate(), 0);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_is_handed_over_first() {
    let shop = Shop::new("listened").await;
    let place = Place::with_app(&app(&shop.url()));
    place.succeed(&["outbox", "init"]);
    let (server, _) = place.serve(&[]);
    shop.publish("orders", "o-1", "{\"n\":1}").await;
    let mut listening = place.start(&["listen", "orders", "--name", "billing"]);
    assert!(listening.out_line_with("orders/").contains("\"data\":{\"n\":1}"));
    shop.publish("orders", "o-1", "{\"n\":2}").await;
    assert!(listening.out_line_with("orders/").contains("\"data\":{\"n\":2}"));
    eventually("a committed position", || {
        let listed: Value = serde_json::from_str(&place.succeed(&["consumers", "list", "--format", "json"])).unwrap();
        listed[0]["lag"] == 0
            || listed[0]["partitions"].as_array().is_some_and(|all| all.iter().all(|one| one["lag"] == 0))
    });
    assert_eq!(listening.terminate(), 0);
    for number in 3..6 {
        shop.publish("orders", "o-1", &format!("{{\"n\":{number}}}")).await;
    }
    // A program that fails the first time gets the same event again.
    let program = "cat >> handed.ndjson; test -e failed || { touch failed; exit 3; }";
    let mut listening = place.start(&["listen", "orders", "--name", "billing", "--exec", program]);
    assert!(listening.error_line_with("failed").contains("the same event again"));
    eventually("four deliveries", || {
        place.path().join("handed.ndjson").exists() && place.read("handed.ndjson").lines().count() == 4
    });
    let handed = place.read("handed.ndjson");
    let numbers: Vec<Value> =
        handed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["data"]["n"].clone()).collect();
    assert_eq!(numbers, [3, 3, 4, 5]);
    assert_eq!(listening.terminate(), 0);
    assert_eq!(server.terminate(), 0);
    shop.end().await;
}

#[test]
fn what_is_wrong_is_said() {
    let place = Place::with_app("app: shop\ntopics: { orders: }\n");
    let error = place.fail(2, &["outbox", "status"]);
    assert!(error.starts_with("error[RR0506]: the app file has no `outbox:` section"), "{error}");
    let error = place.fail(2, &["outbox", "status", "--database", "mysql://x"]);
    assert!(error.starts_with("error[RR0008]"), "{error}");
    let error = place.fail(1, &["outbox", "init", "--database", "postgres://shop:hunter2@127.0.0.1:1/shop"]);
    assert!(error.starts_with("error[RR0501]") && !error.contains("hunter2"), "{error}");
    assert!(place.fail(2, &["outbox", "retry"]).contains("ROW"));
    let printed = place.succeed(&["outbox", "init", "--print", "--schema", "Shop's"]);
    assert!(
        printed.contains("\"Shop's\".riverrun_outbox") && printed.contains("'\"Shop''s\".riverrun_outbox'::regclass")
    );
}
