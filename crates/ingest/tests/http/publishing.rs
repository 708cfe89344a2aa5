//! Events that are taken: the acknowledgement, and what is in the log then.

use std::io::Write as _;

use axum::body::Body;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use futures_util::stream;

use crate::door::{BATCH, Door, JSON, STRUCTURED, event};

#[tokio::test]
async fn an_event_is_acknowledged_with_its_position() {
    let door = Door::open().await;
    let answer = door.ask("POST /topics/single/events", &[STRUCTURED], event("1", "{}")).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (202, r#"{"position":"single/0@0","duplicate":false}"#));
    assert_eq!(answer.headers["content-type"], "application/json");
    let again = door.ask("POST /topics/single/events", &[STRUCTURED], event("1", "{}")).await;
    assert_eq!((again.status.as_u16(), &*again.text), (202, r#"{"position":"single/0@0","duplicate":true}"#));
}

#[tokio::test]
async fn a_batch_is_acknowledged_in_order() {
    let door = Door::open().await;
    let body = format!("[{},{},{}]", event("1", "1"), event("2", "2"), event("1", "1"));
    let answer = door.ask("POST /topics/single/events", &[BATCH], body).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.text),
        (
            202,
            r#"[{"position":"single/0@0","duplicate":false},{"position":"single/0@1","duplicate":false},{"position":"single/0@0","duplicate":true}]"#
        )
    );
    let empty = door.ask("POST /topics/single/events", &[BATCH], "[]").await;
    assert_eq!((empty.status.as_u16(), &*empty.text), (202, "[]"));
}

/// What one event reads back as, in the member `data` as it stands on the line.
async fn check_data(headers: &[(&str, &str)], body: &str, expected: &str) {
    let door = Door::open().await;
    let answer = door.ask("POST /topics/single/events", headers, body.to_owned()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let line = door.get("/topics/single/events").await.text;
    assert!(line.contains(expected), "{line} should hold {expected}");
}

#[tokio::test]
async fn data_is_kept_exactly_in_every_mode() {
    let odd = "{ \"n\" : 123456789012345678901234567890.10e+400 ,\t\"n\":[ ],\"é\":\"\\u00e9\\/\" }";
    check_data(&[STRUCTURED], &event("1", odd), &format!(r#""data":{odd}}}"#)).await;
    check_data(&[BATCH], &format!("[{}]", event("1", odd)), &format!(r#""data":{odd}}}"#)).await;
    check_data(&[JSON], odd, &format!(r#""data":{odd}}}"#)).await;
    let binary = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-source", "/s"), ("ce-type", "t")];
    check_data(&[&binary[..], &[JSON]].concat(), odd, &format!(r#""data":{odd}}}"#)).await;
    let text = [&binary[..], &[("content-type", "text/plain")]].concat();
    check_data(&text, "a\n\"b\"", r#""data":"a\n\"b\""}"#).await;
    let bytes = [&binary[..], &[("content-type", "application/octet-stream")]].concat();
    check_data(&bytes, "hello", r#""data_base64":"aGVsbG8="}"#).await;
    check_data(&binary, "", r#""rrposition":"single/0@0"}"#).await;
    check_data(&[STRUCTURED], &event("1", "null"), r#""data":null}"#).await;
    check_data(&[JSON], " \r\n{\n}\n", r#""data":   { } }"#).await;
}

#[tokio::test]
async fn attributes_and_the_key_come_out_again() {
    let headers = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
        ("ce-subject", "a%20b"),
        ("ce-tenant", "blue"),
        ("ce-partitionkey", "k"),
        ("ce-time", "2013-01-01T10:15:00+01:00"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ];
    let expected = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"a b","time":"2013-01-01T09:15:00Z","tenant":"blue","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","partitionkey":"k","rrposition":"single/0@0"}"#;
    check_data(&headers, "", expected).await;
    let own = [&headers[..], &[("ce-traceparent", "own")]].concat();
    check_data(&own, "", r#""traceparent":"own""#).await;
    check_data(&[STRUCTURED, ("traceparent", "t1")], &event("1", "1"), r#""traceparent":"t1""#).await;
}

#[tokio::test]
async fn what_was_read_can_be_published_again() {
    let door = Door::open().await;
    door.fly("1", "N1").await;
    let line = door.get("/topics/flights/events").await.text;
    let answer = door.ask("POST /topics/flights/events", &[STRUCTURED], line.clone()).await;
    assert_eq!(answer.json()["duplicate"], true, "{line}");
}

#[tokio::test]
async fn plain_json_repeats_by_idempotency_key_only() {
    let door = Door::open().await;
    let send = async |headers: &[(&str, &str)]| door.ask("POST /topics/single/events", headers, "{}").await.json();
    assert_eq!(send(&[JSON]).await["position"], "single/0@0");
    assert_eq!(send(&[JSON]).await["position"], "single/0@1");
    assert_eq!(send(&[JSON, ("idempotency-key", "a")]).await["position"], "single/0@2");
    assert_eq!(send(&[JSON, ("idempotency-key", "a")]).await["duplicate"], true);
}

#[tokio::test]
async fn types_find_their_topic_and_keys_their_partition() {
    let door = Door::open().await;
    let answer = door.ask("POST /events", &[STRUCTURED], event("1", r#"{"tailnum":"21"}"#)).await;
    // murmur2("21") & 0x7fffffff = 1173551340, modulo 4.
    assert_eq!(answer.json()["position"], "flights/0@0");
}

#[tokio::test]
async fn compressed_and_chunked_bodies_are_taken() {
    let body = event("1", r#"{"a":1}"#);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(body.as_bytes()).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(body.as_bytes()).unwrap();
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        body.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let door = Door::open().await;
    for (coding, body) in [
        ("gzip", Body::from(gzip.finish().unwrap())),
        ("deflate", Body::from(zlib.finish().unwrap())),
        ("identity", Body::from_stream(stream::iter(pieces))),
    ] {
        let answer = door.ask("POST /topics/single/events", &[STRUCTURED, ("content-encoding", coding)], body).await;
        assert_eq!(answer.json()["position"], "single/0@0", "{coding}");
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let door = Door::open().await;
    door.fly("1", "a").await;
    door.fly("1", "a").await;
    door.get("/topics/flights/events").await;
    door.get("/topics/none/events").await;
    let mut registry = prometheus_client::registry::Registry::default();
    door.metrics.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        r#"riverrun_http_requests_total{route="POST /topics/{topic}/events",status="202"} 2"#,
        r#"riverrun_http_requests_total{route="GET /topics/{topic}/events",status="404"} 1"#,
        r#"riverrun_events_in_total{topic="flights"} 1"#,
        r#"riverrun_events_duplicate_total{topic="flights"} 1"#,
        r#"riverrun_events_out_total{topic="flights"} 1"#,
        r#"riverrun_http_refused_total{code="RR0140"} 1"#,
        r#"riverrun_http_request_seconds_count{route="POST /topics/{topic}/events"} 2"#,
        "riverrun_http_in_bytes_total ",
        "riverrun_http_readers 0",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}
