//! From what was received to a record: routes, keys, defaults and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use axum::http::HeaderMap;
use bytes::Bytes;
use riverrun_accept::{Acceptor, Received, Target};
use riverrun_event::limits::Limits;
use riverrun_event::{Time, TopicName};
use riverrun_ingest::cloudevents::{plain, structured};
use riverrun_log::NewRecord;
use riverrun_topology::{Expression, Topic, TypePattern};

fn topic(name: &str, accept: &[&str]) -> Topic {
    let accept = accept.iter().map(|pattern| TypePattern((*pattern).to_owned())).collect();
    Topic { accept, ..Topic::new(TopicName::new(name).unwrap()) }
}

fn acceptor() -> Acceptor {
    let expression = |source: &str| Some(Expression::parse(source).unwrap());
    let flights = Topic {
        key: expression("data.tailnum"),
        id: expression("data.id"),
        time: expression("data.at"),
        ..topic("flights", &["flight.*"])
    };
    let topics = [flights, topic("devices", &["device.started", "device.*"]), topic("all", &["device.stopped"])];
    Acceptor::new(topics, Limits::default()).unwrap()
}

/// The door's clock in these tests.
fn now() -> Time {
    Time::parse("2026-05-01T10:00:00Z").unwrap()
}

fn show(record: &NewRecord) -> String {
    let event = &record.event;
    let mut line = format!("{}: {} {} {}", record.topic, event.id, event.source, event.kind);
    line += &event.key.as_ref().map(|key| format!(" key={key}")).unwrap_or_default();
    line += &event.time.map(|time| format!(" time={time}")).unwrap_or_default();
    line
}

fn judge(topic: &str, received: Received, expected: Result<&str, &str>, input: &str) {
    let acceptor = acceptor();
    let target = if topic.is_empty() { Ok(Target::ByType) } else { acceptor.topic(topic).map(Target::Topic) };
    match (target.and_then(|target| acceptor.accept(target, received, now())), expected) {
        (Ok(record), Ok(expected)) => assert_eq!(show(&record), expected, "{input}"),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{input}: {error}"),
        (accepted, expected) => panic!("{input}: expected {expected:?}, got {accepted:?}"),
    }
}

