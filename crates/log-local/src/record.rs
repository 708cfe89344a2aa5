//! The bytes of one event inside a batch, and of the records of a batch.
//!
//! ```text
//! record := length:varint event
//! event  := present:u8 id source type [subject] [time:12] [key] [data schema] [content type] [attributes] [data: the rest]
//! compacted := offset behind the batch's first:varint nanoseconds accepted before the batch:varint record
//! ```
//! Texts and byte strings carry a varint length; `present` says which optional parts follow. Offsets are implied by the order, except in
//! a compacted batch.

use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{Attributes, Event, Key, Text, Time};

use crate::stored::batch::Header;
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

/// Appends one record to the records of a compacted batch.
pub(crate) fn place(out: &mut Vec<u8>, behind_base: u64, before: Duration, encoded: &[u8]) {
    put_varint(out, behind_base);
    // Half a millennium fits; beyond it the time counts as that.
    put_varint(out, u64::try_from(before.as_nanos()).unwrap_or(u64::MAX));
    put_string(out, encoded);
}

/// Walks the records of any batch with their places: offset, accept time, the event's bytes.
pub(crate) struct Placed<'a> {
    cursor: Cursor<'a>,
    base: u64,
    /// Counts the records of a batch that is not compacted.
    next: u64,
    accepted: Time,
    compacted: bool,
}

impl<'a> Placed<'a> {
    pub(crate) fn new(base: u64, header: &Header, records: &'a [u8]) -> Self {
        let (accepted, compacted) = (header.accepted, header.compacted);
        Self { cursor: Cursor::new("record", records), base, next: base, accepted, compacted }
    }

    fn read(&mut self) -> Result<(u64, Time, &'a [u8]), Undecodable> {
        if !self.compacted {
            let offset = self.next;
            self.next = offset.saturating_add(1);
            return Ok((offset, self.accepted, self.cursor.string()?));
        }
        let offset = self.base.checked_add(self.cursor.varint()?);
        let offset = offset.ok_or_else(|| self.cursor.error("its offset is impossible"))?;
        let accepted = self.accepted.minus(Duration::from_nanos(self.cursor.varint()?));
        Ok((offset, accepted, self.cursor.string()?))
    }
}

impl<'a> Iterator for Placed<'a> {
    type Item = Result<(u64, Time, &'a [u8]), Undecodable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.cursor.is_empty() { None } else { Some(self.read()) }
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

    fn header(compacted: bool) -> Header {
        let (codec, previous) = (crate::stored::batch::Codec::Raw, crate::stored::batch::ChainHash::BEGINNING);
        let accepted = Time::from_unix(1_000, 0);
        Header { codec, count: 0, accepted, compacted, previous, raw_bytes: 0 }
    }

    proptest! {
        #[test]
        fn records_come_back_as_they_went(events in proptest::collection::vec(events(), 0..5)) {
            let mut records = Vec::new();
            events.iter().for_each(|event| encode(&mut records, event));
            let (header, batch) = (header(false), Bytes::from(records));
            let decoded: Vec<_> = Placed::new(7, &header, &batch).map(|placed| placed.unwrap()).collect();
            prop_assert!(decoded.iter().zip(7..).all(|(placed, offset)| (placed.0, placed.1) == (offset, header.accepted)));
            prop_assert_eq!(decoded.into_iter().map(|placed| decode(&batch, placed.2).unwrap()).collect::<Vec<_>>(), events);
        }

        #[test]
        fn places_come_back_as_they_went(places in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<Vec<u8>>()), 0..5)) {
            let (mut records, header) = (Vec::new(), header(true));
            let before = |nanoseconds: u32| Duration::from_nanos(nanoseconds.into());
            places.iter().for_each(|(behind, ago, bytes)| place(&mut records, u64::from(*behind), before(*ago), bytes));
            let found: Vec<_> = Placed::new(7, &header, &records).map(|placed| placed.unwrap()).collect();
            let expected = places.iter().map(|(behind, ago, bytes)| {
                (7 + u64::from(*behind), header.accepted.minus(before(*ago)), &bytes[..])
            });
            prop_assert_eq!(found, expected.collect::<Vec<_>>());
        }

        #[test]
        fn garbage_is_refused_not_believed(bytes: Vec<u8>) {
            let batch = Bytes::from(bytes);
            for compacted in [false, true] {
                for (_, _, record) in Placed::new(u64::MAX, &header(compacted), &batch).flatten() {
                    let _ = decode(&batch, record);
                }
            }
        }
    }
}
