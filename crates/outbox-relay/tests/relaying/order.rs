//! What comes, and in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use super::stage::{Stage, eventually, publish};
use super::staged_log::Mode;

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_commit_late_are_not_missed() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let (mut early, mut late) = (stage.client().await, stage.client().await);
    let open = early.transaction().await.unwrap();
    publish(&open, "orders", "a", "1").await;
    for data in ["2", "3"] {
        let transaction = late.transaction().await.unwrap();
        publish(&transaction, "orders", "b", data).await;
        transaction.commit().await.unwrap();
    }
    stage.has("orders", 2).await;
    open.commit().await.unwrap();
    stage.has("orders", 3).await;
    stage.is_emptied().await;
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_never_comes() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let mut client = stage.client().await;
    let transaction = client.transaction().await.unwrap();
    publish(&transaction, "orders", "a", "1").await;
    transaction.rollback().await.unwrap();
    let mut transaction = client.transaction().await.unwrap();
    publish(&transaction, "orders", "a", "2").await;
    let savepoint = transaction.transaction().await.unwrap();
    publish(&savepoint, "orders", "a", "3").await;
    savepoint.rollback().await.unwrap();
    publish(&transaction, "orders", "a", "4").await;
    transaction.commit().await.unwrap();
    stage.has("orders", 2).await;
    assert_eq!(stage.of_key("orders", "a"), ["2", "4"]);
    relay.end().await;
    stage.end().await;
}

