//! Events and requests that are refused: status, code and what the problem says; and that nothing was stored.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use futures_util::stream;
use riverrun_event::limits::Limits;
use riverrun_log::AppendError;
use std::io::Read as _;

use crate::door::{Answer, BATCH, Door, JSON, STRUCTURED, event};

fn judge(answer: &Answer, status: u16, code: &str, part: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{problem}");
    assert_eq!(problem["type"], format!("/errors/{code}"));
    assert_eq!(problem["status"], status);
    assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
    assert!(problem["detail"].as_str().unwrap().contains(part), "{problem} should say {part}");
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors/");
    assert!(std::fs::exists(format!("{page}{code}.md")).unwrap(), "{code} has no page");
}

/// Sends a body to `single`, is refused, and finds nothing stored.
async fn check(headers: &[(&str, &str)], body: impl Into<Body>, status: u16, code: &str, part: &str) -> Answer {
    let door = Door::open().await;
    let answer = door.ask("POST /topics/single/events", headers, body).await;
    judge(&answer, status, code, part);
    assert_eq!(door.get("/topics/single/events").await.text, "", "nothing is stored");
    answer
}

#[tokio::test]
async fn bodies_that_are_no_events() {
    check(&[STRUCTURED], "{", 400, "RR0120", "byte 1").await;
    check(&[JSON], "{'a':1}", 400, "RR0120", "byte 1").await;
    check(&[JSON], "", 400, "RR0120", "byte 0").await;
    check(&[JSON], "{} {}", 400, "RR0120", "the end of the text").await;
    check(&[STRUCTURED], &b"\xff"[..], 400, "RR0121", "byte 0").await;
    check(&[JSON], &b"\"\xc3\x28\""[..], 400, "RR0121", "byte 1").await;
    check(&[JSON], format!("{}{}", "[".repeat(65), "]".repeat(65)), 400, "RR0122", "deeper than 64").await;
    check(&[JSON], "[".repeat(60_000), 400, "RR0122", "deeper than 64").await;
    check(&[STRUCTURED], event("1", &"[".repeat(60_000)), 400, "RR0122", "deeper than 64").await;
    let many = vec![event("1", "1"); 1_001].join(",");
    let limits = Limits::default();
    let door = Door::with(limits, &[]).await;
    let answer = door.ask("POST /topics/single/events", &[BATCH], format!("[{many}]")).await;
    judge(&answer, 413, "RR0123", "more than 1000 events");
}

#[tokio::test]
async fn attributes_at_fault_are_named() {
    let attribute = |answer: &Answer| answer.json()["attribute"].as_str().map(str::to_owned);
    let answer = check(&[STRUCTURED], "{}", 400, "RR0130", "specversion").await;
    assert_eq!(attribute(&answer).as_deref(), Some("specversion"));
    let answer = check(&[STRUCTURED], r#"{"specversion":"1.0","id":"1","type":"t"}"#, 400, "RR0130", "source").await;
    assert_eq!(attribute(&answer).as_deref(), Some("source"));
    check(&[("ce-id", "1")], "", 400, "RR0130", "specversion").await;
    let body = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"noon"}"#;
    let answer = check(&[STRUCTURED], body, 400, "RR0131", "RFC 3339").await;
    assert_eq!(attribute(&answer).as_deref(), Some("time"));
    check(&[STRUCTURED], r#"{"specversion":"1.0","id":"1","id":"2"}"#, 400, "RR0124", "stated twice").await;
    check(&[STRUCTURED], r#"{"specversion":"1.0","A":"1"}"#, 400, "RR0132", "a-z and 0-9").await;
    let body = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"9000-01-01T00:00:00Z"}"#;
    check(&[STRUCTURED], body, 400, "RR0133", "ahead").await;
    let batch = format!("[{},{}]", event("1", "1"), r#"{"specversion":"1.0","id":"2"}"#);
    let answer = check(&[BATCH], batch, 400, "RR0130", "event 1 of the batch").await;
    assert_eq!(answer.json()["index"], 1);
    let batch = format!("[{},{}]", event("1", "1"), r#"{"specversion":"1.0","id":2}"#);
    let answer = check(&[BATCH], batch, 400, "RR0131", "event 1 of the batch").await;
    assert_eq!(answer.json()["index"], 1);
}

#[tokio::test]
async fn a_key_is_text_or_an_integer() {
    let door = Door::open().await;
    let answer = door.ask("POST /topics/flights/events", &[JSON], r#"{"tailnum":[1]}"#).await;
    judge(&answer, 400, "RR0134", "data.tailnum");
}

#[tokio::test]
async fn media_types_and_encodings() {
    let answer = check(&[("content-type", "text/plain")], "x", 415, "RR0113", "text/plain").await;
    assert!(answer.headers["accept"].to_str().unwrap().contains("application/cloudevents+json"));
    check(&[], "{}", 415, "RR0113", "no Content-Type").await;
    check(&[("content-type", "application/cloudevents+avro")], "x", 415, "RR0113", "avro").await;
    check(&[("content-type", "application/x-ndjson")], "{}", 415, "RR0113", "ndjson").await;
    check(&[("content-type", "application/cloudevents+json; charset=latin1")], "{}", 415, "RR0113", "UTF-8").await;
    let answer = check(&[JSON, ("content-encoding", "br")], "{}", 415, "RR0114", "\"br\"").await;
    assert_eq!(answer.headers["accept-encoding"], "gzip, deflate");
    check(&[JSON, ("content-encoding", "gzip"), ("content-encoding", "gzip")], "{}", 415, "RR0114", "several").await;
    check(&[JSON, ("content-encoding", "gzip")], "{}", 400, "RR0115", "decompressed").await;
    let mut trailing = Vec::new();
    GzEncoder::new(&b"{}"[..], Compression::default()).read_to_end(&mut trailing).unwrap();
    trailing.extend_from_slice(b"more");
    check(&[JSON, ("content-encoding", "gzip")], trailing, 400, "RR0115", "after its end").await;
}

#[tokio::test]
async fn bodies_beyond_the_limit() {
    let large = || format!("\"{}\"", "x".repeat(64 * 1024));
    check(&[JSON], large(), 413, "RR0110", "more than 65536 bytes").await;
    check(&[JSON, ("content-length", "65537")], "never read", 413, "RR0110", "more than 65536 bytes").await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1_000])));
    check(&[JSON], Body::from_stream(endless), 413, "RR0110", "more than 65536 bytes").await;
    let mut bomb = Vec::new();
    GzEncoder::new(std::io::repeat(b' ').take(100 << 20), Compression::best())
        .take(60_000)
        .read_to_end(&mut bomb)
        .unwrap();
    check(&[JSON, ("content-encoding", "gzip")], bomb, 413, "RR0110", "once decompressed").await;
    let broken = stream::iter([Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("gone"))]);
    check(&[JSON], Body::from_stream(broken), 400, "RR0112", "gone").await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let stalled = stream::pending::<Result<Bytes, std::io::Error>>();
    check(&[JSON], Body::from_stream(stalled), 408, "RR0111", "within 30 s").await;
}

