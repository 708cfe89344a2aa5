//! The open log: the handle callers hold, and what all its threads share.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use riverrun_event::{Offset, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::{
    Answer, AppendBatch, AppendError, EnsureError, GroupName, Health, JoinError, Log, Logged, Member, Membership,
    Observe, Order, ReadError, TaskId, TopicDescription, TopicSpec, Topics,
};
use riverrun_store::{Keyspace, Store};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::check::Loss;
use crate::committer::queue::{Control, Queue};
use crate::compaction::Compactor;
use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::open::{self, OpenError};
use crate::options::Options;
use crate::tail::Tail;
use crate::visible::Visible;

/// The log in the embedded store. Dropping it closes it; members and state readers must go first for its files to close.
pub struct LocalLog {
    pub(crate) inner: Arc<Inner>,
    committer: Mutex<Option<JoinHandle<()>>>,
    compactor: Mutex<Option<Compactor>>,
    losses: Vec<Loss>,
}

/// The keyspaces that always exist.
#[derive(Debug)]
pub(crate) struct Keyspaces {
    pub(crate) meta: Keyspace,
    pub(crate) records: Keyspace,
    pub(crate) state: Keyspace,
    pub(crate) recent: Keyspace,
}

/// What all threads share.
pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) keyspaces: Keyspaces,
    pub(crate) directory: Directory,
    pub(crate) queue: Queue,
    pub(crate) door_permits: Arc<Semaphore>,
    pub(crate) task_permits: Arc<Semaphore>,
    /// As many as each semaphore has; a request that needs more takes them all.
    pub(crate) door_permit_bytes: u32,
    pub(crate) task_permit_bytes: u32,
    pub(crate) deduplicates: bool,
    pub(crate) metrics: Metrics,
    pub(crate) tail: Tail,
    pub(crate) visible: Visible,
    pub(crate) moved: watch::Sender<u64>,
    /// Why the log stopped, once it has.
    pub(crate) stopped: OnceLock<String>,
}

impl LocalLog {
    /// Opens the log in `path`, creating it where there is none, and checks it against its head.
    ///
    /// # Errors
    /// [`OpenError`] says what is wrong and where; nothing is changed then.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, OpenError> {
        let (clock, compaction_interval) = (options.clock.clone(), options.compaction_interval);
        let (committer, losses) = open::open(path.as_ref(), options)?;
        let inner = Arc::clone(&committer.log);
        let thread = std::thread::Builder::new().name("riverrun-commit".to_owned()).spawn(move || committer.run());
        let io = |error| OpenError::Io { path: path.as_ref().to_owned(), error };
        let thread = thread.map_err(io)?;
        let compactor = Compactor::start(&inner, clock, compaction_interval).map_err(io)?;
        Ok(Self { inner, committer: Mutex::new(Some(thread)), compactor: Mutex::new(Some(compactor)), losses })
    }

    /// What was gone when the log was opened with `accept_data_loss`; empty otherwise.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Handles of its metrics, for registering.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Commits what waits, writes the head and stops. Later writes fail, reads go on.
    pub fn close(&self) {
        drop(self.compactor.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.inner.queue.close("the log was closed");
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The committer catches its own panics; there is nothing to learn from joining.
            let _ = thread.join();
        }
    }
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        self.close();
    }
}

impl Topics for LocalLog {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        let (answer, answered) = oneshot::channel();
        let pushed = self.inner.queue.push_control(Control::Ensure { topics: topics.to_vec(), answer });
        Box::pin(async move {
            pushed.map_err(EnsureError::Failed)?;
            answered.await.unwrap_or_else(|_| Err(EnsureError::Failed(self.inner.why_stopped())))
        })
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        let known = self.inner.directory.topic(topic).ok_or_else(|| ReadError::UnknownTopic(topic.clone()))?;
        Ok(known.describe())
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        self.inner.offset_at(partition, time)
    }
}

impl Log for LocalLog {
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        Inner::append(&self.inner, &batch)
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        self.inner.read(from, bytes_max)
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        Ok(Box::new(Inner::join(&self.inner, &membership)?))
    }
}

impl Observe for LocalLog {
    fn moved(&self) -> watch::Receiver<u64> {
        self.inner.moved.subscribe()
    }

    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError> {
        self.inner.orders(group, task, from, limit)
    }

    fn health(&self) -> Health {
        match self.inner.stopped.get() {
            Some(reason) => Health::Stopped { reason: reason.clone() },
            None => Health::Serving,
        }
    }
}

impl Inner {
    /// For callers whose answer went missing.
    pub(crate) fn why_stopped(&self) -> String {
        self.stopped.get().cloned().unwrap_or_else(|| "the log was closed".to_owned())
    }
}
