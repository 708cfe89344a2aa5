//! What two logs are compared by where one holds a copy of the other: how many records or rows there are in an order, and a hash
//! over all of them.

use std::fmt;

use riverrun_event::{Event, Key, Record, Time};

use crate::identity::half_hash;

/// How many records or rows, and a hash over them and their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    count: u64,
    hash: [u8; 16],
    buffer: Vec<u8>,
}

impl Fingerprint {
    /// Adds a record: its offset, when it was accepted (in milliseconds, which is what every log keeps) and the whole event.
    pub fn record(&mut self, record: &Record) {
        self.add(|bytes| {
            put(bytes, Some(&record.position.offset.0.to_be_bytes()));
            put(bytes, Some(&record.accepted.unix_ms().to_be_bytes()));
            put_event(bytes, &record.event);
        });
    }

    /// Adds a row; a deletion has no value.
    pub fn row(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.add(|bytes| {
            put(bytes, Some(key));
            put(bytes, value);
        });
    }

    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.hash);
        write(&mut self.buffer);
        self.hash = half_hash(&self.buffer);
        // Not part of what is compared.
        self.buffer.clear();
        self.count += 1;
    }

    /// One as it was told by another process.
    #[must_use]
    pub fn told(count: u64, hash: [u8; 16]) -> Self {
        Self { count, hash, buffer: Vec::new() }
    }

    /// The hash over all that were added.
    #[must_use]
    pub fn hash(&self) -> [u8; 16] {
        self.hash
    }

    /// How many were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Eight bytes tell copies apart that are shown to people; all of them are compared.
        self.hash.iter().take(8).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

fn put_event(bytes: &mut Vec<u8>, event: &Event) {
    let Event { id, source, kind, subject, time, key, data_schema, attributes, content_type, data } = event;
    for text in [id, source, kind] {
        put(bytes, Some(text.as_bytes()));
    }
    for text in [subject, data_schema, content_type] {
        put(bytes, text.as_ref().map(|text| text.as_bytes()));
    }
    put(bytes, time.as_ref().map(Time::to_string).as_deref().map(str::as_bytes));
    put(bytes, key.as_ref().map(Key::as_bytes));
    put(bytes, data.as_deref());
    for (name, value) in attributes.iter() {
        put(bytes, Some(name.as_bytes()));
        put(bytes, Some(value.as_bytes()));
    }
}

/// One more than the length comes first, so that what is absent differs from what is empty.
fn put(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
    let length = field.map_or(0, |field| field.len() as u64 + 1);
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(field.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn of(records: &[Record]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        records.iter().for_each(|record| fingerprint.record(record));
        fingerprint
    }

    #[test]
    fn any_difference_shows() {
        let record = |place: &str| Record {
            position: place.parse().unwrap(),
            accepted: Time::from_unix(5, 0),
            event: Event::new("1", "/s", "t"),
        };
        let (first, second) = (record("a/0@0"), record("a/0@1"));
        let base = of(&[first.clone(), second.clone()]);
        assert_eq!((base.clone(), base.count()), (of(&[first.clone(), second.clone()]), 2));
        let changes: [fn(&mut Record); 6] = [
            |record| record.position.offset.0 += 1,
            |record| record.accepted = Time::from_unix(5, 1_000_000),
            |record| record.event.data = Some(Bytes::new()),
            |record| record.event.subject = Some("".into()),
            |record| record.event.attributes.set("trace", "1"),
            |record| record.event.time = Some(Time::from_unix(5, 0)),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = second.clone();
            change(&mut other);
            assert_ne!(of(&[first.clone(), other]), base, "change {number}");
        }
        assert_ne!(of(&[second, first]), base, "another order");
        let mut rows = [Fingerprint::default(), Fingerprint::default()];
        rows[0].row(b"k", None);
        rows[1].row(b"k", Some(b""));
        assert_ne!(rows[0].to_string(), rows[1].to_string());
    }
}
