//! Fuzz target: no body makes the decoders of CloudEvents panic, and what they take is written out and read back as the same event.
//!
//! A short run is part of the tests; `cargo bolero test -p riverrun-ingest cloudevents` goes on for as long as one likes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use riverrun_accept::Received;
use riverrun_event::{Event, Key, Record, Time};
use riverrun_ingest::cloudevents::{batch, binary, encode, plain, structured};

/// How long a run within the tests takes.
const SHORT: Duration = Duration::from_secs(1);
/// What events are made of; a byte of the input picks a piece.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"specversion\":\"1.0\"",
    "\"id\":\"1\"",
    "\"source\":\"/s\"",
    "\"type\":\"t\"",
    "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"",
    "\"data\":",
    "\"data_base64\":\"AAE=\"",
    "\"datacontenttype\":\"text/plain\"",
    "\"datacontenttype\":\"application/json\"",
    "\"time\":\"2026-01-01T00:00:00Z\"",
    "\"subject\":\"é\"",
    "\"partitionkey\":\"k\"",
    "\"ext\":5",
    "\"ext\":true",
    "\"ext\":null",
    "\"rrposition\":\"t/0@1\"",
    "null",
    "true",
    "0",
    "-1.5e3",
    "\"text\"",
    "\"\\u00e9\\ud83d\\ude00\"",
    "\"\\ud800\"",
    "\\",
    "\"",
    " ",
    "\n",
    "\t",
    "\u{0}",
    "\u{feff}",
    "é",
    "1e999",
    "{\"a\":",
    "[[",
    "]]",
];

#[test]
fn cloudevents() {
    bolero::check!().with_max_len(64).with_test_time(SHORT).for_each(|bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| PIECES[usize::from(*byte) % PIECES.len()]).collect();
        for body in [Bytes::from(text.into_bytes()), Bytes::copy_from_slice(bytes)] {
            structured::decode(&body, 64).into_iter().for_each(check_round_trip);
            batch::decode(&body, 100, 64).into_iter().flatten().for_each(check_round_trip);
            let _no_panic = plain::decode(&headers(bytes), body.clone());
            let _no_panic = binary::decode(&headers(bytes), body);
        }
    });
}

/// Two halves of the input as the values of headers, where HTTP lets them be.
fn headers(bytes: &[u8]) -> HeaderMap {
    let (one, two) = bytes.split_at(bytes.len() / 2);
    let fixed = [("ce-specversion", "1.0"), ("ce-id", "1"), ("ce-type", "t"), ("content-type", "application/json")];
    let mut headers: HeaderMap = fixed
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    for (name, value) in [("ce-source", one), ("ce-subject", two), ("idempotency-key", one)] {
        headers.extend(HeaderValue::from_bytes(value).map(|value| (HeaderName::from_static(name), value)));
    }
    headers
}

fn check_round_trip(received: Received) {
    // What the accept stage would refuse need not come back.
    let Ok(key) = received.partition_key.map(|key| Key::new(String::from(key))).transpose() else { return };
    let is_json = received.event.content_type.as_deref().is_none_or(|kind| kind.contains("json"));
    let is_valid = |data: &Bytes| !is_json || serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok();
    if !received.event.data.as_ref().is_none_or(is_valid) {
        return;
    }
    let event = Event { key, ..received.event };
    let mut line = Vec::new();
    encode::line(
        &Record { position: "t/0@1".parse().unwrap(), accepted: Time::EPOCH, event: event.clone() },
        &mut line,
    );
    let again = structured::decode(&Bytes::from(line.clone()), 64);
    let again = again.unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&line)));
    assert_eq!(
        (&again.event.id, &again.event.source, &again.event.subject),
        (&event.id, &event.source, &event.subject)
    );
    assert_eq!(again.event.data.as_deref().map(spaced), event.data.as_deref().map(spaced));
}

/// Raw line breaks between tokens of JSON become spaces.
fn spaced(data: &[u8]) -> Vec<u8> {
    data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}
