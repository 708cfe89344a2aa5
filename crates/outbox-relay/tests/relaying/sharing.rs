//! Several relays of one outbox.

use super::stage::{Stage, publish};

#[tokio::test(flavor = "multi_thread")]
async fn relays_share_the_shards_and_take_over() {
    let stage = Stage::new().await;
    let first = stage.relay();
    first.is("all shards", |status| status.shards == 64).await;
    let second = stage.relay();
    first.is("half of the shards", |status| status.shards == 32 && status.relays == 2).await;
    second.is("the other half", |status| status.shards == 32).await;
    let client = stage.client().await;
    let many = "select riverrun_publish('orders', 'k' || n, 'happened', n::text) from generate_series(1, 500) as n";
    client.query(many, &[]).await.unwrap();
    stage.has("orders", 500).await;
    first.is("a share", |status| status.published > 0).await;
    second.is("a share", |status| status.published > 0).await;
    assert_eq!(first.status.get().duplicates + second.status.get().duplicates, 0);

    // One that dies tells nobody.
    first.kill().await;
    second.is("all shards", |status| status.shards == 64).await;
    client.query(many, &[]).await.unwrap();
    stage.has("orders", 1_000).await;
    second.end().await;
    stage.end().await;
}

/// Rows of a dead relay's shards that came before anybody took these over.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_take_over_is_not_missed() {
    let stage = Stage::new().await;
    let (first, second) = (stage.relay(), stage.relay());
    first.is("half of the shards", |status| status.shards == 32).await;
    second.is("half of the shards", |status| status.shards == 32).await;
    first.kill().await;
    let client = stage.client().await;
    for number in 0..200 {
        publish(&client, "orders", &format!("k{number}"), "1").await;
    }
    stage.has("orders", 200).await;
    stage.is_emptied().await;
    second.end().await;
    stage.end().await;
}