/// A CloudEvent for `topic` (empty: by its type), and the record it becomes.
fn check(topic: &str, members: &str, expected: Result<&str, &str>) {
    let body = format!(r#"{{"specversion":"1.0",{members}}}"#);
    judge(topic, structured::decode(&Bytes::from(body), 64).unwrap(), expected, members);
}

/// Bare data for `topic`, and the record it becomes.
fn check_bare(topic: &str, data: &str, expected: Result<&str, &str>) {
    judge(topic, plain::decode(&HeaderMap::new(), Bytes::from(data.to_owned())).unwrap(), expected, data);
}

const NAMED: &str = r#""id":"1","source":"/s","type":"t""#;

#[test]
fn the_key_is_the_expressions_else_partitionkey_else_subject() {
    let check = |topic: &str, members: &str, expected| check(topic, &format!("{NAMED}{members}"), expected);
    check("flights", r#","data":{"tailnum":"N1"},"partitionkey":"p","subject":"s""#, Ok("flights: 1 /s t key=N1"));
    check("flights", r#","data":{"tailnum":17}"#, Ok("flights: 1 /s t key=17"));
    check("flights", r#","data":{"tailnum":null},"partitionkey":"p","subject":"s""#, Ok("flights: 1 /s t key=p"));
    check("flights", r#","partitionkey":"gone""#, Ok("flights: 1 /s t key=gone"));
    check("flights", r#","data":{},"subject":"s""#, Ok("flights: 1 /s t key=s"));
    check("flights", r#","data":{}"#, Ok("flights: 1 /s t"));
    check("devices", r#","partitionkey":"p","subject":"s""#, Ok("devices: 1 /s t key=p"));
    check("devices", r#","subject":"s""#, Ok("devices: 1 /s t key=s"));
    for value in ["1.5", "true", "[1]", "{}"] {
        check(
            "flights",
            &format!(r#","data":{{"tailnum":{value}}}"#),
            Err("the key of topic flights is taken from \"data.tailnum\""),
        );
    }
    check("devices", r#","partitionkey":"a\u0000""#, Err("\"partitionkey\": control characters"));
    check(
        "devices",
        &format!(r#","partitionkey":"{}""#, "k".repeat(65_537)),
        Err("\"partitionkey\": the key has 65537 bytes"),
    );
}

#[test]
fn the_same_key_goes_to_the_same_partition() {
    let acceptor = acceptor();
    let target = Target::Topic(acceptor.topic("devices").unwrap());
    let partition = |id: &str| {
        let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","partitionkey":"21"}}"#);
        acceptor.accept(target, structured::decode(&Bytes::from(body), 64).unwrap(), now()).unwrap().partition
    };
    // Kafka's murmur2 of "21" is -973932308.
    assert_eq!(partition("1").0, (0x7fff_ffff & -973_932_308_i32).unsigned_abs() % 4);
    assert_eq!(partition("1"), partition("2"));
}

#[test]
fn required_attributes_are_named() {
    check("devices", r#""source":"/s","type":"t""#, Err("\"id\" is missing or empty"));
    check("devices", r#""id":"1","type":"t""#, Err("\"source\" is missing or empty"));
    check("devices", r#""id":"1","source":"","type":"t""#, Err("\"source\" is missing or empty"));
    check("devices", r#""id":"1","source":"/s""#, Err("\"type\" is missing or empty"));
    check("", r#""id":"1","source":"/s""#, Err("\"type\" is missing or empty"));
}

#[test]
fn values_keep_to_the_rules() {
    let check = |members: &str, expected| check("devices", &format!("{NAMED}{members}"), expected);
    check(r#","subject":"""#, Err("\"subject\": it must not be empty"));
    check(r#","subject":"a\nb""#, Err("\"subject\": control characters"));
    check(&format!(r#","subject":"{}""#, "s".repeat(4_097)), Err("\"subject\": it has 4097 bytes"));
    check(r#","datacontenttype":"json""#, Err("\"datacontenttype\": expected a media type"));
    check(r#","datacontenttype":"text/plain; charset=utf-8","data":"x""#, Ok("devices: 1 /s t"));
    check(r#","dataschema":"a b""#, Err("\"dataschema\": ' ' cannot stand in a URI"));
    check(r#","time":"2026-05-01T11:00:00Z""#, Ok("devices: 1 /s t time=2026-05-01T11:00:00Z"));
    check(r#","time":"2026-05-01T11:00:00.001Z""#, Err("\"time\": 2026-05-01T11:00:00.001Z is more than 3600 s ahead"));
    check(r#","datacontenttype":"application/json","data_base64":"eyI=""#, Err("data: no valid JSON at byte 2"));
    check(r#","data_base64":"/w==""#, Err("data: byte 0 is not valid UTF-8"));
}

#[test]
fn topics_are_named_or_found_by_type() {
    let event = |kind: &str| format!(r#""id":"1","source":"/s","type":"{kind}""#);
    check("", &event("flight.departed"), Ok("flights: 1 /s flight.departed"));
    check("", &event("device.started"), Ok("devices: 1 /s device.started"));
    check("", &event("order.placed"), Err("no topic accepts events of type \"order.placed\""));
    check("", &event("device.stopped"), Err("several topics accept events of type \"device.stopped\" (all, devices)"));
    check("flight", &event("t"), Err("\"flight\" is not declared; declared are: all, devices, flights"));
    check("_dead-letters.x", &event("t"), Err("written by Riverrun itself"));
}

#[test]
fn bare_data_is_completed_from_the_topic() {
    check_bare(
        "flights",
        r#"{"id":"f1","tailnum":"N1","at":"2013-01-01T10:15:00Z"}"#,
        Ok("flights: f1 /http flights key=N1 time=2013-01-01T10:15:00Z"),
    );
    check_bare("flights", r#"{"id":7}"#, Ok("flights: 7 /http flights"));
    check_bare("flights", r#"{"id":null}"#, Err("the id of topic flights is taken from \"data.id\": it gives nothing"));
    check_bare("flights", r#"{"id":[]}"#, Err("the id of topic flights"));
    check_bare(
        "flights",
        r#"{"id":1,"at":12}"#,
        Err("the time of topic flights is taken from \"data.at\": expected RFC 3339 text"),
    );
    check_bare("flights", r#"{"id":1,"at":"noon"}"#, Err("\"noon\" is no RFC 3339 time"));
    check_bare("flights", r#"{"id":1,"at":"2027-01-01T00:00:00Z"}"#, Err("3600 s ahead"));
    check_bare("flights", "{", Err("data: no valid JSON at byte 1"));
    check_bare("flights", "", Err("data: no valid JSON at byte 0"));
    check_bare("", "{}", Err("\"type\" is missing"));
}

#[test]
fn bare_data_without_an_id_gets_a_new_one_each_time() {
    let acceptor = acceptor();
    let target = Target::Topic(acceptor.topic("devices").unwrap());
    let id = || {
        let received = plain::decode(&HeaderMap::new(), Bytes::from_static(b"1")).unwrap();
        acceptor.accept(target, received, now()).unwrap().event.id
    };
    let (first, second) = (id(), id());
    assert_ne!(first, second);
    assert!(first.len() > 32, "{first}");
}
