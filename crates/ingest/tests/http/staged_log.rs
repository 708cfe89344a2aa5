//! A log in memory that can be told to refuse, to have lost its oldest records, or to be damaged.

use std::sync::Mutex;

use riverrun_event::{Offset, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::{
    Answer, AppendBatch, AppendError, EnsureError, GroupName, Health, JoinError, Log, Logged, Member, Membership,
    MemoryLog, Observe, Order, ReadError, TaskId, TopicDescription, TopicSpec, Topics,
};
use tokio::sync::watch;

/// The log and what is staged.
#[derive(Default)]
pub(crate) struct StagedLog {
    pub(crate) memory: MemoryLog,
    /// Answers the next append instead of storing it.
    pub(crate) refusal: Mutex<Option<AppendError>>,
    /// The first offset kept of every partition.
    pub(crate) start: Mutex<Offset>,
    /// Reads at or beyond it fail.
    pub(crate) damage: Mutex<Option<Position>>,
}

impl Topics for StagedLog {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        self.memory.ensure(topics)
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        let mut description = self.memory.describe(topic)?;
        let start = *self.start.lock().unwrap();
        for kept in &mut description.offsets {
            kept.start = start.min(kept.end);
        }
        Ok(description)
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        self.memory.offset_at(partition, time)
    }
}

impl Observe for StagedLog {
    fn moved(&self) -> watch::Receiver<u64> {
        self.memory.moved()
    }

    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError> {
        self.memory.orders(group, task, from, limit)
    }

    fn health(&self) -> Health {
        self.memory.health()
    }
}

impl Log for StagedLog {
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        match self.refusal.lock().unwrap().take() {
            Some(refusal) => Box::pin(std::future::ready(Err(refusal))),
            None => self.memory.append(batch),
        }
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        match &*self.damage.lock().unwrap() {
            Some(position) if position.partition == from.partition && from.offset >= position.offset => {
                Err(ReadError::Damaged { position: position.clone(), detail: "checksum does not fit".to_owned() })
            }
            _ => self.memory.read(from, bytes_max),
        }
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        self.memory.join(membership)
    }
}
