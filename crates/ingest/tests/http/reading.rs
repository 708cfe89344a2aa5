//! Reading a topic: where a read starts and ends, in which form, and what it says when records are gone.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt as _;
use riverrun_event::Offset;
use tokio::time::timeout;

use crate::door::Door;

/// Ten events under ten keys, a minute apart, from 2026-05-01T10:00:00Z on.
async fn ten() -> Door {
    let door = Door::open().await;
    for id in 0..10 {
        door.fly(&id.to_string(), &format!("k{id}")).await;
    }
    door
}

/// The ids a read gives, sorted.
async fn check(door: &Door, query: &str, expected: &[&str]) {
    let answer = door.get(&format!("/topics/flights/events{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let mut ids = answer.column("id");
    ids.sort();
    assert_eq!(ids, expected, "{query}");
}

#[tokio::test]
async fn a_read_starts_where_it_is_told() {
    let door = ten().await;
    let all = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    check(&door, "", &all).await;
    check(&door, "?from=beginning&follow=false", &all).await;
    check(&door, "?from=latest", &[]).await;
    check(&door, "?from=2026-05-01T10:07:00Z", &["7", "8", "9"]).await;
    check(&door, "?from=2026-05-01T12:07:00+02:00", &["7", "8", "9"]).await;
    check(&door, "?from=2026-05-01T12%3A07%3A00%2B02%3A00", &["7", "8", "9"]).await;
    check(&door, "?from=2030-01-01T00:00:00Z", &[]).await;
    check(&door, "?limit=0", &[]).await;
    check(&door, "?from=0@100,1@100,2@100,3@100", &[]).await;
    let some = door.get("/topics/flights/events?limit=4").await;
    assert_eq!(some.text.lines().count(), 4);
    for topic in ["single", "_own"] {
        assert_eq!(door.get(&format!("/topics/{topic}/events")).await.text, "");
    }
}

#[tokio::test]
async fn offsets_name_the_next_record_of_each_partition() {
    let door = ten().await;
    let all = door.get("/topics/flights/events").await.column("rrposition");
    let in_zero = all.iter().filter(|position| position.starts_with("flights/0@")).count();
    let rest = door.get("/topics/flights/events?from=0@1").await.column("rrposition");
    assert_eq!(rest.len(), all.len() - in_zero.min(1));
    assert!(in_zero > 0 && !rest.contains(&"flights/0@0".to_owned()));
}

#[tokio::test]
async fn wrong_parameters_are_refused() {
    let door = ten().await;
    for query in ["from=x", "from=9@0", "limit=x", "follow=1", "form=latest", "from=0@1,0@2", "limit=1&limit=1"] {
        let answer = door.get(&format!("/topics/flights/events?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (400, Some("RR0160")), "{query}");
    }
}

#[tokio::test]
async fn records_removed_by_retention_are_gone() {
    let door = ten().await;
    *door.log.start.lock().unwrap() = Offset(1);
    let answer = door.get("/topics/flights/events?from=0@0").await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (410, Some("RR0161")));
    assert_eq!(answer.json()["position"], "flights/0@1");
    let kept = door.get("/topics/flights/events?from=beginning").await.column("rrposition");
    assert!(!kept.is_empty() && kept.iter().all(|position| !position.ends_with("@0")), "{kept:?}");
}

#[tokio::test]
async fn damage_is_named_and_never_given_out() {
    let door = Door::open().await;
    door.fly("1", "a").await;
    let position = door.get("/topics/flights/events").await.column("rrposition").remove(0);
    *door.log.damage.lock().unwrap() = Some(position.parse().unwrap());
    let answer = door.get("/topics/flights/events").await;
    assert_eq!((answer.status.as_u16(), answer.json()["code"].as_str()), (500, Some("RR0162")));
    assert_eq!(answer.json()["position"], *position);
}

/// Reads pieces of a body until it holds `part`.
async fn read_until(body: &mut Body, part: &str) -> String {
    let mut text = String::new();
    while !text.contains(part) {
        let frame =
            timeout(Duration::from_secs(5), body.frame()).await.unwrap_or_else(|_| panic!("no {part} in {text}"));
        let frame = frame.unwrap_or_else(|| panic!("ended without {part}: {text}")).unwrap();
        text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
    }
    text
}

#[tokio::test]
async fn a_reader_that_follows_gets_what_comes_until_the_server_closes() {
    let door = ten().await;
    let mut body =
        door.begin("GET /topics/flights/events?from=latest&follow=true", &[], Body::empty()).await.into_body();
    assert!(timeout(Duration::from_millis(50), body.frame()).await.is_err(), "it waits");
    door.fly("new", "x").await;
    read_until(&mut body, "\"id\":\"new\"").await;
    door.fly("newer", "y").await;
    read_until(&mut body, "\"id\":\"newer\"").await;
    door.closing.send_replace(true);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_limit_ends_a_reader_that_follows() {
    let door = ten().await;
    let answer = door.get("/topics/flights/events?limit=3&follow=true").await;
    assert_eq!(answer.text.lines().count(), 3);
}

const EVENT_STREAM: (&str, &str) = ("accept", "text/event-stream");

#[tokio::test]
async fn server_sent_events_resume_after_the_last_one_seen() {
    let door = ten().await;
    let all = door.ask("GET /topics/flights/events?follow=false", &[EVENT_STREAM], Body::empty()).await;
    assert_eq!(all.headers["content-type"], "text/event-stream");
    let events: Vec<&str> = all.text.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 10);
    for (seen, event) in events.iter().enumerate() {
        let cursor = event.lines().next().unwrap().strip_prefix("id: ").unwrap();
        let headers = [EVENT_STREAM, ("last-event-id", cursor)];
        let rest = door.ask("GET /topics/flights/events?from=latest&follow=false", &headers, Body::empty()).await;
        let mut before: Vec<&str> = events[..=seen].iter().map(|event| data(event)).collect();
        let after: Vec<&str> = rest.text.split_terminator("\n\n").map(data).collect();
        assert_eq!(after.len(), 9 - seen, "{cursor}");
        before.extend(after);
        before.sort_unstable();
        before.dedup();
        assert_eq!(before.len(), 10, "each event once across the resumption at {cursor}");
    }
    let bad = door.ask("GET /topics/flights/events", &[EVENT_STREAM, ("last-event-id", "x")], Body::empty()).await;
    assert_eq!(bad.json()["code"], "RR0160");
}

fn data(event: &str) -> &str {
    event.lines().nth(1).unwrap().strip_prefix("data: ").unwrap()
}

#[tokio::test(start_paused = true)]
async fn server_sent_events_follow_and_show_that_they_are_alive() {
    let door = Door::open().await;
    let mut body = door.begin("GET /topics/flights/events", &[EVENT_STREAM], Body::empty()).await.into_body();
    let frame = timeout(Duration::from_secs(20), body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(&*frame.into_data().unwrap(), b": keep-alive\n\n");
}

#[tokio::test]
async fn an_answer_that_breaks_off_cannot_be_taken_for_the_end() {
    let door = ten().await;
    let break_after_first = async |headers: &[(&str, &str)]| {
        *door.log.damage.lock().unwrap() = None;
        let mut body = door.begin("GET /topics/flights/events?follow=false", headers, Body::empty()).await.into_body();
        body.frame().await.unwrap().unwrap();
        *door.log.damage.lock().unwrap() = Some("flights/1@0".parse().unwrap());
        body.collect().await
    };
    assert!(break_after_first(&[]).await.is_err());
    let text = break_after_first(&[EVENT_STREAM]).await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&text).unwrap().contains("event: error\ndata: {\"type\":\"/errors/RR0162\""));
}

#[tokio::test]
async fn partitions_take_turns() {
    let door = Door::open().await;
    // Every partition holds several pages.
    for round in 0..8 {
        for key in ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"] {
            let body = format!(
                r#"{{"specversion":"1.0","id":"{round}{key}","source":"/s","type":"t","partitionkey":"{key}","data":"{}"}}"#,
                "x".repeat(60_000)
            );
            let answer = door.ask("POST /topics/flights/events", &[crate::door::STRUCTURED], body).await;
            assert_eq!(answer.status, 202);
        }
    }
    let mut body = door.begin("GET /topics/flights/events", &[], Body::empty()).await.into_body();
    let mut first_lines = Vec::new();
    while let Some(frame) = body.frame().await {
        let bytes = frame.unwrap().into_data().unwrap();
        assert!(bytes.len() < 400_000, "a page is bounded");
        let line: serde_json::Value =
            serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        first_lines.push(line["rrposition"].as_str().unwrap().split('@').next().unwrap().to_owned());
    }
    let occupied: std::collections::BTreeSet<_> = first_lines.iter().collect();
    let first_round: std::collections::BTreeSet<_> = first_lines.iter().take(occupied.len()).collect();
    assert_eq!(first_round, occupied, "{first_lines:?}");
}
