//! What every log offers. The comments are the contract; the suite in `conformance` checks them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Position, Record, Time, TopicName, TopicPartition};
use tokio::sync::{oneshot, watch};

use crate::append::{AppendBatch, AppendError, Logged};
use crate::commit::{Commit, CommitError, CommitInterval, Committed, Epoch, GroupName, Order, TaskId};
use crate::topic::{EnsureError, TopicDescription, TopicSpec};

/// A boxed future: one allocation per batch or commit, next to at least one disk or network write.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Topics and their bounds.
pub trait Topics: Send + Sync {
    /// Creates the topics that are missing and takes over changed retention, durably, all or none.
    /// Naming an existing topic again changes nothing. Partition counts never change.
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>>;

    /// The topic as it stands: its bounds cover durable records only.
    ///
    /// # Errors
    /// [`ReadError::UnknownTopic`] when it does not exist.
    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError>;

    /// The durable ends of the topic's partitions, as in its description; asked for far more often than that.
    ///
    /// # Errors
    /// [`ReadError::UnknownTopic`] when it does not exist.
    fn ends(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        Ok(self.describe(topic)?.offsets.iter().map(|offsets| offsets.end).collect())
    }

    /// The ends with what is written and may not be durable yet: whatever came of a commit that [`Observe::committed`] shows lies before
    /// them, though another process may have made it a moment ago.
    ///
    /// # Errors
    /// [`ReadError::UnknownTopic`] when it does not exist.
    fn ends_written(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        self.ends(topic)
    }

    /// The offset of the first kept record accepted at `time` or later; the end when there is none.
    ///
    /// # Errors
    /// [`ReadError`] when the partition does not exist or cannot be read.
    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError>;
}

/// The log itself.
pub trait Log: Topics + Observe {
    /// Stores a door's records, whole or not at all, and answers one [`Logged`] per record, in order, once they are durable.
    ///
    /// Where the log deduplicates, a record whose (topic, source, id) it has seen within its window is not stored again: the
    /// answer is the first one's position. This holds within the batch too. Other content under a seen identity rejects the batch.
    /// Calls made one after the other keep their order within each partition.
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>>;

    /// Records from `from` on, in order, up to the durable end: at least one where there is one, and no more after
    /// `bytes_max` bytes. Empty at or beyond the end. Offsets may have gaps. Blocks for the disk or the network; async callers
    /// use a blocking thread.
    ///
    /// # Errors
    /// [`ReadError::BelowStart`] when `from` was removed by retention; [`ReadError::Damaged`] names the place.
    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError>;

    /// Says that nobody will read a partition before this position any more. A log may delete what is there, sooner or later.
    fn release(&self, _before: &Position) {}

    /// Joins a group as one of its members. Between them the members own each task at most once.
    /// A member that joins with the same seat as another fences the other.
    ///
    /// # Errors
    /// [`JoinError`] when the log cannot take members.
    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError>;

    /// How often workers are to commit.
    fn commit_interval(&self) -> CommitInterval {
        CommitInterval::AT_ONCE
    }
}

/// What can be seen of a log from outside.
pub trait Observe: Send + Sync {
    /// Changes its value whenever the durable end of some partition has moved.
    fn moved(&self) -> watch::Receiver<u64>;

    /// The order records of a task, oldest first, from the one numbered `from` on (its first has number 0), at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError>;

    /// The committed state of a task that another process may own, kept up to date from now on. `None` where the process that has
    /// the log owns all tasks, so that there is nothing to follow.
    fn follow(&self, _group: &GroupName, _task: TaskId) -> Option<Result<Followed, ReadError>> {
        None
    }

    /// How far a group has committed partitions, whoever owns their tasks; without those it has committed nothing of. `None` where
    /// the process that has the log owns all tasks.
    fn committed(
        &self,
        _group: &GroupName,
        _inputs: &[TopicPartition],
    ) -> Option<Result<BTreeMap<TopicPartition, Offset>, ReadError>> {
        None
    }

    /// Who has which of these tasks of a group, as far as this process was told as a member of it; a task between two owners is left
    /// out. `None` where the process that has the log owns all tasks.
    fn owners(&self, _group: &GroupName, _tasks: &[TaskId]) -> Option<BTreeMap<TaskId, TaskOwner>> {
        None
    }

    /// Whether the log still takes writes, and if not, why.
    fn health(&self) -> Health;
}

