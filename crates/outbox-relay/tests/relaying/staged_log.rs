//! A log in memory that can be told to refuse, or to store and never answer, as one whose process is killed does.

use std::sync::Mutex;
use std::time::Duration;

use riverrun_event::{Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::{
    Answer, AppendBatch, AppendError, EnsureError, GroupName, Health, JoinError, Log, Logged, Member, Membership,
    MemoryLog, Observe, Order, ReadError, TaskId, TopicDescription, TopicSpec, Topics,
};
use tokio::sync::watch;

/// What becomes of an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Serve,
    Refuse,
    /// It is stored, and nobody is told.
    Swallow,
}

#[derive(Default)]
pub(crate) struct StagedLog {
    pub(crate) memory: MemoryLog,
    pub(crate) mode: Mutex<Mode>,
}

impl Topics for StagedLog {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        self.memory.ensure(topics)
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        self.memory.describe(topic)
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<riverrun_event::Offset, ReadError> {
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
        match *self.mode.lock().unwrap() {
            Mode::Serve => self.memory.append(batch),
            Mode::Refuse => Box::pin(std::future::ready(Err(AppendError::Unreachable {
                reason: "it is being restarted".to_owned(),
                retry_after: Duration::from_millis(20),
            }))),
            Mode::Swallow => {
                let appended = self.memory.append(batch);
                Box::pin(async move {
                    let _ = appended.await;
                    std::future::pending().await
                })
            }
        }
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.memory.read(from, bytes_max)
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        self.memory.join(membership)
    }
}
