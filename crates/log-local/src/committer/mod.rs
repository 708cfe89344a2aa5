//! The committer: the one thread that writes. Each cycle takes what waits, gives offsets, writes one batch, syncs once, and
//! answers all.
//!
//! Its own copies of rows (partitions, tasks, the commit row) change as it plans a cycle, before the sync: that is safe because a
//! cycle either becomes durable or the log stops for good. Nothing is ever rolled back, so nothing here tries to.

mod control;
mod cycle;
mod doors;
mod partition;
pub(crate) mod queue;
mod tasks;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_log::{AppendError, CommitError, EnsureError, JoinError};

pub(crate) use cycle::Cycle;
pub(crate) use partition::PartitionState;
use queue::{Control, Request, Taken};

use crate::deduplication::Deduplication;
use crate::head::{Head, HeadFiles, HeadPartition};
use crate::local::Inner;
use crate::options::Options;
use crate::stored::batch::ChainHash;
use crate::stored::commit::CommitRow;
use crate::stored::task::TaskRow;
use crate::stored::{GroupTask, PartitionId};

/// The head is at most this far behind: what it cannot prove after a crash is this much, and a sync every 100 ms costs about one
/// percent of the disk's time.
pub(crate) const HEAD_INTERVAL: Duration = Duration::from_millis(100);

/// How often the space on disk is measured; it walks every keyspace.
const DISK_INTERVAL: Duration = Duration::from_secs(5);

/// Why the log stopped for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop(pub(crate) String);

impl<E: std::error::Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Everything the writer knows.
pub(crate) struct Committer {
    pub(crate) log: Arc<Inner>,
    pub(crate) options: Options,
    pub(crate) row: CommitRow,
    pub(crate) partitions: HashMap<PartitionId, PartitionState>,
    pub(crate) tasks: HashMap<GroupTask, TaskRow>,
    pub(crate) deduplication: Deduplication,
    /// A day whose keyspace got identities that no commit has marked yet.
    pub(crate) moved_day: Option<u32>,
    pub(crate) head: HeadFiles,
    /// When the head must be written; `None` while it is as the log.
    pub(crate) head_due: Option<Instant>,
    pub(crate) retention_due: Instant,
    pub(crate) disk_due: Instant,
    /// Every batch is built in it.
    pub(crate) buffer: Vec<u8>,
}

impl Committer {
    /// Runs until the queue is closed and empty, or something fails.
    pub(crate) fn run(mut self) {
        loop {
            let taken = self.log.queue.take(self.deadline());
            let closing = taken.closing;
            let mut answers = None;
            let done = catch_unwind(AssertUnwindSafe(|| self.turn(taken, &mut answers)))
                .unwrap_or_else(|_| Err(Stop("the committer panicked; its message is on the error output".to_owned())));
            if let Err(stop) = done {
                return self.stop(&stop, answers);
            }
            if closing {
                return self.close();
            }
        }
    }

    fn deadline(&self) -> Instant {
        let due = self.retention_due.min(self.disk_due);
        self.head_due.map_or(due, |head| due.min(head))
    }

    /// One turn: rare requests, then one cycle of work, then upkeep. `answers` holds the cycle while it is not answered.
    fn turn(&mut self, taken: Taken, answers: &mut Option<Cycle>) -> Result<(), Stop> {
        let started = Instant::now();
        self.log.observe_queue();
        for control in taken.controls {
            self.control(control)?;
        }
        // Before the cycle takes its snapshot, which must show what is no longer in memory.
        self.move_identities(false)?;
        let retention = started >= self.retention_due;
        if !taken.requests.is_empty() || retention {
            let cycle = answers.insert(self.cycle());
            if retention {
                self.retire(cycle)?;
            }
            for request in taken.requests {
                match request {
                    Request::Door(request) => self.append(cycle, request)?,
                    Request::Task(request) => self.change(cycle, request),
                }
            }
            let number = self.commit(cycle)?;
            if let Some(cycle) = answers.take() {
                cycle.answer(Ok(number));
            }
            self.log.metrics.commit_seconds.observe(started.elapsed().as_secs_f64());
            #[expect(clippy::cast_precision_loss, reason = "a histogram does not need the last bit")]
            self.log.metrics.cycle_bytes.observe(taken.bytes as f64);
        }
        self.upkeep()
    }

