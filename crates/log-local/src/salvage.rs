//! Going on after a loss that was accepted: what is left is made consistent, and what is gone is named.
//!
//! Offsets are never given out twice, also not those of lost records: a hole in a partition is filled with a batch that says so
//! (`Codec::Lost`), readers step over it, and the chain goes on behind it. Identities of lost records are forgotten, so that
//! their senders can send them again.

use std::collections::{BTreeMap, HashMap};

use riverrun_store::{Batch, Durability, Keyspace};

use crate::check::Loss;
use crate::committer::Stop;
use crate::head::{Head, HeadPartition};
use crate::load::{self, Loaded};
use crate::open;
use crate::schema::{KeyspaceId, StoredRow};
use crate::stored::batch::{self, BatchKey, ChainHash, Codec, Header};
use crate::stored::partition::PartitionRow;
use crate::stored::{PartitionId, commit, identity, marker, partition, recent, state};

/// Makes the log consistent in one commit and lists what is gone.
pub(crate) fn salvage(
    mut loaded: Loaded,
    head: Option<&Head>,
    mut losses: Vec<Loss>,
) -> Result<(Loaded, Vec<Loss>), Stop> {
    let number = head.map_or(0, |head| head.commit).max(loaded.row.as_ref().map_or(0, |row| row.number)) + 1;
    if loaded.row.is_none() {
        // Without meta nobody knows which topic a record is of; what is left cannot be told apart.
        for keyspace in std::mem::take(&mut loaded.keyspaces).into_values() {
            loaded.store.delete_keyspace(keyspace)?;
        }
        losses.push(gone("the log", "topics, records, state and positions".to_owned()));
        return Ok((open::create(loaded, number)?, losses));
    }
    let mut batch = loaded.store.batch();
    loaded.restore_keyspaces(number)?;
    let orphans = loaded.salvage_records(&mut batch, head, &mut losses)?;
    loaded.forget_identities(&mut batch)?;
    loaded.never_reuse_numbers(head, orphans)?;
    loaded.put_markers(&mut batch, number);
    batch.commit(Durability::Synced)?;
    loaded.snapshot = loaded.store.snapshot();
    Ok((loaded, losses))
}

fn gone(place: &str, expected: String) -> Loss {
    Loss { place: place.to_owned(), expected, found: "nothing".to_owned() }
}

/// What was found of one partition.
#[derive(Default)]
struct Found {
    /// Base, header, hash the next batch must name, and stored bytes of each readable batch, in order.
    batches: Vec<(u64, Header, ChainHash, u64)>,
}

impl Loaded {
    /// Fixed keyspaces come back empty; days that are gone are forgotten.
    fn restore_keyspaces(&mut self, number: u64) -> Result<(), Stop> {
        for id in KeyspaceId::FIXED {
            if !self.keyspaces.contains_key(&id) {
                self.keyspaces.insert(id, self.store.keyspace(&id.name(number), load::shape(id))?);
            }
        }
        if let Some(row) = &mut self.row {
            row.keyspaces.retain(|id, _| self.keyspaces.contains_key(id));
        }
        Ok(())
    }

