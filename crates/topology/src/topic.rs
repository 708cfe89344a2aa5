//! A topic as declared: its partitions and retention, and what the doors need to accept events for it.

use std::time::Duration;

use riverrun_event::TopicName;

use crate::expression::Expression;

/// A declared topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: u32,
    /// Where the key is taken from; without it `partitionkey`, then `subject`.
    pub key: Option<Expression>,
    /// Where plain JSON events take their id from.
    pub id: Option<Expression>,
    /// Where plain JSON events take their time from.
    pub time: Option<Expression>,
    /// Event types that `POST /events` routes here.
    pub accept: Vec<TypePattern>,
    /// Records accepted longer ago may be removed.
    pub retention_age: Option<Duration>,
    /// The oldest records of a partition may be removed beyond this size.
    pub retention_bytes: Option<u64>,
    /// Of records with the same key only the newest may be kept.
    pub compact: Option<Compact>,
}

/// When a compacted topic lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compact {
    /// Records accepted more recently stay whole.
    pub after: Duration,
    /// How long an event without data, which deletes its key, stays.
    pub deletions: Duration,
}

impl Default for Compact {
    /// An hour for readers to follow; a week for those that were away to learn what was deleted.
    fn default() -> Self {
        Self { after: Duration::from_secs(3_600), deletions: Duration::from_secs(7 * 86_400) }
    }
}

impl Topic {
    /// Partitions of a topic that does not say.
    pub const PARTITIONS_DEFAULT: u32 = 4;

    /// A topic with the defaults: [`Self::PARTITIONS_DEFAULT`] partitions, kept for ever.
    #[must_use]
    pub fn new(name: TopicName) -> Self {
        Self {
            name,
            partitions: Self::PARTITIONS_DEFAULT,
            key: None,
            id: None,
            time: None,
            accept: Vec::new(),
            retention_age: None,
            retention_bytes: None,
            compact: None,
        }
    }
}

/// A pattern over event types: `device.*` matches everything that starts with `device.`; without a trailing `*` it is exact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypePattern(pub String);

impl TypePattern {
    /// Whether `kind` (CloudEvents' `type`) matches.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => kind.starts_with(prefix),
            None => self.0 == kind,
        }
    }
}
