//! The log in memory: what the test driver and simulations run on.
//!
//! It keeps every promise of [`crate::contract`] except durability: what is answered is in memory, and stays for as long as
//! a handle does, so that members can be dropped and join again as if after a crash. One lock guards all of it, so every
//! change is atomic. Given the same calls, clock and [`Faults`] it gives the same answers, byte for byte.
//!
//! It does not: apply retention (it hides what compaction takes, and keeps it in memory), forget identities (its deduplication window has no end), bound its memory.

mod append;
mod commit;
mod data;
mod faults;
mod group;
mod member;
mod state;

use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use riverrun_event::{Offset, Position, Record, Time, TopicName, TopicPartition};
use tokio::sync::watch;

use self::data::Data;
pub use self::faults::Faults;
use crate::append::{AppendBatch, AppendError, Logged};
use crate::commit::{GroupName, Order, TaskId};
use crate::contract::{Answer, Health, JoinError, Log, Member, Membership, Observe, ReadError, Topics};
use crate::topic::{EnsureError, TopicDescription, TopicSpec};

/// A log in memory. Clones are handles to the same log.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

/// What handles, members and state readers share.
struct Shared {
    data: Mutex<Data>,
    moved: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Data> {
        // No code panics while it holds the lock, so what a poisoned lock guards is whole.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait for records; called after the lock was given back.
    fn announce(&self) {
        self.moved.send_modify(|count| *count = count.wrapping_add(1));
    }
}

impl MemoryLog {
    /// An empty log that accepts by the wall clock and has no faults.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Time::now)
    }

    /// An empty log whose accept times come from `clock`, asked once for each append and commit. A clock that goes
    /// backwards is held at the latest time it gave.
    #[must_use]
    pub fn with_clock(clock: impl FnMut() -> Time + Send + 'static) -> Self {
        let data = Mutex::new(Data::new(Box::new(clock)));
        Self { shared: Arc::new(Shared { data, moved: watch::Sender::new(0) }) }
    }

    /// An empty log that accepts the first append or commit at `start` and each later one a `step` after the one before.
    #[must_use]
    pub fn stepping(start: Time, step: Duration) -> Self {
        let mut next = start;
        Self::with_clock(move || {
            let now = next;
            next = now.plus(step);
            now
        })
    }

    /// The same log, from now on with these faults; the seed starts anew. [`Faults::default`] ends all of them.
    #[must_use]
    pub fn with_faults(self, faults: Faults) -> Self {
        self.shared.lock().faults.declare(faults);
        self
    }

    /// Stops the log for good, as a failed write would: it refuses writes and members from now on, and says why.
    pub fn stop(&self, reason: &str) {
        self.shared.lock().stopped = Some(reason.to_owned());
    }
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryLog").finish_non_exhaustive()
    }
}

impl Topics for MemoryLog {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        Box::pin(ready(self.shared.lock().ensure(topics)))
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        self.shared.lock().describe(topic)
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        Ok(self.shared.lock().partition(partition)?.offset_at(time))
    }
}

impl Log for MemoryLog {
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        let answer = self.shared.lock().append(batch);
        if answer.as_ref().is_ok_and(|logged| logged.iter().any(|logged| !logged.is_duplicate())) {
            self.shared.announce();
        }
        Box::pin(ready(answer))
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        Ok(self.shared.lock().partition(&from.topic_partition())?.read(from.offset, bytes_max))
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        member::join(&self.shared, membership)
    }
}

impl Observe for MemoryLog {
    fn moved(&self) -> watch::Receiver<u64> {
        self.shared.moved.subscribe()
    }

    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError> {
        Ok(self.shared.lock().orders(group, task, from, limit))
    }

    fn health(&self) -> Health {
        match &self.shared.lock().stopped {
            Some(reason) => Health::Stopped { reason: reason.clone() },
            None => Health::Serving,
        }
    }
}
