//! A table that does not grow, whatever stays open.

use std::time::Duration;

use super::stage::{Stage, eventually, publish};

#[tokio::test(flavor = "multi_thread")]
async fn dead_rows_that_a_long_transaction_keeps_are_truncated() {
    let stage = Stage::new().await;
    let relay = stage.relay_with(|options| options.rotate_bytes = 4 * 1024 * 1024);
    let (mut elsewhere, client) = (stage.client().await, stage.client().await);
    let long = elsewhere.transaction().await.unwrap();
    long.query("select pg_current_xact_id()", &[]).await.unwrap();
    // A row that waits in the partition must survive.
    client
        .batch_execute(
            "insert into riverrun_outbox (shard, topic, key, event_id, source, type, data) values \
             (1, 'orders', 'bad', 'x', '/t', 't', 'no json')",
        )
        .await
        .unwrap();
    let some = "select riverrun_publish('orders', 'k' || n, 'happened', to_json(repeat('x', 1000))) from generate_series(1, 2000) as n";
    let size = async || -> i64 {
        let sql = "select sum(pg_table_size(relid))::bigint from pg_partition_tree('riverrun_outbox')";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let mut published = 0;
    for _ in 0..15 {
        client.query(some, &[]).await.unwrap();
        published += 2_000;
        stage.has("orders", published).await;
        tokio::time::sleep(Duration::from_millis(1_200)).await;
    }
    // What was written is 36 MB and more, and vacuum may remove nothing of it.
    let bytes = size().await;
    assert!(bytes < 24 * 1024 * 1024, "the outbox has {bytes} bytes");
    publish(&client, "orders", "bad", "1").await;
    let marked = stage.admin().await.marked(10).await.unwrap();
    assert_eq!(marked.len(), 1, "{marked:?}");
    assert_eq!(stage.admin().await.discard(None).await.unwrap(), 1);
    stage.has("orders", published + 1).await;
    eventually("an empty outbox", async || stage.rows().await == 0).await;
    long.commit().await.unwrap();
    relay.end().await;
    stage.end().await;
}
