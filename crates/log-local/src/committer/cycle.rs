//! One cycle of the committer: what it gathers, and the one place where it becomes durable.

use std::time::{Duration, Instant};

use riverrun_event::Time;
use riverrun_log::{AppendError, CommitError, Committed, Logged};
use riverrun_store::{Batch, Durability, Snapshot, Store};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::partition::Writer;
use super::{Committer, Stop};
use crate::options::Syncing;
use crate::sabotage;
use crate::schema::KeyspaceId;
use crate::stored::{PartitionId, commit, marker};
use crate::tail::TailBatch;

/// How long a sabotaged build waits between what must happen together: a crash falls into it sooner or later.
const SABOTAGE_WINDOW: Duration = Duration::from_millis(20);

/// What a cycle has gathered so far.
pub(crate) struct Cycle {
    pub(crate) batch: Batch,
    /// Everything as it stood before the cycle.
    pub(crate) snapshot: Snapshot,
    /// The accept time of all its records.
    pub(crate) accepted: Time,
    /// Partitions that changed.
    pub(crate) touched: Vec<PartitionId>,
    /// Whether rows of the state keyspace changed.
    pub(crate) state_changed: bool,
    /// Whether rows of the records keyspace changed.
    pub(crate) records_changed: bool,
    /// Identities of this cycle, as their row holds them.
    pub(crate) identities: Vec<u8>,
    /// Positions of tasks, put last.
    pub(crate) positions: Vec<(Vec<u8>, [u8; 8])>,
    pub(crate) answers: Vec<Answer>,
    /// Batches cut in it.
    pub(crate) cut: Vec<TailBatch>,
    pub(crate) stored_bytes: u64,
    pub(crate) records: u64,
}

/// An answer that waits for the sync.
pub(crate) enum Answer {
    Door(oneshot::Sender<Result<Vec<Logged>, AppendError>>, Result<Vec<Logged>, AppendError>, OwnedSemaphorePermit),
    /// `Ok` gets the cycle's number.
    Task(oneshot::Sender<Result<Committed, CommitError>>, Result<(), CommitError>, OwnedSemaphorePermit),
}

impl Cycle {
    pub(crate) fn new(store: &Store, accepted: Time) -> Self {
        Self {
            batch: store.batch(),
            snapshot: store.snapshot(),
            accepted,
            touched: Vec::new(),
            state_changed: false,
            records_changed: false,
            identities: Vec::new(),
            positions: Vec::new(),
            answers: Vec::new(),
            cut: Vec::new(),
            stored_bytes: 0,
            records: 0,
        }
    }

    /// Answers everything: as decided, or with the reason why nothing is certain any more.
    pub(crate) fn answer(self, outcome: Result<u64, &str>) {
        for answer in self.answers {
            // A receiver that is gone does not want to know.
            match answer {
                Answer::Door(sender, decided, permit) => {
                    drop(permit);
                    let _ =
                        sender.send(outcome.map_or_else(|why| Err(AppendError::Failed(why.to_owned())), |_| decided));
                }
                Answer::Task(sender, decided, permit) => {
                    drop(permit);
                    let _ = sender.send(match outcome {
                        Ok(number) => decided.map(|()| Committed { number }),
                        Err(why) => Err(CommitError::Failed(why.to_owned())),
                    });
                }
            }
        }
    }
}

impl Committer {
    /// Makes the cycle durable and visible, in this order: records cut and rows put, the whole batch written and synced,
    /// bounds published. Nothing is answered before it returns. Returns the number of the log's last commit.
    pub(crate) fn commit(&mut self, cycle: &mut Cycle) -> Result<u64, Stop> {
        self.cut(cycle);
        let recent_changed = self.put_recent(cycle);
        if cycle.batch.is_empty() && cycle.positions.is_empty() && self.moved_day.is_none() {
            return Ok(self.row.number);
        }
        self.put_positions(cycle)?;
        self.put_markers(cycle, recent_changed);

        // Nobody reads beyond the bounds that are published, and a commit that fails is the last.
        self.log.tail.add(cycle.cut.drain(..));
        let batch = std::mem::replace(&mut cycle.batch, self.log.store.batch());
        if sabotage::acknowledge_before_append() {
            std::thread::sleep(SABOTAGE_WINDOW);
        }
        let started = Instant::now();
        batch.commit(self.durability()).map_err(Stop::from)?;
        self.log.metrics.sync_seconds.observe(started.elapsed().as_secs_f64());

        self.publish(cycle);
        Ok(self.row.number)
    }