#[tokio::test]
async fn bodies_in_flight_are_bounded() {
    let door = Door::with(Limits { body_bytes_max: 32 << 20, ..Limits::default() }, &[]).await;
    let held = [JSON, ("content-length", "33554432")];
    let hold = async || {
        let stalled = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        door.ask("POST /topics/single/events", &held, stalled).await
    };
    // The budget is four of the largest bodies; a fifth finds no room while they wait.
    tokio::select! {
        biased;
        _ = async { tokio::join!(hold(), hold(), hold(), hold()) } => panic!("they never end"),
        fifth = door.ask("POST /topics/single/events", &[JSON], "{}") => {
            judge(&fifth, 429, "RR0116", "as many request bodies");
            assert_eq!(fifth.headers["retry-after"], "1");
        }
    }
    assert_eq!(door.ask("POST /topics/single/events", &[JSON], "{}").await.status, 202);
}

#[tokio::test]
async fn topics_and_routes_that_are_not_there() {
    let door = Door::open().await;
    let unknown = door.ask("POST /topics/flight/events", &[JSON], "{}").await;
    judge(&unknown, 404, "RR0140", "\"flight\" is not declared; declared are: flights, single");
    judge(&door.get("/topics/flight/events").await, 404, "RR0140", "declared are: flights, single");
    judge(&door.get("/topics/Not%20valid/events").await, 404, "RR0140", "Not valid");
    judge(&door.ask("POST /topics/_own/events", &[JSON], "{}").await, 403, "RR0143", "_own");
    let body = r#"{"specversion":"1.0","id":"1","source":"/s","type":"order.placed"}"#;
    judge(&door.ask("POST /events", &[STRUCTURED], body).await, 404, "RR0141", "order.placed");
    judge(&door.ask("DELETE /events", &[], Body::empty()).await, 405, "RR0104", "/events");
}

#[tokio::test]
async fn another_event_under_a_known_id_is_a_conflict() {
    let door = Door::open().await;
    door.ask("POST /topics/single/events", &[STRUCTURED], event("1", "1")).await;
    let batch = format!("[{},{}]", event("2", "2"), event("1", "3"));
    let answer = door.ask("POST /topics/single/events", &[BATCH], batch).await;
    judge(&answer, 409, "RR0142", "event 1 of the batch");
    assert_eq!((&answer.json()["index"], &answer.json()["position"]), (&1.into(), &"single/0@0".into()));
    assert_eq!(door.get("/topics/single/events").await.text.lines().count(), 1, "whole or not at all");
}

#[tokio::test]
async fn a_log_that_cannot_store_is_never_acknowledged() {
    let door = Door::open().await;
    let refuse = async |error| {
        *door.log.refusal.lock().unwrap() = Some(error);
        door.ask("POST /topics/single/events", &[STRUCTURED], event("1", "1")).await
    };
    let busy = refuse(AppendError::Overloaded { retry_after: Duration::from_millis(1_200) }).await;
    judge(&busy, 429, "RR0150", "busy");
    assert_eq!(busy.headers["retry-after"], "2");
    judge(&refuse(AppendError::Failed("disk full".to_owned())).await, 500, "RR0151", "unknown: disk full");
    door.log.memory.stop("disk full");
    let stopped = door.ask("POST /topics/single/events", &[STRUCTURED], event("1", "1")).await;
    judge(&stopped, 503, "RR0152", "nothing was stored: disk full");
    assert_eq!(stopped.headers["retry-after"], "5");
}

#[tokio::test]
async fn callers_without_access() {
    let door = Door::with(Limits::default(), &["secret"]).await;
    let answer = door.ask("POST /topics/single/events", &[JSON], "{}").await;
    judge(&answer, 401, "RR0101", "Authorization: Bearer");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    let answer = door.ask("GET /topics/single/events", &[("host", "evil.example")], Body::empty()).await;
    judge(&answer, 403, "RR0102", "evil.example");
    let answer = door.ask("POST /topics/single/events", &[JSON, ("authorization", "Bearer secret")], "{}").await;
    assert_eq!(answer.status, 202);
}
