//! How a relay is woken, and what it does while nothing happens.

use std::time::Duration;

use riverrun_outbox::Database;
use riverrun_outbox_relay::RelayState;

use super::stage::{Running, Stage, eventually, publish};

async fn asleep(relay: &Running) {
    relay.is("a relay that sleeps", |status| status.state == RelayState::Sleeping).await;
}

/// How many statements the relay has begun since the server started, as the server counts it: by when the last one began.
async fn last_statement(client: &tokio_postgres::Client) -> Vec<std::time::SystemTime> {
    let sql = "select query_start from pg_stat_activity where application_name = 'riverrun' and datname = current_database() \
               and pid <> pg_backend_pid() order by pid";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_sleeps_asks_nothing_and_wakes_at_once() {
    let stage = Stage::new().await;
    let client = stage.client().await;
    let relay = stage.relay();
    asleep(&relay).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut quiet = 0;
    for _ in 0..8 {
        let before = last_statement(&client).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        quiet += usize::from(last_statement(&client).await == before);
    }
    // A keep-alive every five seconds falls into one of the eight halves of a second, or into none.
    assert!(quiet >= 6, "only {quiet} of 8 half seconds were without a statement");
    let begun = std::time::Instant::now();
    publish(&client, "orders", "a", "1").await;
    stage.has("orders", 1).await;
    // Far below the five seconds of a keep-alive, which would find it, too.
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    relay.end().await;
    stage.end().await;
}

/// A transaction that reads as of its beginning cannot see a flag that was set after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_snapshot_wakes_it_too() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let client = stage.client().await;
    publish(&client, "orders", "a", "1").await;
    client.batch_execute("begin isolation level repeatable read; select count(*) from riverrun_outbox").await.unwrap();
    stage.has("orders", 1).await;
    asleep(&relay).await;
    let begun = std::time::Instant::now();
    publish(&client, "orders", "a", "2").await;
    client.batch_execute("commit").await.unwrap();
    stage.has("orders", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    relay.end().await;
    stage.end().await;
}

/// A transaction that stored its row while the relay was awake, and commits when it would like to sleep.
#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_sleep_over_an_open_transaction() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let (mut open, client) = (stage.client().await, stage.client().await);
    asleep(&relay).await;
    publish(&client, "orders", "a", "1").await;
    stage.has("orders", 1).await;
    let transaction = open.transaction().await.unwrap();
    publish(&transaction, "orders", "b", "2").await;
    // It is awake or was woken by this row; either way it must not be asleep without having seen the end of it.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let begun = std::time::Instant::now();
    transaction.commit().await.unwrap();
    stage.has("orders", 2).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    relay.end().await;
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_notify_only_a_relay_that_sleeps() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let client = stage.client().await;
    let oid: u32 = client.query_one("select 'riverrun_outbox'::regclass::oid", &[]).await.unwrap().get(0);
    let mut heard = stage.database().listen().await.unwrap();
    heard.client.batch_execute(&format!("listen riverrun_outbox_{oid}")).await.unwrap();
    asleep(&relay).await;
    let rows = async |heard: &mut riverrun_outbox::database::Listening| {
        let mut rows = 0;
        while let Ok(Some((_, payload))) =
            tokio::time::timeout(Duration::from_millis(200), heard.notifications.recv()).await
        {
            rows += usize::from(payload == "rows");
        }
        rows
    };
    rows(&mut heard).await;
    for number in 0..500 {
        publish(&client, "orders", &format!("k{}", number % 20), &number.to_string()).await;
    }
    stage.has("orders", 500).await;
    let notified = rows(&mut heard).await;
    assert!((1..=20).contains(&notified), "500 transactions notified {notified} times");
    relay.end().await;
    // Without any relay nobody is to be woken.
    tokio::time::sleep(Duration::from_millis(100)).await;
    publish(&client, "orders", "a", "1").await;
    assert_eq!(rows(&mut heard).await, 0);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_made_again() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    asleep(&relay).await;
    let (client, superuser) = (stage.client().await, stage.superuser().await);
    for number in 0..3 {
        superuser
            .query(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid in \
                 (select pid from pg_locks where locktype = 'advisory')",
                &[],
            )
            .await
            .unwrap();
        publish(&client, "orders", "a", &number.to_string()).await;
        stage.has("orders", number + 1).await;
    }
    asleep(&relay).await;
    relay.end().await;
    stage.end().await;
}

/// Behind a proxy that pools transactions, notifications do not arrive and locks of sessions mean nothing.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pool_it_looks_by_itself_and_says_so() {
    let Ok(pooler) = std::env::var("RIVERRUN_TEST_POOLER") else {
        panic!("RIVERRUN_TEST_POOLER names no pool; `cargo xtask services start postgres --pooler` starts one")
    };
    // The pool leads to one database; a schema of its own tells this outbox from others.
    let schema = riverrun_outbox::SchemaName::new(&format!("pooled_{}", std::process::id())).unwrap();
    let stage = Stage::new().await;
    let direct = Database::new(&std::env::var("RIVERRUN_TEST_POSTGRES").unwrap()).unwrap();
    let mut client = direct.connect().await.unwrap();
    riverrun_outbox::schema::apply(&mut client, &schema).await.unwrap();
    let relay = stage.relay_with(|options| {
        options.database = Database::new(&pooler).unwrap();
        options.schema = schema.clone();
    });
    relay.is("a relay that looks by itself", |status| status.state == RelayState::Polling).await;
    assert!(relay.status.get().reason.unwrap().contains("RR0505"));
    let publish = format!(
        "select {schema}.riverrun_publish('orders', 'a', 'happened', n::text) from generate_series(1, 700) as n"
    );
    client.query(&publish, &[]).await.unwrap();
    stage.has("orders", 700).await;
    eventually("an empty outbox", async || {
        client.query_one(&format!("select count(*) from {schema}.riverrun_outbox"), &[]).await.unwrap().get::<_, i64>(0)
            == 0
    })
    .await;
    relay.end().await;
    client.batch_execute(&format!("drop schema {schema} cascade")).await.unwrap();
    stage.end().await;
}

/// Neither a superuser nor a slot for replication is needed, and nothing keeps the server's log of changes.
#[tokio::test(flavor = "multi_thread")]
async fn no_superuser_and_no_slot() {
    let stage = Stage::new().await;
    let relay = stage.relay();
    let client = stage.client().await;
    publish(&client, "orders", "a", "1").await;
    stage.has("orders", 1).await;
    let sql = "select (select rolsuper or rolreplication from pg_roles where rolname = current_user), \
               (select count(*) from pg_replication_slots where database = current_database()), \
               (select count(*) from pg_extension where extname <> 'plpgsql')";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, bool>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (false, 0, 0));
    relay.end().await;
    stage.end().await;
}