    fn cut(&mut self, cycle: &mut Cycle) {
        for id in &cycle.touched {
            let Some(partition) = self.partitions.get_mut(id) else { continue };
            partition.cut_loose(&mut Writer {
                batch: &mut cycle.batch,
                records: &self.log.keyspaces.records,
                buffer: &mut self.buffer,
                accepted: cycle.accepted,
                compression: self.options.compression,
                stored_bytes: &mut cycle.stored_bytes,
                cut: &mut cycle.cut,
            });
            partition.put_row(&mut cycle.batch, &self.log.keyspaces.meta);
        }
    }

    fn put_positions(&self, cycle: &mut Cycle) -> Result<(), Stop> {
        let meta = &self.log.keyspaces.meta;
        if sabotage::positions_first() && !cycle.positions.is_empty() {
            let mut early = self.log.store.batch();
            for (key, value) in cycle.positions.drain(..) {
                early.put(meta, &key, &value);
            }
            early.commit(self.durability()).map_err(Stop::from)?;
            std::thread::sleep(SABOTAGE_WINDOW);
        }
        for (key, value) in cycle.positions.drain(..) {
            cycle.batch.put(meta, &key, &value);
        }
        Ok(())
    }

    /// Puts the identities of the cycle and deletes some that were moved; says whether there were any.
    fn put_recent(&mut self, cycle: &mut Cycle) -> bool {
        let (recent, keyspace) = (&mut self.deduplication.recent, &self.log.keyspaces.recent);
        let mut changed = recent.delete_obsolete(&mut cycle.batch, keyspace);
        if !cycle.identities.is_empty() && !sabotage::deduplication_in_memory_only() {
            recent.put(&mut cycle.batch, keyspace, self.row.number + 1, &cycle.identities);
            changed = true;
        }
        changed
    }

    /// Every keyspace the cycle writes to learns the commit's number, and the commit row learns which ones those are.
    fn put_markers(&mut self, cycle: &mut Cycle, recent_changed: bool) {
        self.row.number += 1;
        self.row.accepted = cycle.accepted;
        let keyspaces = &self.log.keyspaces;
        let mut mark = |id: KeyspaceId, keyspace| {
            cycle.batch.put(keyspace, &marker::encode_key(), &marker::encode_value(self.row.number));
            self.row.keyspaces.insert(id, self.row.number);
        };
        mark(KeyspaceId::Meta, &keyspaces.meta);
        if cycle.records_changed {
            mark(KeyspaceId::Records, &keyspaces.records);
        }
        if cycle.state_changed {
            mark(KeyspaceId::State, &keyspaces.state);
        }
        if recent_changed {
            mark(KeyspaceId::Recent, &keyspaces.recent);
        }
        // Identities moved past the journal; from this commit on their keyspace must be there.
        let moved = self.moved_day.take();
        if let Some((day, keyspace)) = moved.and_then(|day| Some((day, self.deduplication.keyspace(day)?))) {
            mark(KeyspaceId::Identities(day), keyspace);
        }
        cycle.batch.put(&keyspaces.meta, &commit::encode_key(), &commit::encode_value(&self.row));
    }

    /// Only now, after the sync, does anyone see the new ends.
    fn publish(&mut self, cycle: &Cycle) {
        let (partitions, snapshot) = (&mut self.partitions, self.log.store.snapshot());
        self.log.visible.publish(snapshot, || {
            for id in &cycle.touched {
                let Some(partition) = partitions.get_mut(id) else { continue };
                partition.touched = false;
                if let Some(bounds) = partition.topic.bounds(id.partition) {
                    bounds.publish(partition.row.start, partition.row.end);
                }
            }
        });
        self.log.metrics.records.inc_by(cycle.records);
        self.log.metrics.stored_bytes.inc_by(cycle.stored_bytes);
        if cycle.records > 0 {
            self.log.moved.send_replace(self.row.number);
        }
        let interval = match self.options.sync {
            Syncing::EachCommit => super::HEAD_INTERVAL,
            // The head is never ahead of a sync, so it is written with each.
            Syncing::Every(interval) => interval,
        };
        self.head_due.get_or_insert_with(|| Instant::now() + interval);
    }

    fn durability(&self) -> Durability {
        match self.options.sync {
            Syncing::EachCommit if !sabotage::no_sync() => Durability::Synced,
            _ => Durability::Buffered,
        }
    }

    /// Syncs what was written, where that is not done by each commit: before anything outside the journal relies on it.
    pub(crate) fn sync(&self) -> Result<(), Stop> {
        match self.options.sync {
            Syncing::EachCommit => Ok(()),
            Syncing::Every(_) => Ok(self.log.store.sync()?),
        }
    }
}
