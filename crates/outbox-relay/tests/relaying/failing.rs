//! Rows that fail, and a log that refuses.

use std::time::Duration;

use riverrun_outbox_relay::{OnDead, RelayState};

use super::stage::{Stage, eventually, publish};
use super::staged_log::Mode;

/// A row that no relay can publish, stored past the functions of the outbox: its data is no JSON.
async fn publish_bad(client: &tokio_postgres::Client, key: &str) {
    client
        .execute(
            "insert into riverrun_outbox (shard, topic, key, event_id, source, type, data) values \
             (hashtextextended('orders' || chr(31) || $1, 0) & 63, 'orders', $1, gen_random_uuid()::text, '/test', 'happened', 'no json')",
            &[&key],
        )
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_row_blocks_only_its_aggregate() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let client = stage.client().await;
    publish(&client, "orders", "bad", "1").await;
    publish_bad(&client, "bad").await;
    for data in ["2", "3"] {
        publish(&client, "orders", "bad", data).await;
        publish(&client, "orders", "good", data).await;
    }
    stage.has("orders", 3).await;
    relay.is("a marked row", |status| status.marked == 1).await;
    publish(&client, "orders", "bad", "4").await;
    publish(&client, "orders", "good", "4").await;
    stage.has("orders", 4).await;
    assert_eq!((stage.of_key("orders", "bad").len(), stage.of_key("orders", "good").len()), (1, 3));

    let admin = stage.admin().await;
    let marked = admin.marked(10).await.unwrap();
    let [row] = marked.as_slice() else { panic!("{marked:?}") };
    assert_eq!((row.topic.as_str(), row.key.as_deref(), row.attempts, row.behind), ("orders", Some("bad"), 2, 3));
    assert!(row.error.as_ref().unwrap().contains("JSON"), "{row:?}");

    // Tried again it fails again, and its aggregate waits on.
    assert_eq!(admin.retry(Some(&[row.id])).await.unwrap(), 1);
    relay.is("a row marked again", |status| status.marked == 2).await;
    assert_eq!(stage.of_key("orders", "bad").len(), 1);

    // Mended and tried again, it comes in its place.
    client.execute("update riverrun_outbox set data = '99' where id = $1", &[&row.id]).await.unwrap();
    assert_eq!(admin.retry(None).await.unwrap(), 1);
    stage.has("orders", 8).await;
    assert_eq!(stage.of_key("orders", "bad"), ["1", "99", "2", "3", "4"]);
    stage.is_emptied().await;
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_row_lets_its_aggregate_go_on() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    publish_bad(&client, "bad").await;
    publish(&client, "orders", "bad", "1").await;
    let relay = stage.relay();
    relay.is("a marked row", |status| status.marked == 1).await;
    // A relay that starts finds out by itself what waits.
    relay.end().await;
    let relay = stage.relay();
    relay.is("a relay that sleeps", |status| status.state == RelayState::Sleeping).await;
    assert!(stage.came("orders").is_empty());
    assert_eq!(stage.admin().await.discard(None).await.unwrap(), 1);
    stage.has("orders", 1).await;
    stage.is_emptied().await;
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_skip_the_aggregate_goes_on() {
    let stage = Stage::new().await;
    let relay = stage.relay_with(|options| options.on_dead = OnDead::Skip);
    let client = stage.client().await;
    publish_bad(&client, "bad").await;
    publish(&client, "orders", "bad", "1").await;
    publish(&client, "orders", "bad", "2").await;
    stage.has("orders", 2).await;
    assert_eq!(stage.of_key("orders", "bad"), ["1", "2"]);
    eventually("one marked row", async || stage.rows().await == 1).await;
    assert_eq!(relay.status.get().marked, 1);
    relay.end().await;
    stage.end().await;
}

/// The same id with other content is refused by the log; what is beside it in the batch is not.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_marks_only_its_row() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    for (key, data) in [("a", "1"), ("b", "2"), ("c", "3")] {
        let headers = if key == "c" { "{\"id\":\"same\"}" } else { "{}" };
        client
            .query(
                "select riverrun_publish('orders', $1, 'happened', $2::text, $3::text::jsonb)",
                &[&key, &data, &headers],
            )
            .await
            .unwrap();
    }
    client.query("select riverrun_publish('orders', 'd', 'happened', '4', '{\"id\":\"same\"}')", &[]).await.unwrap();
    let relay = stage.relay();
    stage.has("orders", 3).await;
    relay.is("a marked row", |status| status.marked == 1).await;
    let marked = stage.admin().await.marked(10).await.unwrap();
    assert_eq!(marked.first().and_then(|row| row.key.clone()).as_deref(), Some("d"));
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_refuses_costs_no_attempts() {
    let stage = Stage::new().await;
    stage.set(Mode::Refuse);
    let relay = stage.relay();
    let client = stage.client().await;
    for number in 0..20 {
        publish(&client, "orders", "a", &number.to_string()).await;
    }
    relay.is("a reason", |status| status.reason.as_ref().is_some_and(|reason| reason.contains("restarted"))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.set(Mode::Serve);
    stage.has("orders", 20).await;
    assert_eq!(stage.of_key("orders", "a"), (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
    stage.is_emptied().await;
    assert_eq!(relay.status.get().marked, 0);
    relay.end().await;
    stage.end().await;
}

/// Rows without a key have no order, so one that fails holds up nobody.
#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_wait_for_nobody() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let client = stage.client().await;
    client
        .batch_execute(
            "insert into riverrun_outbox (shard, topic, event_id, source, type, data) values (1, 'orders', 'x', '/t', 't', 'no json')",
        )
        .await
        .unwrap();
    client.query("select riverrun_publish('orders', null, 'happened', '1')", &[]).await.unwrap();
    stage.has("orders", 1).await;
    relay.is("a marked row", |status| status.marked == 1).await;
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_of_another_version_is_named() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    client.batch_execute("delete from riverrun_outbox_version").await.unwrap();
    let relay = stage.relay();
    relay.is("a reason", |status| status.reason.as_ref().is_some_and(|reason| reason.contains("RR0502"))).await;
    publish(&client, "orders", "a", "1").await;
    client.batch_execute("insert into riverrun_outbox_version values (1)").await.unwrap();
    stage.has("orders", 1).await;
    relay.end().await;
    stage.end().await;
}

/// The longest key that is allowed is longer than what an index of PostgreSQL takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_with_a_long_key_waits_like_any_other() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let client = stage.client().await;
    // Random, so that it cannot be compressed into what fits.
    let sql = "select string_agg(md5(random()::text || n), '') from generate_series(1, 1000) as n";
    let key: String = client.query_one(sql, &[]).await.unwrap().get(0);
    publish_bad(&client, &key).await;
    publish(&client, "orders", &key, "1").await;
    publish(&client, "orders", "other", "1").await;
    relay.is("a marked row", |status| status.marked == 1).await;
    stage.has("orders", 1).await;
    assert_eq!(stage.admin().await.discard(None).await.unwrap(), 1);
    stage.has("orders", 2).await;
    relay.end().await;
    stage.end().await;
}