    /// Takes note of identities that were moved to their day, and begins to move the next. One day at a time: what was moved is
    /// marked by the next commit.
    fn move_identities(&mut self, ending: bool) -> Result<(), Stop> {
        if self.moved_day.is_none() {
            self.moved_day = self.deduplication.moved(ending)?;
        }
        self.deduplication.recent.close_full(ending);
        if self.deduplication.recent.next_to_move().is_some() {
            // A day's keyspace must not know events that a power cut takes back.
            self.sync()?;
        }
        self.deduplication.begin_to_move(&self.log.store, self.row.number + 1)
    }

    /// A cycle that starts now. Accept times never go back, whatever the clock does.
    pub(crate) fn cycle(&self) -> Cycle {
        Cycle::new(&self.log.store, self.options.clock.now().max(self.row.accepted))
    }

    fn upkeep(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        if self.head_due.is_some_and(|due| now >= due) {
            self.write_head()?;
        }
        if now >= self.disk_due {
            self.disk_due = now + DISK_INTERVAL;
            if let Some(bytes) = self.log.store.disk_bytes() {
                self.log.metrics.disk_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
        }
        Ok(())
    }

    /// Writes what is durable by now, and makes it so where commits do not.
    pub(crate) fn write_head(&mut self) -> Result<(), Stop> {
        self.sync()?;
        let with_records = |state: &&PartitionState| state.row.end > 0 || state.row.last != ChainHash::BEGINNING;
        let partitions = self.partitions.values().filter(with_records);
        let partitions =
            partitions.map(|state| HeadPartition { id: state.id, end: state.row.end, last: state.row.last });
        let head = Head { commit: self.row.number, partitions: partitions.collect() };
        self.head.write(&head).map_err(|error| Stop(format!("the head cannot be written: {error}")))?;
        self.head_due = None;
        Ok(())
    }

    /// A clean end: the head says everything, and the next opening has little to read back.
    fn close(mut self) {
        if let Err(stop) = self.settle().and_then(|()| self.write_head()) {
            self.stop(&stop, None);
        }
    }

    /// Moves all identities to their days, and all rows out of the journal.
    fn settle(&mut self) -> Result<(), Stop> {
        self.move_identities(true)?;
        loop {
            self.move_identities(true)?;
            if self.moved_day.is_none() && !self.deduplication.recent.has_obsolete() {
                break;
            }
            let mut cycle = self.cycle();
            self.commit(&mut cycle)?;
        }
        let keyspaces = &self.log.keyspaces;
        let all = [&keyspaces.meta, &keyspaces.records, &keyspaces.state, &keyspaces.recent];
        Ok(self.log.store.flush(all.into_iter().chain(self.deduplication.keyspaces()))?)
    }

    /// Fail-stop: durability is in doubt, so nothing is acknowledged any more. Readers go on.
    fn stop(self, stop: &Stop, answers: Option<Cycle>) {
        let reason = stop.0.as_str();
        tracing::error!(reason, "the log stopped: nothing more is acknowledged; restart the process");
        let _ = self.log.stopped.set(reason.to_owned());
        self.log.queue.close(reason);
        if let Some(cycle) = answers {
            cycle.answer(Err(reason));
        }
        refuse(self.log.queue.drain(), reason);
    }
}

/// Answers what still waits.
fn refuse(taken: Taken, reason: &str) {
    let reason = || reason.to_owned();
    for request in taken.requests {
        match request {
            Request::Door(request) => drop(request.answer.send(Err(AppendError::Failed(reason())))),
            Request::Task(request) => drop(request.answer.send(Err(CommitError::Failed(reason())))),
        }
    }
    for control in taken.controls {
        match control {
            Control::Ensure { answer, .. } => drop(answer.send(Err(EnsureError::Failed(reason())))),
            Control::Join { answer, .. } => drop(answer.send(Err(JoinError::Failed(reason())))),
            Control::Operators { answer, .. } => drop(answer.send(Err(CommitError::Failed(reason())))),
            // Its thread sees that nobody answers.
            Control::Rewrite(_) => {}
        }
    }
}
