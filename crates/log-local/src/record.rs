//! The bytes of one event inside a batch, and of the records of a batch.
//!
//! ```text
//! record := length:varint event
//! event  := present:u8 id source type [subject] [time:12] [key] [data schema] [content type] [attributes] [data: the rest]
//! ```
//! Texts and byte strings carry a varint length; `present` says which optional parts follow. Offsets are implied by the order.

use bytes::Bytes;
use riverrun_event::{Attributes, Event, Key, Text};

use crate::stored::codec::{Cursor, Undecodable, put_string, put_time, put_varint};

const SUBJECT: u8 = 1;
const TIME: u8 = 1 << 1;
const KEY: u8 = 1 << 2;
const DATA_SCHEMA: u8 = 1 << 3;
const CONTENT_TYPE: u8 = 1 << 4;
const ATTRIBUTES: u8 = 1 << 5;
const DATA: u8 = 1 << 6;

/// Appends one record to the records of a batch.
pub(crate) fn encode(out: &mut Vec<u8>, event: &Event) {
    put_varint(out, event_bytes(event) as u64);
    let flag = |present: bool, flag: u8| if present { flag } else { 0 };
    out.push(
        flag(event.subject.is_some(), SUBJECT)
            | flag(event.time.is_some(), TIME)
            | flag(event.key.is_some(), KEY)
            | flag(event.data_schema.is_some(), DATA_SCHEMA)
            | flag(event.content_type.is_some(), CONTENT_TYPE)
            | flag(!event.attributes.is_empty(), ATTRIBUTES)
            | flag(event.data.is_some(), DATA),
    );
    for text in [&event.id, &event.source, &event.kind] {
        put_string(out, text.as_bytes());
    }
    if let Some(subject) = &event.subject {
        put_string(out, subject.as_bytes());
    }
    if let Some(time) = event.time {
        put_time(out, time);
    }
    if let Some(key) = &event.key {
        put_string(out, key.as_bytes());
    }
    for text in [&event.data_schema, &event.content_type].into_iter().flatten() {
        put_string(out, text.as_bytes());
    }
    if !event.attributes.is_empty() {
        put_varint(out, event.attributes.len() as u64);
        for (name, value) in event.attributes.iter() {
            put_string(out, name.as_bytes());
            put_string(out, value.as_bytes());
        }
    }
    if let Some(data) = &event.data {
        out.extend_from_slice(data);
    }
}

/// Exactly how many bytes `encode` writes after the length.
fn event_bytes(event: &Event) -> usize {
    let string = |length: usize| varint_bytes(length) + length;
    let text = |text: &Option<Text>| text.as_ref().map_or(0, |text| string(text.len()));
    let attributes: usize = event.attributes.iter().map(|(name, value)| string(name.len()) + string(value.len())).sum();
    1 + string(event.id.len())
        + string(event.source.len())
        + string(event.kind.len())
        + text(&event.subject)
        + event.time.map_or(0, |_| 12)
        + event.key.as_ref().map_or(0, |key| string(key.as_bytes().len()))
        + text(&event.data_schema)
        + text(&event.content_type)
        + if event.attributes.is_empty() { 0 } else { varint_bytes(event.attributes.len()) + attributes }
        + event.data.as_ref().map_or(0, Bytes::len)
}

fn varint_bytes(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    usize::try_from(bits.div_ceil(7).max(1)).unwrap_or(10)
}

/// Walks the records of a batch; each item is one event's bytes.
pub(crate) struct Encoded<'a>(Cursor<'a>);

impl<'a> Encoded<'a> {
    pub(crate) fn new(records: &'a [u8]) -> Self {
        Self(Cursor::new("record", records))
    }
}

impl<'a> Iterator for Encoded<'a> {
    type Item = Result<&'a [u8], Undecodable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() { None } else { Some(self.0.string()) }
    }
}

/// One event of a batch; `record` is its part of `batch`. Key and data share the batch's bytes instead of being copied, so
/// whoever keeps an event keeps its batch.
pub(crate) fn decode(batch: &Bytes, record: &[u8]) -> Result<Event, Undecodable> {
    let mut cursor = Cursor::new("record", record);
    let present = cursor.u8()?;
    let has = |flag: u8| present & flag != 0;
    let mut event = Event::new(cursor.text()?, cursor.text()?, cursor.text()?);
    if has(SUBJECT) {
        event.subject = Some(cursor.text()?.into());
    }
    if has(TIME) {
        event.time = Some(cursor.time()?);
    }
    if has(KEY) {
        let key = batch.slice_ref(cursor.string()?);
        event.key = Some(Key::new(key).map_err(|_| cursor.error("its key is too long"))?);
    }
    if has(DATA_SCHEMA) {
        event.data_schema = Some(cursor.text()?.into());
    }
    if has(CONTENT_TYPE) {
        event.content_type = Some(cursor.text()?.into());
    }
    if has(ATTRIBUTES) {
        event.attributes = attributes(&mut cursor)?;
    }
    if has(DATA) {
        event.data = Some(batch.slice_ref(cursor.rest()));
    }
    cursor.end().map(|()| event)
}

fn attributes(cursor: &mut Cursor<'_>) -> Result<Attributes, Undecodable> {
    let mut attributes = Attributes::default();
    for _ in 0..cursor.varint()? {
        let name = cursor.text()?;
        attributes.set(name, cursor.text()?);
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use riverrun_event::Time;

    fn events() -> impl Strategy<Value = Event> {
        let text = || proptest::option::of(".{0,200}".prop_map(Text::from));
        let bytes = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
        let attributes = proptest::collection::btree_map("[a-z]{1,5}", ".{0,200}", 0..4);
        let time = proptest::option::of((any::<i64>(), 0..1_000_000_000_u32));
        ((".{0,20}", ".{0,20}", ".{0,200}"), text(), time, bytes(), text(), text(), attributes, bytes()).prop_map(
            |((id, source, kind), subject, time, key, data_schema, content_type, pairs, data)| {
                let mut event = Event::new(id, source, kind);
                event.subject = subject;
                event.time = time.map(|(seconds, nanoseconds)| Time::from_unix(seconds, nanoseconds));
                event.key = key.map(|key| Key::new(key).unwrap());
                event.data_schema = data_schema;
                event.content_type = content_type;
                for (name, value) in pairs {
                    event.attributes.set(&name, value);
                }
                event.data = data.map(Bytes::from);
                event
            },
        )
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_went(events in proptest::collection::vec(events(), 0..5)) {
            let mut records = Vec::new();
            events.iter().for_each(|event| encode(&mut records, event));
            let batch = Bytes::from(records);
            let decoded: Vec<_> = Encoded::new(&batch).map(|record| decode(&batch, record.unwrap()).unwrap()).collect();
            prop_assert_eq!(decoded, events);
        }

        #[test]
        fn garbage_is_refused_not_believed(bytes: Vec<u8>) {
            let batch = Bytes::from(bytes);
            for record in Encoded::new(&batch).flatten() {
                let _ = decode(&batch, record);
            }
        }
    }
}