    /// Reads every batch, drops what cannot be read or belongs nowhere, and fills the holes. Returns the highest topic number seen.
    fn salvage_records(&mut self, batch: &mut Batch, head: Option<&Head>, losses: &mut Vec<Loss>) -> Result<u32, Stop> {
        let records = self.fixed(KeyspaceId::Records)?;
        let meta = self.fixed(KeyspaceId::Meta)?;
        let mut highest_topic = 0;
        let mut found: BTreeMap<PartitionId, Found> = BTreeMap::new();
        for row in self.snapshot.scan::<&[u8]>(&records, ..) {
            let row = row?;
            let Ok(key) = batch::decode_key(&row.key) else { continue };
            highest_topic = highest_topic.max(key.partition.topic.0);
            let known =
                self.topics.get(&key.partition.topic).is_some_and(|spec| key.partition.partition < spec.partitions);
            match batch::decode_value(&row.key, &row.value) {
                Ok((header, body)) if known => {
                    let next = batch::next_previous(&row.key, &row.value, &header, body);
                    let bytes = row.value.len() as u64;
                    found.entry(key.partition).or_default().batches.push((key.base, header, next, bytes));
                }
                _ => batch.delete(&records, &row.key),
            }
        }
        let heads: HashMap<PartitionId, &HeadPartition> =
            head.iter().flat_map(|head| &head.partitions).map(|partition| (partition.id, partition)).collect();
        let all: Vec<PartitionId> = self
            .topics
            .iter()
            .flat_map(|(topic, spec)| (0..spec.partitions).map(|partition| PartitionId { topic: *topic, partition }))
            .collect();
        for id in all {
            let row = self.partitions.get(&id).cloned().unwrap_or(PartitionRow::EMPTY);
            let found = found.remove(&id).unwrap_or_default();
            let mut holes = Holes { batch: &mut *batch, records: &records, id, lost: Vec::new() };
            let row = holes.mend(&row, found, heads.get(&id).copied());
            let place = self.name_of(id);
            losses.extend(
                holes
                    .lost
                    .iter()
                    .map(|(from, to)| gone(&place, format!("the records at offsets {from} to {}", to - 1))),
            );
            batch.put(&meta, &partition::encode_key(id), &partition::encode_value(&row));
            self.partitions.insert(id, row);
        }
        Ok(highest_topic)
    }

    /// A sender of a lost event must not be told that it is there.
    fn forget_identities(&self, batch: &mut Batch) -> Result<(), Stop> {
        let records = self.fixed(KeyspaceId::Records)?;
        for (id, keyspace) in &self.keyspaces {
            if !matches!(id, KeyspaceId::Identities(_)) {
                continue;
            }
            for row in self.snapshot.scan::<&[u8]>(keyspace, ..) {
                let row = row?;
                let Ok(seen) = identity::decode_value(&row.value) else { continue };
                if !self.holds(&records, seen.partition, seen.offset)? {
                    batch.delete(keyspace, &row.key);
                }
            }
        }
        self.forget_recent(batch, &records)
    }

    fn forget_recent(&self, batch: &mut Batch, records: &Keyspace) -> Result<(), Stop> {
        let keyspace = self.fixed(KeyspaceId::Recent)?;
        for row in self.snapshot.scan::<&[u8]>(&keyspace, ..) {
            let row = row?;
            if marker::decode_key(&row.key).is_ok() {
                continue;
            }
            let mut kept = Vec::with_capacity(row.value.len());
            for (identity, seen) in recent::decode_value(&row.value).unwrap_or_default() {
                if self.holds(records, seen.partition, seen.offset)? {
                    recent::encode_entry(&mut kept, identity, &seen);
                }
            }
            if kept[..] != row.value[..] {
                batch.put(&keyspace, &row.key, &kept);
            }
        }
        Ok(())
    }

    /// Whether a record was there when the log was opened, or had been removed by retention.
    fn holds(&self, records: &Keyspace, id: PartitionId, offset: u64) -> Result<bool, Stop> {
        if self.partitions.get(&id).is_some_and(|row| offset < row.start) {
            return Ok(true);
        }
        let first = batch::encode_key(BatchKey { partition: id, base: 0 });
        let last = batch::encode_key(BatchKey { partition: id, base: offset });
        let Some(row) = self.snapshot.scan(records, &first[..]..=&last[..]).next_back().transpose()? else {
            return Ok(false);
        };
        let Ok(key) = batch::decode_key(&row.key) else { return Ok(false) };
        let header = batch::decode_value(&row.key, &row.value).map(|(header, _)| header);
        Ok(header.is_ok_and(|header| header.codec != Codec::Lost && key.base + u64::from(header.count) > offset))
    }

