//! A topic as the log keeps it: how many partitions, and how long records stay.

use std::ops::Range;
use std::time::Duration;

use riverrun_event::{Offset, Partition, TopicName};

use crate::compaction::Compaction;

/// What a topic is declared to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: TopicName,
    /// How many partitions, 1 to [`riverrun_event::limits::PARTITIONS_MAX`]. Never changes once the topic exists.
    pub partitions: u32,
    /// How long records stay. May change.
    pub retention: Retention,
}

/// How long records of a topic stay; without any of these they stay for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Records accepted longer ago than this may be removed.
    pub age: Option<Duration>,
    /// The oldest records of a partition may be removed while it holds more bytes than this (as stored).
    pub partition_bytes: Option<u64>,
    /// Of records with the same key only the newest may be kept. Offsets keep their value, so those that are gone leave gaps.
    pub compaction: Option<Compaction>,
}

/// A topic as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// What it was declared to be.
    pub spec: TopicSpec,
    /// Per partition, in order: the first offset still kept, and the offset after the last durable record. Where offsets
    /// have gaps there may be one behind the last record too: only an empty read says that there is nothing more.
    pub offsets: Vec<Range<Offset>>,
}

impl TopicDescription {
    /// The offsets of one partition.
    #[must_use]
    pub fn offsets_of(&self, partition: Partition) -> Option<&Range<Offset>> {
        self.offsets.get(usize::try_from(partition.0).ok()?)
    }
}

/// Why topics could not be ensured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnsureError {
    /// The topic exists with another number of partitions.
    #[error(
        "topic {topic} has {existing} partitions and is declared with {declared}; partition counts do not change once set"
    )]
    PartitionCount {
        /// The topic.
        topic: TopicName,
        /// As it is.
        existing: u32,
        /// As it is declared now.
        declared: u32,
    },
    /// The log failed; the reason is the log's own.
    #[error("the log failed: {0}")]
    Failed(String),
}