/// Writers that lock nothing, two relays: the order of an aggregate is the order of commits.
#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_an_aggregate_is_that_of_commits() {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    const KEYS: usize = 5;
    let stage = Stage::new().await;
    let relays = [stage.relay(), stage.relay()];
    stage
        .client()
        .await
        .batch_execute("create table turns (key text primary key, turn int not null default 0)")
        .await
        .unwrap();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let mut client = stage.client().await;
        writers.push(tokio::spawn(async move {
            for number in 0..EACH {
                let key = format!("k{}", (writer + number) % KEYS);
                let transaction = client.transaction().await.unwrap();
                // The turn is taken behind the event's lock, so it says in which order the transactions had it.
                transaction
                    .query(
                        "with before as materialized (select pg_advisory_xact_lock(hashtextextended('orders' || chr(31) || $1, \
                         'riverrun_outbox'::regclass::oid::bigint))) select from before",
                        &[&key],
                    )
                    .await
                    .unwrap();
                let turn: i32 = transaction
                    .query_one(
                        "insert into turns values ($1, 1) on conflict (key) do update set turn = turns.turn + 1 returning turn",
                        &[&key],
                    )
                    .await
                    .unwrap()
                    .get(0);
                publish(&transaction, "orders", &key, &turn.to_string()).await;
                if number % 5 == 4 {
                    transaction.rollback().await.unwrap();
                } else {
                    transaction.commit().await.unwrap();
                }
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    stage.has("orders", WRITERS * EACH * 4 / 5).await;
    let mut turns: BTreeMap<String, i32> = BTreeMap::new();
    for (key, turn) in stage.came("orders") {
        let turn: i32 = turn.parse().unwrap();
        let last = turns.insert(key.clone(), turn).unwrap_or(0);
        assert_eq!(turn, last + 1, "{key}");
    }
    for relay in relays {
        relay.end().await;
    }
    stage.end().await;
}

/// The same without any lock of their own: a writer that publishes later waits, and its id is drawn later.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_waits_for_the_one_before_it() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let (mut first, mut second) = (stage.client().await, stage.client().await);
    let open = first.transaction().await.unwrap();
    publish(&open, "orders", "a", "1").await;
    let waiting = tokio::spawn(async move {
        let transaction = second.transaction().await.unwrap();
        publish(&transaction, "orders", "a", "2").await;
        transaction.commit().await.unwrap();
        second
    });
    let watcher = stage.client().await;
    eventually("a writer that waits", async || {
        let sql = "select exists (select from pg_locks where locktype = 'advisory' and not granted)";
        watcher.query_one(sql, &[]).await.unwrap().get(0)
    })
    .await;
    open.commit().await.unwrap();
    let second = waiting.await.unwrap();
    stage.has("orders", 2).await;
    assert_eq!(stage.of_key("orders", "a"), ["1", "2"]);

    // Switched off, nobody waits.
    let open = first.transaction().await.unwrap();
    publish(&open, "orders", "a", "3").await;
    second.batch_execute("set riverrun.lock_aggregates = off").await.unwrap();
    publish(&second, "orders", "a", "4").await;
    stage.has("orders", 3).await;
    open.commit().await.unwrap();
    stage.has("orders", 4).await;
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_one_question_takes_come_in_order() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let many =
        "select riverrun_publish('orders', 'k' || n % 7, 'happened', n::text) from generate_series(1, 5000) as n";
    client.query(many, &[]).await.unwrap();
    // Each of them is more than one question takes bytes.
    let large = "select riverrun_publish('payments', 'k', 'happened', to_json(n || repeat('x', 900000))) from generate_series(1, 5) as n";
    client.query(large, &[]).await.unwrap();
    let relay = stage.relay();
    stage.has("orders", 5_000).await;
    stage.has("payments", 5).await;
    // And again while it runs, in one transaction.
    client.query(many, &[]).await.unwrap();
    stage.has("orders", 10_000).await;
    for key in 0..7 {
        let came: Vec<u32> =
            stage.of_key("orders", &format!("k{key}")).iter().map(|data| data.parse().unwrap()).collect();
        let (first, second) = came.split_at(came.len() / 2);
        assert!(first.is_sorted() && first == second, "k{key}");
    }
    let starts: Vec<String> = stage.of_key("payments", "k").iter().map(|data| data[1..2].to_owned()).collect();
    assert_eq!(starts, ["1", "2", "3", "4", "5"]);
    stage.is_emptied().await;
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_append_and_delete_doubles_nothing() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    for data in ["1", "2", "3"] {
        publish(&client, "orders", "a", data).await;
    }
    stage.set(Mode::Swallow);
    let relay = stage.relay();
    stage.has("orders", 3).await;
    relay.kill().await;
    assert_eq!(stage.rows().await, 3);
    stage.set(Mode::Serve);
    let relay = stage.relay();
    stage.is_emptied().await;
    stage.has("orders", 3).await;
    relay.is("three that were there", |status| status.duplicates == 3).await;
    relay.end().await;
    stage.end().await;
}

/// A transaction that is open for long, and has even published, delays nobody; the dead rows that it keeps in the table cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_transaction_delays_nobody() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let (mut elsewhere, mut open, client) = (stage.client().await, stage.client().await, stage.client().await);
    let long = elsewhere.transaction().await.unwrap();
    long.query("select pg_current_xact_id()", &[]).await.unwrap();
    let publishing = open.transaction().await.unwrap();
    publish(&publishing, "payments", "slow", "1").await;
    // Dead rows that nothing may remove.
    client
        .query("select riverrun_publish('orders', 'k' || n, 'happened', '1') from generate_series(1, 4000) as n", &[])
        .await
        .unwrap();
    stage.has("orders", 4_000).await;
    let read = async || -> i64 {
        let sql =
            "select coalesce(sum(idx_tup_read), 0)::bigint from pg_stat_user_indexes where relname = 'riverrun_outbox'";
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let before = read().await;
    for number in 0..50 {
        publish(&client, "orders", "later", &number.to_string()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.has("orders", 4_050).await;
    let walked = read().await - before;
    // Fifty rows come with as many questions or more; over the dead ones it would be 4,000 for each.
    assert!(walked < 20_000, "{walked} rows of indexes were read for 50 events");
    publishing.commit().await.unwrap();
    stage.has("payments", 1).await;
    long.commit().await.unwrap();
    relay.end().await;
    stage.end().await;
}
