//! What doors hand to the log, and what it answers.

use std::time::Duration;

use riverrun_event::{Event, Partition, Position, TopicName};

/// An event and the place it is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// The topic; it must exist.
    pub topic: TopicName,
    /// The partition, as the partitioner gave it.
    pub partition: Partition,
    /// The event.
    pub event: Event,
}

impl NewRecord {
    /// Roughly how many bytes the record takes; permits count with it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.event.bytes()
    }
}

/// Records a door wants stored, whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendBatch {
    /// In the order they are to stand within each partition.
    pub records: Vec<NewRecord>,
}

/// What became of one record of an appended batch. It is durable when this is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// Stored here; (topic, source, id) was not seen within the deduplication window.
    First(Position),
    /// Not stored again: the same event is already here.
    Duplicate(Position),
    /// Stored here; this log cannot tell whether it is a repetition.
    Unverified(Position),
}

impl Logged {
    /// Where the event is.
    #[must_use]
    pub fn position(&self) -> &Position {
        match self {
            Self::First(position) | Self::Duplicate(position) | Self::Unverified(position) => position,
        }
    }

    /// Whether the event was there already.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate(_))
    }
}

/// Why a batch was not stored. Only after [`AppendError::Failed`] may it be stored all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No room in the queue of writers; nothing was stored, try again after this long.
    #[error("the log is busy; try again in {} ms", retry_after.as_millis())]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The log cannot be reached at the moment; nothing was stored, try again after this long.
    #[error("the log cannot be reached: {reason}")]
    Unreachable {
        /// Why.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The record with this index has the identity of a stored event and other content; nothing was stored.
    #[error("event {index} of the batch has the id of another event, stored at {existing}")]
    Conflict {
        /// Index in the batch.
        index: usize,
        /// The stored event.
        existing: Position,
    },
    /// The topic does not exist, or has no such partition; nothing was stored.
    #[error("topic {topic} does not exist or has no partition {partition}")]
    UnknownTopic {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: Partition,
    },
    /// The log takes no record of this size; nothing was stored.
    #[error("{reason}")]
    TooLarge {
        /// Which limit it is.
        reason: String,
    },
    /// The write failed or its outcome is unknown; the batch may or may not be stored, and the log takes no more.
    #[error("the log failed: {0}")]
    Failed(String),
}
