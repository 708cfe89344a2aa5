//! Events as records of Kafka and back: the binary mode of the CloudEvents Kafka protocol binding 1.0.2.
//!
//! An attribute is a header `ce_<name>` of UTF-8, the media type of the data the header `content-type`, the event's key the key of
//! the record, the data its value; no data is a null value, which compaction takes as a deletion. The time of the record is when it
//! was accepted; that of the event is `ce_time`.
//!
//! Records in the structured mode are read too, and written by nobody here.
//!
//! Anybody may write to a topic, so a record need not be a CloudEvent. What it lacks gets a default ([`decode`] says which); nothing
//! makes a record unreadable.

mod structured;

use bytes::Bytes;
use riverrun_event::attribute::CONTEXT_ATTRIBUTES;
use riverrun_event::{Event, Key, Position, Record, Text, Time};

/// What the headers of attributes begin with.
const PREFIX: &str = "ce_";
const CONTENT_TYPE: &str = "content-type";
/// The media type of what is neither said to be anything nor text.
const BYTES: &str = "application/octet-stream";
/// The media type of what is not said to be anything and looks like no JSON.
const PLAIN: &str = "text/plain";

/// Headers as they are on the wire: names may repeat, values may be null.
type Headers = Vec<(String, Option<Bytes>)>;

/// The headers of an event: `put` is told each, its name in two parts. Its key is that of the record, its data the value.
pub(crate) fn put_headers(event: &Event, mut put: impl FnMut(&str, &str, &str)) {
    let Event { id, source, kind, subject, time, data_schema, attributes, content_type, .. } = event;
    let time = time.map(|time| time.to_string());
    let stated = [("subject", subject.as_deref()), ("time", time.as_deref()), ("dataschema", data_schema.as_deref())];
    let stated = stated.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let named = [("specversion", "1.0"), ("id", id), ("source", source), ("type", kind)];
    named.into_iter().chain(stated).chain(attributes.iter()).for_each(|(name, value)| put(PREFIX, name, value));
    if let Some(content_type) = content_type {
        put("", CONTENT_TYPE, content_type);
    }
}

/// A record as an event at its position.
///
/// What is missing or breaks a rule gets a default: the id is the position, the source `/kafka/<topic>`, the type `kafka.record`, the
/// content type of data that looks like no JSON `text/plain` or `application/octet-stream`. Headers that are no attributes of
/// CloudEvents are attributes all the same where their name and value can be; a key that is too long is no key.
pub(crate) fn decode(
    position: Position,
    accepted: Time,
    headers: Headers,
    key: Option<Bytes>,
    value: Option<Bytes>,
) -> Record {
    let mut event = Event::new(position.to_string(), format!("/kafka/{}", position.topic), "kafka.record");
    let is_cloud_event = headers.iter().any(|(name, _)| name == "ce_specversion");
    for (name, value) in headers {
        let value = value.unwrap_or_default();
        let Ok(value) = std::str::from_utf8(&value) else { continue };
        match name.strip_prefix(PREFIX) {
            Some(attribute) if is_cloud_event => take(&mut event, attribute, value),
            _ if name == CONTENT_TYPE => event.content_type = Some(value.into()),
            // What cannot be an attribute is not part of the event.
            _ => drop(event.attributes.add(&name, value)),
        }
    }
    event.key = key.and_then(|key| Key::new(key).ok());
    if let Some(value) = value.as_ref().filter(|_| structured::is_structured(event.content_type.as_deref()))
        && let Some(event) = structured::decode(&event, value)
    {
        return Record { position, accepted, event };
    }
    if !is_cloud_event && event.content_type.is_none() {
        event.content_type = value.as_ref().and_then(|value| content_type_of(value)).map(Into::into);
    }
    event.data = value;
    Record { position, accepted, event }
}

