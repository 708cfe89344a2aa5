//! An event is processed once, whoever else has it at the same time.

use std::time::Duration;

use riverrun_outbox::Inbox;

use crate::fresh::Fresh;

/// Two transactions are handed the same event; what the second is told once the first has ended.
async fn second_is_told(first_commits: bool) -> bool {
    let fresh = Fresh::with_outbox().await;
    let inbox = Inbox::new("billing");
    let (mut one, mut two) = (fresh.client().await, fresh.client().await);
    let first = one.transaction().await.unwrap();
    assert!(!inbox.processed(&first, "/shop", "e-1").await.unwrap());

    let asking = tokio::spawn(async move {
        let second = two.transaction().await.unwrap();
        let told = Inbox::new("billing").processed(&second, "/shop", "e-1").await.unwrap();
        second.commit().await.unwrap();
        told
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asking.is_finished(), "the second must wait for the first");
    if first_commits {
        first.commit().await.unwrap()
    } else {
        first.rollback().await.unwrap()
    }
    asking.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_transactions_one_processes_the_event() {
    assert!(second_is_told(true).await);
    assert!(!second_is_told(false).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_and_sources_are_told_apart_and_old_events_forgotten() {
    let fresh = Fresh::with_outbox().await;
    let client = fresh.client().await;
    let billing = Inbox::new("billing");
    for (consumer, source, id, before) in [
        ("billing", "/shop", "e-1", false),
        ("billing", "/shop", "e-1", true),
        ("billing", "/shop", "e-2", false),
        ("billing", "/other", "e-1", false),
        ("mail", "/shop", "e-1", false),
    ] {
        assert_eq!(
            Inbox::new(consumer).processed(&client, source, id).await.unwrap(),
            before,
            "{consumer} {source} {id}"
        );
    }
    client
        .execute("update riverrun_inbox set processed_at = now() - interval '8 days' where event_id = 'e-1'", &[])
        .await
        .unwrap();
    assert_eq!(billing.prune(&client, Duration::from_secs(7 * 24 * 60 * 60)).await.unwrap(), 2);
    assert!(!billing.processed(&client, "/shop", "e-1").await.unwrap());
    assert!(billing.processed(&client, "/shop", "e-2").await.unwrap());
}