    /// Numbers that only what was lost knew of must not be given out again.
    fn never_reuse_numbers(&mut self, head: Option<&Head>, highest_topic: u32) -> Result<(), Stop> {
        let state = self.fixed(KeyspaceId::State)?;
        let (mut group, mut operator) = (0, 0);
        let mut rows = self.snapshot.scan::<&[u8]>(&state, ..);
        while let Some(key) = rows.next_key() {
            let key = key?;
            if key.first().copied() == StoredRow::State.tag() {
                let (task, id, _) = state::decode_key(&key)?;
                group = group.max(task.group.0);
                operator = operator.max(id.0);
            }
        }
        let in_head = head.iter().flat_map(|head| &head.partitions).map(|partition| partition.id.topic.0).max();
        if let Some(row) = &mut self.row {
            row.next_topic = row.next_topic.max(highest_topic + 1).max(in_head.unwrap_or(0) + 1);
            row.next_group = row.next_group.max(group + 1);
            row.next_operator = row.next_operator.max(operator + 1);
        }
        Ok(())
    }

    fn put_markers(&mut self, batch: &mut Batch, number: u64) {
        let Some(row) = &mut self.row else { return };
        row.number = number;
        for (id, keyspace) in &self.keyspaces {
            if KeyspaceId::FIXED.contains(id) || row.keyspaces.contains_key(id) {
                row.keyspaces.insert(*id, number);
                batch.put(keyspace, &marker::encode_key(), &marker::encode_value(number));
            }
        }
        if let Some(meta) = self.keyspaces.get(&KeyspaceId::Meta) {
            batch.put(meta, &commit::encode_key(), &commit::encode_value(row));
        }
    }
}

/// Fills the holes of one partition.
struct Holes<'a> {
    batch: &'a mut Batch,
    records: &'a Keyspace,
    id: PartitionId,
    /// First offset and the one after the last, per hole.
    lost: Vec<(u64, u64)>,
}

impl Holes<'_> {
    /// The partition's row once its chain is closed from its first batch to the furthest end anything knows of.
    fn mend(&mut self, row: &PartitionRow, found: Found, head: Option<&HeadPartition>) -> PartitionRow {
        let mut mended = PartitionRow { bytes: 0, end: row.start, last: row.anchor, ..row.clone() };
        for (base, header, hash, bytes) in found.batches {
            if base < mended.end {
                // It lies over another one, or before the start: a leftover of what retention was removing.
                self.batch.delete(self.records, &batch::encode_key(BatchKey { partition: self.id, base }));
                continue;
            }
            self.fill(&mut mended, base, header.previous);
            mended.end = base + u64::from(header.count);
            mended.last = hash;
            mended.accepted = mended.accepted.max(header.accepted);
            mended.bytes += bytes;
        }
        let head_end = head.map_or(0, |head| head.end);
        let resume = if head_end >= row.end { head.map_or(row.last, |head| head.last) } else { row.last };
        self.fill(&mut mended, row.end.max(head_end), resume);
        mended
    }

    /// Puts batches that stand for lost records from the end up to `to`; the next one names `resume`.
    fn fill(&mut self, row: &mut PartitionRow, to: u64, resume: ChainHash) {
        if row.end >= to {
            return;
        }
        self.lost.push((row.end, to));
        let mut buffer = Vec::new();
        while row.end < to {
            let count = u32::try_from(to - row.end).unwrap_or(u32::MAX);
            let (accepted, previous) = (row.accepted, row.last);
            let header = Header { codec: Codec::Lost, count, accepted, compacted: false, previous, raw_bytes: 0 };
            let key = batch::encode_key(BatchKey { partition: self.id, base: row.end });
            batch::encode_value(&mut buffer, &key, &header, &resume.0);
            self.batch.put(self.records, &key, &buffer);
            row.end += u64::from(count);
            row.last = resume;
            row.bytes += buffer.len() as u64;
        }
    }
}