/// Takes an attribute of a CloudEvent over; one that breaks its rule keeps the default.
fn take(event: &mut Event, attribute: &str, value: &str) {
    let text = || (!value.is_empty()).then(|| Text::from(value));
    match attribute {
        "id" => event.id = text().unwrap_or_else(|| event.id.clone()),
        "source" => event.source = text().unwrap_or_else(|| event.source.clone()),
        "type" => event.kind = text().unwrap_or_else(|| event.kind.clone()),
        "subject" => event.subject = text(),
        "time" => event.time = Time::parse(value).ok(),
        "dataschema" => event.data_schema = text(),
        "datacontenttype" => event.content_type = text(),
        attribute if CONTEXT_ATTRIBUTES.contains(&attribute) => {}
        // The key of the record is the key.
        "partitionkey" => {}
        extension => drop(event.attributes.add(extension, value)),
    }
}

/// What data is that nobody said anything about; none for JSON, which needs no word.
fn content_type_of(data: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(data).ok();
    match text.and_then(|text| text.trim_start().bytes().next()) {
        Some(b'{' | b'[') => None,
        Some(_) => Some(PLAIN),
        None => Some(BYTES),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::transaction;

    fn position() -> Position {
        "orders/2@7".parse().unwrap()
    }

    /// The record of an event, as it is read.
    fn written(event: &Event) -> (Headers, Option<Bytes>, Option<Bytes>) {
        let (key, data) = (event.key.as_ref().map(Key::as_bytes), event.data.as_deref());
        let record = transaction::testing::written(key, data, |headers| {
            put_headers(event, |prefix, name, value| headers.add(prefix, name, value));
        });
        let headers = record.headers.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        (headers, record.key, record.value)
    }

    /// What a reader makes of a record that was written.
    fn received((headers, key, value): (Headers, Option<Bytes>, Option<Bytes>)) -> Record {
        decode(position(), Time::from_unix_ms(1_500), headers, key, value)
    }

    fn decoded(headers: &[(&str, &[u8])], key: Option<&[u8]>, value: Option<&[u8]>) -> Record {
        let header = |(name, value): &(&str, &[u8])| ((*name).to_owned(), Some(Bytes::copy_from_slice(value)));
        let (key, value) = (key.map(Bytes::copy_from_slice), value.map(Bytes::copy_from_slice));
        decode(position(), Time::from_unix_ms(1_500), headers.iter().map(header).collect(), key, value)
    }

    #[test]
    fn attributes_are_headers_as_the_binding_says() {
        let mut event = Event::new("1", "/shop", "order.placed");
        event.time = Some(Time::from_unix(0, 5_000_000));
        event.content_type = Some("application/json".into());
        event.attributes.add("traceparent", "00-é").unwrap();
        event.key = Some(Key::new("ada").unwrap());
        let (headers, key, data) = written(&event);
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value.as_ref().unwrap()).unwrap()))
            .collect();
        let expected = [
            ("ce_specversion", "1.0"),
            ("ce_id", "1"),
            ("ce_source", "/shop"),
            ("ce_type", "order.placed"),
            ("ce_time", "1970-01-01T00:00:00.005Z"),
            ("ce_traceparent", "00-é"),
            ("content-type", "application/json"),
        ];
        assert_eq!(headers, expected);
        assert_eq!((key.as_deref(), data), (Some(&b"ada"[..]), None));
    }

    #[test]
    fn a_record_that_is_no_cloud_event_gets_defaults() {
        let found =
            decoded(&[("trace", b"t1"), ("Not-One", b"x"), ("bytes", &[255])], Some(b"ada"), Some(b" {\"a\":1}"));
        assert_eq!(
            (found.position.to_string(), found.accepted),
            ("orders/2@7".to_owned(), Time::from_unix(1, 500_000_000))
        );
        let Event { id, source, kind, time, key, attributes, content_type, data, .. } = found.event;
        assert_eq!((&*id, &*source, &*kind, time), ("orders/2@7", "/kafka/orders", "kafka.record", None));
        assert_eq!((key, data.as_deref()), (Some(Key::new("ada").unwrap()), Some(&b" {\"a\":1}"[..])));
        assert_eq!((attributes.iter().collect::<Vec<_>>(), content_type), (vec![("trace", "t1")], None));
        for (data, expected) in [(&b"a;b"[..], PLAIN), (&[0, 255], BYTES), (b"", BYTES)] {
            assert_eq!(decoded(&[], None, Some(data)).event.content_type.as_deref(), Some(expected));
        }
        assert_eq!(
            decoded(&[("content-type", b"text/csv")], None, Some(b"a")).event.content_type.as_deref(),
            Some("text/csv")
        );
    }

    #[test]
    fn a_record_may_be_an_event_as_a_whole() {
        let structured = |value: &str| {
            let header = ("content-type", &b"application/cloudevents+json; charset=UTF-8"[..]);
            decoded(&[header], Some(b"ada"), Some(value.as_bytes())).event
        };
        let event = structured(
            r#"{"specversion":"1.0","id":"o-1","source":"/shop","type":"order","time":"1970-01-01T00:00:05Z","sent":true,"data":{"a": 1}}"#,
        );
        assert_eq!((&*event.id, &*event.source, &*event.kind), ("o-1", "/shop", "order"));
        assert_eq!((event.time, event.attributes.get("sent")), (Some(Time::from_unix(5, 0)), Some("true")));
        assert_eq!((event.data.as_deref(), event.content_type), (Some(&br#"{"a": 1}"#[..]), None));
        assert_eq!(event.key, Some(Key::new("ada").unwrap()));
        let event = structured(r#"{"specversion":"1.0","id":"2","datacontenttype":"text/csv","data":"a;b"}"#);
        assert_eq!((event.data.as_deref(), event.content_type.as_deref()), (Some(&b"a;b"[..]), Some("text/csv")));
        assert_eq!(&*event.kind, "kafka.record", "what is missing has its default");
        let event = structured(r#"{"specversion":"1.0","id":"3","data_base64":"AP8="}"#);
        assert_eq!(event.data.as_deref(), Some(&[0, 255][..]));
        // What says to be one and is none stays what it is.
        for broken in ["", "[]", "{", r#"{"id":"4"}"#, r#"{"specversion":"1.0","data_base64":"?"}"#] {
            let event = structured(broken);
            assert_eq!((&*event.id, event.data.as_deref()), ("orders/2@7", Some(broken.as_bytes())), "{broken}");
        }
    }

    #[test]
    fn what_breaks_a_rule_keeps_its_default() {
        let found = decoded(
            &[
                ("ce_specversion", b"1.0"),
                ("ce_id", b""),
                ("ce_time", b"yesterday"),
                ("ce_Bad", b"x"),
                ("ce_id", &[255]),
            ],
            Some(&vec![b'k'; riverrun_event::limits::KEY_BYTES_MAX + 1]),
            None,
        );
        assert_eq!(
            (&*found.event.id, found.event.time, found.event.attributes.iter().count()),
            ("orders/2@7", None, 0)
        );
        assert_eq!((found.event.key, found.event.data), (None, None));
    }

    proptest! {
        #[test]
        fn events_come_back_as_they_were(
            texts in proptest::collection::vec("[ -~é]{1,20}", 6),
            given in proptest::collection::vec(any::<bool>(), 6),
            seconds in 0_i64..4_000_000_000,
            nanoseconds in 0_u32..1_000_000_000,
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            data in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        ) {
            let mut event = Event::new(&*texts[0], &*texts[1], &*texts[2]);
            event.subject = given[0].then(|| (&*texts[3]).into());
            event.data_schema = given[1].then(|| (&*texts[4]).into());
            event.content_type = given[2].then(|| (&*texts[5]).into());
            event.time = given[3].then(|| Time::from_unix(seconds, nanoseconds));
            if given[4] {
                event.attributes.add("trace", &texts[3]).unwrap();
            }
            event.key = key.map(|key| Key::new(key).unwrap());
            event.data = data.map(Bytes::from);
            prop_assert_eq!(received(written(&event)).event, event);
        }

        #[test]
        fn no_record_is_unreadable(
            headers in proptest::collection::vec(("(ce_)?[a-z]{0,12}|ce_time|content-type", proptest::collection::vec(any::<u8>(), 0..12)), 0..8),
            value in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..12)),
        ) {
            let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            let found = decoded(&headers, None, value.as_deref());
            prop_assert!(!found.event.id.is_empty() && !found.event.source.is_empty() && !found.event.kind.is_empty());
        }
    }
}
