//! The Rust SDK of CloudEvents as sender and reader.
//!
//! usage: riverrun-peer send|read URL

use std::error::Error;

use chrono::{DateTime, Utc};
use cloudevents::{AttributesReader, Data, Event, EventBuilder, EventBuilderV10};
use serde_json::{Value, json};
use ureq::http::Request;

const OWN: &str = "rust";
const TOPICS: [&str; 3] = ["javascript", "python", "rust"];
const NAMES: [&str; 3] = ["json", "text", "empty"];

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "send", url] => send(url),
        [_, "read", url] => read(url)?,
        _ => return Err("usage: riverrun-peer send|read URL".into()),
    }
    Ok(())
}

/// The event of this name, as every peer sends and knows it.
fn event(name: &str, suffix: &str) -> Result<Event, Failure> {
    let builder = EventBuilderV10::new()
        .id(format!("{OWN}-{name}-{suffix}"))
        .source("/peers")
        .ty("peer.sent")
        .subject(format!("subject-{name}"))
        .time(time()?)
        .extension("tenant", "blue");
    let mut event = match name {
        "json" => builder.data("application/json", json!({"amount": 12.5, "items": ["a", "b"], "none": null})),
        "text" => builder.data("text/plain", "plain text"),
        _ => builder,
    }
    .build()?;
    cloudevents::AttributesWriter::set_dataschema(&mut event, Some("https://example.com/schema".parse::<url::Url>()?));
    Ok(event)
}

fn time() -> Result<DateTime<Utc>, Failure> {
    Ok("2026-05-01T10:00:00Z".parse()?)
}

fn check(name: &str, outcome: Result<(), Failure>) {
    match outcome {
        Ok(()) => println!("ok {OWN} {name}"),
        Err(error) => println!("not ok {OWN} {name}: {}", error.to_string().replace('\n', " ")),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(seen: T, expected: T, what: &str) -> Result<(), Failure> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?} instead of {expected:?}").into()) }
}

fn send(url: &str) {
    for name in NAMES {
        check(&format!("sends {name} binary"), twice(url, || binary(url, &event(name, "binary")?)));
        check(&format!("sends {name} structured"), twice(url, || structured(url, &event(name, "structured")?)));
    }
}

/// Sends an event again, which must be known then.
fn twice(url: &str, request: impl Fn() -> Result<Request<Vec<u8>>, Failure>) -> Result<(), Failure> {
    for is_duplicate in [false, true] {
        let text = ureq::run(request()?)?.body_mut().read_to_string()?;
        let answer: Value = serde_json::from_str(&text)?;
        same(answer["duplicate"].as_bool(), Some(is_duplicate), url)?;
    }
    Ok(())
}

/// The request the SDK makes of an event.
fn binary(url: &str, event: &Event) -> Result<Request<Vec<u8>>, Failure> {
    let (mut head, body) = Request::<Option<Vec<u8>>>::try_from(event.clone())?.into_parts();
    head.method = "POST".try_into()?;
    head.uri = format!("{url}/topics/{OWN}/events").try_into()?;
    Ok(Request::from_parts(head, body.unwrap_or_default()))
}

fn structured(url: &str, event: &Event) -> Result<Request<Vec<u8>>, Failure> {
    let request = Request::post(format!("{url}/topics/{OWN}/events"));
    Ok(request.header("Content-Type", "application/cloudevents+json").body(serde_json::to_vec(event)?)?)
}

fn read(url: &str) -> Result<(), Failure> {
    for topic in TOPICS {
        let text = ureq::get(format!("{url}/topics/{topic}/events")).call()?.body_mut().read_to_string()?;
        let lines: Vec<&str> = text.lines().collect();
        check(&format!("finds the events of {topic}"), same(lines.len() >= 6, true, "6 events or more"));
        for line in lines {
            check(&format!("reads {}", line.chars().take(60).collect::<String>()), read_one(line));
        }
    }
    Ok(())
}

fn read_one(line: &str) -> Result<(), Failure> {
    let seen: Event = serde_json::from_str(line)?;
    let name = seen.id().split('-').nth(1).unwrap_or_default();
    let expected = event(name, "")?;
    same(seen.ty(), expected.ty(), "type")?;
    same(seen.source(), expected.source(), "source")?;
    same(seen.subject(), expected.subject(), "subject")?;
    same(seen.time(), expected.time(), "time")?;
    same(seen.dataschema(), expected.dataschema(), "dataschema")?;
    // Some SDKs state a content type for no data at all, and it is kept.
    if expected.data().is_some() {
        same(seen.datacontenttype(), expected.datacontenttype(), "datacontenttype")?;
    }
    same(seen.extension("tenant"), expected.extension("tenant"), "tenant")?;
    same(known(seen.data())?, known(expected.data())?, "data")
}

/// Data whatever variant the SDK chose for it.
fn known(data: Option<&Data>) -> Result<Option<Value>, Failure> {
    Ok(match data {
        None => None,
        Some(Data::Json(value)) => Some(value.clone()),
        Some(Data::String(text)) => Some(Value::String(text.clone())),
        Some(Data::Binary(bytes)) => Some(Value::String(String::from_utf8(bytes.clone())?)),
    })
}
