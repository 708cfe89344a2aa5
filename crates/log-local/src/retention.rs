//! Removing what is old: whole batches from the start of a partition, days of identities, and order rows nobody can replay.
//!
//! The low-water row moves in the same batch as the deletes and keeps the hash the first kept batch names, so the chain of what
//! is left can still be verified.

use std::time::Instant;

use riverrun_log::Retention;
use riverrun_store::Snapshot;

use crate::committer::{Committer, Cycle, PartitionState, Stop};
use crate::schema::KeyspaceId;
use crate::stored::batch::{self, BatchKey};
use crate::stored::{PartitionId, order, task};

/// Most rows removed in one cycle, so that nobody waits long behind it.
const DELETES_MAX: usize = 256;

impl Committer {
    /// Removes some of what is due. When there is more, the next cycle goes on.
    pub(crate) fn retire(&mut self, cycle: &mut Cycle) -> Result<(), Stop> {
        let mut left = DELETES_MAX;
        let ids: Vec<PartitionId> = self.partitions.keys().copied().collect();
        for id in ids {
            let Some(partition) = self.partitions.get_mut(&id) else { continue };
            let retention = partition.topic.retention();
            if left == 0 || retention == Retention::default() {
                continue;
            }
            let removed = retire_partition(partition, cycle, &self.log.keyspaces.records, retention, left)?;
            left -= removed;
            if removed > 0 {
                cycle.records_changed = true;
                self.log.metrics.retired_batches.inc_by(removed as u64);
                if !std::mem::replace(&mut partition.touched, true) {
                    cycle.touched.push(id);
                }
            }
        }
        left -= self.retire_orders(cycle, left)?;
        self.retire_days(cycle)?;
        let pause = if left == 0 { std::time::Duration::ZERO } else { self.options.retention_interval };
        self.retention_due = Instant::now() + pause;
        Ok(())
    }

    /// Order rows serve replays; without their inputs they serve nothing.
    fn retire_orders(&mut self, cycle: &mut Cycle, limit: usize) -> Result<usize, Stop> {
        let (state, meta) = (&self.log.keyspaces.state, &self.log.keyspaces.meta);
        let mut removed = 0;
        for (id, row) in &mut self.tasks {
            let before = row.first_order;
            while row.first_order < row.next_order && removed < limit {
                let key = order::encode_key(*id, row.first_order);
                let stored = cycle.snapshot.get(state, &key)?;
                let order = stored.map(|value| order::decode_value(&value)).transpose()?;
                let start = |input: &PartitionId| self.partitions.get(input).map_or(0, |partition| partition.row.start);
                if order.is_some_and(|order| order.ranges.iter().any(|(input, _, to)| *to > start(input))) {
                    break;
                }
                cycle.batch.delete(state, &key);
                row.first_order += 1;
                removed += 1;
            }
            if row.first_order != before {
                cycle.batch.put(meta, &task::encode_key(*id), &task::encode_value(*row));
                cycle.state_changed = true;
            }
        }
        Ok(removed)
    }

    /// First the row that names a day goes, durably, then the day: the other way round a crash would look like damage.
    fn retire_days(&mut self, cycle: &Cycle) -> Result<(), Stop> {
        let expired = self.deduplication.take_expired(cycle.accepted);
        if expired.is_empty() {
            return Ok(());
        }
        for (day, _) in &expired {
            self.row.keyspaces.remove(&KeyspaceId::Identities(*day));
        }
        let mut first = self.cycle();
        let row = crate::stored::commit::encode_value(&self.row);
        first.batch.put(&self.log.keyspaces.meta, &crate::stored::commit::encode_key(), &row);
        self.commit(&mut first)?;
        self.sync()?;
        for (_, keyspace) in expired {
            self.log.store.delete_keyspace(keyspace)?;
        }
        Ok(())
    }
}

/// Removes batches from the start of one partition while they are due; says how many.
fn retire_partition(
    partition: &mut PartitionState,
    cycle: &mut Cycle,
    records: &riverrun_store::Keyspace,
    retention: Retention,
    limit: usize,
) -> Result<usize, Stop> {
    let mut removed = 0;
    let row = &mut partition.row;
    while removed < limit && row.start < row.end {
        let key = batch::encode_key(BatchKey { partition: partition.id, base: row.start });
        let Some(value) = cycle.snapshot.get(records, &key)? else {
            return Err(Stop(format!(
                "the batch at {}/{}@{} is missing",
                partition.topic.name, partition.id.partition, row.start
            )));
        };
        let (header, body) = batch::decode_value(&key, &value)?;
        // The newest batch stays within a bound on size: a single large one must not vanish before anyone has read it.
        let is_newest = row.start + u64::from(header.count) >= row.end;
        let is_too_large = !is_newest && retention.partition_bytes.is_some_and(|max| row.bytes > max);
        let is_too_old = retention.age.is_some_and(|age| cycle.accepted.since(header.accepted) > age);
        if !is_too_large && !is_too_old {
            break;
        }
        cycle.batch.delete(records, &key);
        row.anchor = batch::next_previous(&key, &value, &header, body);
        row.start += u64::from(header.count);
        row.bytes = row.bytes.saturating_sub(value.len() as u64);
        removed += 1;
    }
    Ok(removed)
}

/// The first offset a partition keeps, as this snapshot has it.
pub(crate) fn start_in(
    snapshot: &Snapshot,
    meta: &riverrun_store::Keyspace,
    partition: PartitionId,
) -> Result<Option<u64>, Stop> {
    let value = snapshot.get(meta, &crate::stored::partition::encode_key(partition))?;
    Ok(value.map(|value| crate::stored::partition::decode_value(&value)).transpose()?.map(|row| row.start))
}
