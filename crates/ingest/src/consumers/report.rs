//! How far a consumer is: for status, metrics and operators.

use riverrun_event::{ConsumerName, Offset, TopicPartition};
use riverrun_log::Log;
use tokio::time::Instant;

use super::consumer::Consumer;
use super::error::ConsumerError;
use super::sharing::ReaderName;

/// A consumer as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerReport {
    /// Its name.
    pub name: ConsumerName,
    /// Readers with a session.
    pub readers: usize,
    /// Its partitions, by topic and number.
    pub partitions: Vec<PartitionReport>,
}

/// A partition as a consumer has read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReport {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset to read, as committed.
    pub committed: Offset,
    /// The offset after the last record.
    pub end: Offset,
    /// Who reads it.
    pub reader: Option<ReaderName>,
}

impl PartitionReport {
    /// How many events are not committed yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.end.0.saturating_sub(self.committed.0)
    }
}

pub(super) fn report(log: &dyn Log, consumer: &Consumer) -> Result<ConsumerReport, ConsumerError> {
    let (held, readers) = {
        let sharing = consumer.sharing();
        (sharing.held(), sharing.readers(Instant::now()))
    };
    let mut partitions = Vec::with_capacity(held.len());
    for held in held {
        let description = log.describe(&held.partition.topic)?;
        let end = description.offsets_of(held.partition.partition).map_or(held.committed, |kept| kept.end);
        let (partition, committed, reader) = (held.partition, held.committed, held.reader);
        partitions.push(PartitionReport { partition, committed, end, reader });
    }
    Ok(ConsumerReport { name: consumer.name.clone(), readers, partitions })
}
