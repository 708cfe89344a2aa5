//! Whole transactions: tried again where that may help, settled where the answer was lost, and events that are not valid kept.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use riverrun_outbox::tokio_postgres::Transaction;
use riverrun_outbox::{Database, NewEvent, Outbox, StoreError};
use tokio::sync::Barrier;

use crate::AnyError;
use crate::fresh::Fresh;
use crate::proxy::{Fate, database_through};

fn outbox() -> Outbox {
    Outbox::new("/shop").backoff(Duration::from_millis(1))
}

fn event(key: &str) -> NewEvent {
    NewEvent::new("orders", "order.placed").key(key).json("{}")
}

async fn insert(transaction: &Transaction<'_>, id: &str) -> Result<(), AnyError> {
    transaction.execute("insert into orders values ($1, 1)", &[&id]).await?;
    Ok(())
}

/// Orders, events that are to be published, and events that are marked.
async fn counts(fresh: &Fresh) -> String {
    let sql = "select (select count(*) from orders) || ' ' || count(*) filter (where dead_at is null) || ' ' || \
               count(*) filter (where dead_at is not null) from riverrun_outbox";
    fresh.ask(sql).await.remove(0)
}

/// Inserts an order and publishes an event, and gives how often that was tried.
async fn place(database: &Database, outbox: &Outbox) -> (Result<(), StoreError>, u32) {
    let tried = AtomicU32::new(0);
    let placed = outbox
        .transaction(
            async || Ok(database.connect().await?),
            async |transaction| {
                tried.fetch_add(1, Ordering::SeqCst);
                insert(transaction, "o-1").await?;
                outbox.publish(transaction, &event("o-1")).await?;
                Ok::<_, AnyError>(())
            },
        )
        .await;
    (placed, tried.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_settled() {
    for (fate, expected) in [(Fate::AnswerLost, 1), (Fate::CommitLost, 2), (Fate::AnswerReplaced, 1)] {
        let fresh = Fresh::with_outbox().await;
        let database = database_through(&fresh.url, fate).await;
        let (placed, tried) = place(&database, &outbox()).await;
        placed.unwrap();
        assert_eq!((tried, counts(&fresh).await.as_str()), (expected, "1 1 0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_attempts_left_a_lost_commit_is_told() {
    let fresh = Fresh::with_outbox().await;
    let database = database_through(&fresh.url, Fate::CommitLost).await;
    let (placed, tried) = place(&database, &outbox().attempts(1)).await;
    let said = placed.unwrap_err().to_string();
    assert_eq!(said, "the transaction failed once: the connection was lost before the transaction was committed");
    assert_eq!((tried, counts(&fresh).await.as_str()), (1, "0 0 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serialization_failure_is_tried_again() {
    let fresh = Fresh::with_outbox().await;
    let other = fresh.client().await;
    other.batch_execute("insert into orders values ('o-1', 1)").await.unwrap();
    let (database, outbox, tried) = (fresh.database(), outbox(), AtomicU32::new(0));
    let stored = outbox.transaction(
        async || Ok(database.connect().await?),
        async |transaction| {
            transaction.batch_execute("set transaction isolation level repeatable read").await?;
            transaction.query("select amount from orders", &[]).await?;
            if tried.fetch_add(1, Ordering::SeqCst) == 0 {
                other.batch_execute("update orders set amount = 2").await?;
            }
            transaction.execute("update orders set amount = amount + 1", &[]).await?;
            outbox.publish(transaction, &event("o-1")).await?;
            Ok::<_, AnyError>(())
        },
    );
    stored.await.unwrap();
    assert_eq!((tried.into_inner(), counts(&fresh).await.as_str()), (2, "1 1 0"));
    assert_eq!(fresh.ask("select amount::text from orders").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_deadlock_one_is_tried_again() {
    let fresh = Fresh::with_outbox().await;
    let (database, outbox, tried, both) = (fresh.database(), outbox(), AtomicU32::new(0), Barrier::new(2));
    let publish_both = async |keys: [&str; 2]| {
        let first = AtomicU32::new(0);
        outbox
            .transaction(
                async || Ok(database.connect().await?),
                async |transaction| {
                    tried.fetch_add(1, Ordering::SeqCst);
                    outbox.publish(transaction, &event(keys[0])).await?;
                    if first.fetch_add(1, Ordering::SeqCst) == 0 {
                        both.wait().await;
                    }
                    outbox.publish(transaction, &event(keys[1])).await?;
                    Ok::<_, AnyError>(())
                },
            )
            .await
    };
    let (one, two) = tokio::join!(publish_both(["a", "b"]), publish_both(["b", "a"]));
    one.unwrap();
    two.unwrap();
    assert_eq!((tried.into_inner(), counts(&fresh).await.as_str()), (3, "0 4 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_backend_is_tried_again() {
    let fresh = Fresh::with_outbox().await;
    let (database, outbox, tried, other) = (fresh.database(), outbox(), AtomicU32::new(0), fresh.client().await);
    let stored = outbox.transaction(
        async || Ok(database.connect().await?),
        async |transaction| {
            insert(transaction, "o-1").await?;
            outbox.publish(transaction, &event("o-1")).await?;
            if tried.fetch_add(1, Ordering::SeqCst) == 0 {
                let pid: i32 = transaction.query_one("select pg_backend_pid()", &[]).await?.get(0);
                other.execute("select pg_terminate_backend($1, 5000)", &[&pid]).await?;
            }
            Ok::<_, AnyError>(())
        },
    );
    stored.await.unwrap();
    assert_eq!((tried.into_inner(), counts(&fresh).await.as_str()), (2, "1 1 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_help_is_not_tried_again() {
    let fresh = Fresh::with_outbox().await;
    fresh.client().await.batch_execute("insert into orders values ('o-1', 1)").await.unwrap();
    let (placed, tried) = place(&fresh.database(), &outbox()).await;
    let error = placed.unwrap_err();
    assert_eq!((error.attempts, tried, counts(&fresh).await.as_str()), (1, 1, "1 0 0"));
    let said = "the transaction failed once: duplicate key value violates unique constraint \"orders_pkey\" (23505)";
    assert_eq!(error.to_string(), said);

    let nowhere = Database::new("postgres://nobody@127.0.0.1:1/nowhere").unwrap();
    let (placed, tried) = place(&nowhere, &outbox().attempts(2)).await;
    let error = placed.unwrap_err();
    assert_eq!((error.attempts, tried), (2, 0));
    assert!(
        error.to_string().starts_with("the transaction failed 2 times: PostgreSQL at 127.0.0.1:1/nowhere"),
        "{error}"
    );
}

/// An event that is not valid: the caller gets the error, nothing of the transaction is there, and the event is kept with its reason.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_not_valid_is_marked() {
    let nul = event("o\0-1");
    let cases = [
        (event("o-1").subject(""), "attribute \"subject\": it must not be empty; leave it out instead", "o-1"),
        (event("o-1").json("{"), "the data is not JSON: ", "o-1"),
        (nul, "control characters are not allowed in the key (CloudEvents 1.0)", "o\u{fffd}-1"),
    ];
    for (bad, reason, key) in cases {
        let fresh = Fresh::with_outbox().await;
        let (database, outbox) = (fresh.database(), outbox());
        let stored = outbox.transaction(
            async || Ok(database.connect().await?),
            async |transaction| {
                insert(transaction, "o-1").await?;
                outbox.publish(transaction, &event("o-2")).await?;
                outbox.publish(transaction, &bad).await?;
                Ok::<_, AnyError>(())
            },
        );
        let error = stored.await.unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("the transaction failed once: the event is not stored: {reason}")), "{said}");
        assert_eq!((outbox.marked(), counts(&fresh).await.as_str()), (1, "0 0 1"));
        let row = fresh.ask("select attempts || ' ' || key || ' ' || error from riverrun_outbox").await.remove(0);
        assert!(row.starts_with(&format!("1 {key} {reason}")), "{row}");
    }
}
