//! A row of the outbox, and the event that it is.

use std::time::SystemTime;

use bytes::Bytes;
use riverrun_accept::Received;
use riverrun_event::{AttributeError, Attributes, Event, Time};

/// What is read of a row, in the order of [`Row::read`].
pub(crate) const COLUMNS: &str = "o.id, o.topic, o.key, o.event_id, o.source, o.type, o.subject, o.time, o.content_type, \
                                  o.data_schema, o.attributes, o.data, o.attempts, o.stored_at";

/// What is handed on in order: the events of a topic that have the same key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Aggregate {
    topic: String,
    key: String,
}

/// A row as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) topic: String,
    pub(crate) key: Option<String>,
    /// How often it was tried in vain.
    pub(crate) attempts: i32,
    pub(crate) stored_at: SystemTime,
    event: Event,
    /// Name, value, name, value.
    attributes: Option<Vec<Option<String>>>,
}

impl Row {
    /// Reads a row of [`COLUMNS`], the first of them at `at`.
    pub(crate) fn read(row: &tokio_postgres::Row, at: usize) -> Result<Self, tokio_postgres::Error> {
        let text = |place: usize| row.try_get::<_, &str>(at + place);
        let optional = |place: usize| row.try_get::<_, Option<&str>>(at + place);
        let mut event = Event::new(text(3)?, text(4)?, text(5)?);
        event.subject = optional(6)?.map(Into::into);
        event.time = row.try_get::<_, Option<SystemTime>>(at + 7)?.map(time);
        event.content_type = optional(8)?.map(Into::into);
        event.data_schema = optional(9)?.map(Into::into);
        event.data = row.try_get::<_, Option<&[u8]>>(at + 11)?.map(Bytes::copy_from_slice);
        Ok(Self {
            id: row.try_get(at)?,
            topic: text(1)?.to_owned(),
            key: optional(2)?.map(ToOwned::to_owned),
            attempts: row.try_get(at + 12)?,
            stored_at: row.try_get(at + 13)?,
            event,
            attributes: row.try_get(at + 10)?,
        })
    }

    /// What it is in order with; none where it has no key.
    pub(crate) fn aggregate(&self) -> Option<Aggregate> {
        self.key.as_ref().map(|key| Aggregate { topic: self.topic.clone(), key: key.clone() })
    }

    /// Roughly what it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.event.bytes() + self.attributes.iter().flatten().flatten().map(String::len).sum::<usize>()
    }

    /// Bytes of its data.
    pub(crate) fn data_bytes(&self) -> usize {
        self.event.data.as_ref().map_or(0, Bytes::len)
    }

    /// The event as a door received it.
    ///
    /// # Errors
    /// An attribute breaks a rule: the row was not stored by the functions of the outbox.
    pub(crate) fn received(&self) -> Result<Received, AttributeError> {
        let mut event = self.event.clone();
        let mut attributes = Attributes::default();
        for pair in self.attributes.as_deref().unwrap_or_default().chunks(2) {
            // What is null or missing is there only where somebody wrote into the table; a name without characters is refused.
            let text = |place: usize| pair.get(place).and_then(Option::as_deref).unwrap_or_default();
            attributes.add(text(0), text(1))?;
        }
        event.attributes = attributes;
        Ok(Received { event, partition_key: self.key.as_deref().map(Into::into), ..Received::new() })
    }
}

/// PostgreSQL's times have microseconds.
fn time(time: SystemTime) -> Time {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Time::EPOCH.plus(since),
        Err(before) => Time::EPOCH.minus(before.duration()),
    }
}