/// Who has a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOwner {
    /// A member of this process, and nobody else can have it yet.
    Here,
    /// Another instance, unless it has lost the task a moment ago.
    Elsewhere {
        /// Its name.
        instance: String,
        /// Where it is reached, if it says so.
        address: Option<String>,
    },
}

/// The state of a task as its owner has committed it, a moment later.
pub struct Followed {
    /// The state.
    pub state: Arc<dyn StateRead>,
    /// How far the task has read its inputs, as of this state. The state may be ahead of it by a part of a commit; it is never behind.
    pub positions: watch::Receiver<BTreeMap<TopicPartition, Offset>>,
}

/// Whether a log can be trusted with writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It takes writes.
    Serving,
    /// It cannot be reached; it is tried again, and nothing has to be done in this process.
    Unreachable {
        /// Why.
        reason: String,
    },
    /// It stopped for good because durability is in doubt; restart the process.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// How a member joins.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The group.
    pub group: GroupName,
    /// All tasks of the group with their inputs, the same for every member.
    pub tasks: Vec<TaskInputs>,
    /// Which of the `seats` this member takes, from 0.
    pub seat: u32,
    /// How many members the group has on this machine.
    pub seats: u32,
    /// Whether the member takes the seat from whoever has it, in any process: for work that only one may do, wherever it is asked for.
    /// Otherwise members of other processes share the tasks with it.
    pub takes_over: bool,
}

/// A task and the partitions it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInputs {
    /// The task.
    pub task: TaskId,
    /// Its input partitions.
    pub inputs: Vec<TopicPartition>,
}

/// One member of a group. Dropping it leaves the group.
pub trait Member: Send {
    /// The next change of what this member owns; pends while nothing changes. Safe to drop and call again.
    fn next(&mut self) -> Answer<'_, Assignment>;

    /// Changes everything in `commit` at once and answers when it is durable, or changes nothing. It holds only tasks of this
    /// member, at the epochs they were assigned with.
    fn commit(&self, commit: Commit) -> Answer<'static, Result<Committed, CommitError>>;
}

/// A change of what a member owns.
pub enum Assignment {
    /// The member owns this task from now on.
    Assigned(Assigned),
    /// The member must finish or drop its work on these tasks and acknowledge.
    Revoke(Revoke),
}

/// A task as its new owner gets it.
pub struct Assigned {
    /// The task.
    pub task: TaskId,
    /// Goes into every commit of the task.
    pub epoch: Epoch,
    /// Per input partition, the next offset to read as committed; the partition's start where nothing was.
    pub positions: BTreeMap<TopicPartition, Offset>,
    /// The task's committed state. May be cloned and read from other threads; it always shows the last commit.
    pub state: Arc<dyn StateRead>,
}

/// Tasks that are taken away.
pub struct Revoke {
    /// The tasks.
    pub tasks: Vec<TaskId>,
    /// Send or drop when the member will commit nothing more for them.
    pub acknowledge: oneshot::Sender<()>,
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// The committed state of one task.
pub trait StateRead: Send + Sync {
    /// One row.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    fn get(&self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError>;

    /// Rows with `from <= key < to`, at most `limit`, in the direction's order.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    fn scan(
        &self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StateError>;
}

/// The state of a task cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the state cannot be read: {0}")]
pub struct StateError(pub String);

/// Why a read failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No such topic.
    #[error("topic {0} does not exist")]
    UnknownTopic(TopicName),
    /// No such partition.
    #[error("{0} does not exist")]
    UnknownPartition(TopicPartition),
    /// Retention has removed the position.
    #[error("{asked} was removed by retention; the first record kept is {start}")]
    BelowStart {
        /// What was asked for.
        asked: Position,
        /// The first position kept.
        start: Position,
    },
    /// The stored bytes are not what was written.
    #[error("the log is damaged at {position}: {detail}")]
    Damaged {
        /// Where.
        position: Position,
        /// What is wrong.
        detail: String,
    },
    /// The log failed; the reason is the log's own.
    #[error("the log failed: {0}")]
    Failed(String),
}

/// Why a member could not join.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// An input of the group does not exist.
    #[error("{0} does not exist")]
    UnknownPartition(TopicPartition),
    /// The log failed; the reason is the log's own.
    #[error("the log failed: {0}")]
    Failed(String),
}
