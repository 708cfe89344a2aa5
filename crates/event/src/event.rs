//! The event: an immutable fact, in the terms of CloudEvents 1.0, and the record: an event at its position.

use bytes::Bytes;

use crate::{Attributes, Key, Position, Text, Time};

/// An immutable fact.
///
/// `data` holds the bytes as they were received. Without `content_type` they are JSON, as CloudEvents has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique within `source`; (topic, source, id) is an event's identity for deduplication.
    pub id: Text,
    /// Where the event comes from, a URI reference.
    pub source: Text,
    /// What kind of fact it is, for example `flight.departed`. CloudEvents calls it `type`.
    pub kind: Text,
    /// What the fact is about, within the source.
    pub subject: Option<Text>,
    /// When it happened; where the sender did not say, the accept time counts.
    pub time: Option<Time>,
    /// What makes it related to others; without one, no order is promised.
    pub key: Option<Key>,
    /// The schema of the data, a URI. CloudEvents calls it `dataschema`.
    pub data_schema: Option<Text>,
    /// Extension attributes in the order received.
    pub attributes: Attributes,
    /// Media type of the data. CloudEvents calls it `datacontenttype`.
    pub content_type: Option<Text>,
    /// The payload, byte for byte; absent means that the entity the event is about is deleted.
    pub data: Option<Bytes>,
}

impl Event {
    /// An event with the three attributes CloudEvents requires and nothing else.
    #[must_use]
    pub fn new(id: impl Into<Text>, source: impl Into<Text>, kind: impl Into<Text>) -> Self {
        Self {
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            subject: None,
            time: None,
            key: None,
            data_schema: None,
            attributes: Attributes::default(),
            content_type: None,
            data: None,
        }
    }

    /// Whether the data is JSON: no content type, a subtype `json` or a `+json` suffix.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.content_type.as_deref().is_none_or(is_json_media_type)
    }

    /// Roughly how many bytes the event takes in memory and in the log; permits and limits count with it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let optional = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.len());
        // 32: the fixed part of a stored record (lengths, times, offset), rounded up.
        32 + self.id.len()
            + self.source.len()
            + self.kind.len()
            + optional(&self.subject)
            + optional(&self.data_schema)
            + optional(&self.content_type)
            + self.key.as_ref().map_or(0, |key| key.as_bytes().len())
            + self.attributes.bytes()
            + self.data.as_ref().map_or(0, Bytes::len)
    }
}

/// Whether a media type means JSON: `*/json` or `*/*+json`, parameters ignored (CloudEvents JSON format, 3.1.1).
#[must_use]
pub fn is_json_media_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().as_bytes();
    let suffix = essence.len().checked_sub(5).and_then(|at| essence.get(at..));
    suffix.is_some_and(|end| end.eq_ignore_ascii_case(b"/json") || end.eq_ignore_ascii_case(b"+json"))
}

/// An event at a position, with the time the log accepted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// When the log took it; never decreases within a partition.
    pub accepted: Time,
    /// The fact.
    pub event: Event,
}

impl Record {
    /// The time the event counts as having happened: its own, else the accept time.
    #[must_use]
    pub fn event_time(&self) -> Time {
        self.event.time.unwrap_or(self.accepted)
    }
}
