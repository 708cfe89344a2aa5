//! Whatever is written out reads back as the same event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use riverrun_event::{Event, Key, Offset, Partition, Position, Record, Text, Time, TopicName};
use riverrun_ingest::cloudevents::{encode, structured};
use serde_json::value::RawValue;

fn text() -> impl Strategy<Value = Text> {
    r#"[a-zA-Z0-9 "\\/€😀{}:,-]{1,12}"#.prop_map(Into::into)
}

/// JSON without raw line breaks between its tokens: those become spaces on a line.
fn json() -> impl Strategy<Value = Bytes> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,9})?",
        r#""([a-z€ ]|\\n|\\u00e9|\\")*""#.prop_map(|text| text),
    ];
    scalar
        .prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,"))),
                vec(inner, 0..4).prop_map(|items| {
                    let members: Vec<_> = items.iter().map(|item| format!("\"a\":\t{item}")).collect();
                    format!("{{{}}}", members.join(" , "))
                }),
            ]
        })
        .prop_map(Bytes::from)
}

/// A content type and data that fits it.
fn payload() -> impl Strategy<Value = (Option<Text>, Option<Bytes>)> {
    let json_type =
        option::of(prop_oneof![Just("application/json"), Just("application/vnd.x+json; v=1"), Just("text/json")]);
    prop_oneof![
        (json_type, option::of(json())).prop_map(|(media, data)| (media.map(Into::into), data)),
        vec(any::<u8>(), 0..20).prop_map(|data| (Some("application/octet-stream".into()), Some(data.into()))),
        vec(any::<u8>(), 0..6).prop_map(|data| (Some("text/plain".into()), Some(data.into()))),
        any::<String>().prop_map(|data| (Some("text/csv; charset=utf-8".into()), Some(data.into()))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let time = option::of((0_i64..4_000_000_000, 0_u32..1_000_000_000).prop_map(|(s, n)| Time::from_unix(s, n)));
    let context = (text(), text(), text(), option::of(text()), time, option::of(text()));
    let key = option::of(any::<String>().prop_filter("a key sent has characters", |key| !key.is_empty()));
    let attributes = btree_map("[a-z]{3,9}[0-9]", text(), 0..4);
    (context, key, attributes, payload()).prop_map(|(context, key, attributes, (content_type, data))| {
        let (id, source, kind, subject, time, data_schema) = context;
        let key = key.map(|key| Key::new(key).unwrap());
        let mut event = Event { subject, time, key, data_schema, content_type, data, ..Event::new(id, source, kind) };
        for (name, value) in &attributes {
            event.attributes.add(name, value).unwrap();
        }
        event
    })
}

proptest! {
    #[test]
    fn a_line_reads_back_as_the_event(event in event()) {
        let topic = TopicName::new("flights").unwrap();
        let position = Position { topic, partition: Partition(2), offset: Offset(991) };
        let record = Record { position, accepted: Time::EPOCH, event };
        let mut line = Vec::new();
        encode::line(&record, &mut line);

        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let whole: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(whole["rrposition"].get(), "\"flights/2@991\"");
        let received = structured::decode(&Bytes::from(line), 64).unwrap();
        let key = received.partition_key.map(|key| Key::new(String::from(key)).unwrap());
        prop_assert_eq!(Event { key, ..received.event }, record.event);
    }

    #[test]
    fn strings_are_written_as_json(text in any::<String>()) {
        let mut out = Vec::new();
        encode::string(&text, &mut out);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}

#[test]
fn raw_line_breaks_between_tokens_become_spaces() {
    let position = "flights/2@991".parse().unwrap();
    let event = Event { data: Some(Bytes::from_static(b"{\r\n\t\"a\": \"b\\nc\"\n}")), ..Event::new("1", "/s", "t") };
    let mut line = Vec::new();
    encode::line(&Record { position, accepted: Time::EPOCH, event }, &mut line);
    let expected = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\",\"rrposition\":\"flights/2@991\",\
                    \"data\":{  \t\"a\": \"b\\nc\" }}\n";
    assert_eq!(String::from_utf8(line).unwrap(), expected);
}
