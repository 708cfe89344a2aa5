//! Doors' batches: whole or not at all, each identity once.

use riverrun_log::identity::day_of;
use riverrun_log::{AppendError, Content, Identity, Logged};

use super::cycle::{Answer, Cycle};
use super::partition::Writer;
use super::queue::DoorRequest;
use super::{Committer, Stop};
use crate::options::Compression;
use crate::prepare::{Part, Prepared};
use crate::sabotage;
use crate::stored::identity::Seen;
use crate::stored::recent;

/// What is to become of one record.
enum Outcome {
    /// It gets this offset of its partition.
    New(u64),
    /// It is here already.
    Seen(Seen),
}

impl Committer {
    pub(crate) fn append(&mut self, cycle: &mut Cycle, request: DoorRequest) -> Result<(), Stop> {
        let DoorRequest { prepared, identities, answer, permit, .. } = request;
        if !identities.is_empty() {
            self.deduplication.recent.open_day(day_of(cycle.accepted));
        }
        let decided = match self.decide(cycle, &prepared, &identities)? {
            Ok(outcomes) => {
                self.store(cycle, &prepared, &identities, &outcomes);
                Ok(logged(&prepared, &outcomes, !identities.is_empty()))
            }
            Err(conflict) => {
                self.log.metrics.conflicts.inc();
                Err(conflict)
            }
        };
        if sabotage::acknowledge_before_append() {
            let _ = answer.send(decided);
        } else {
            cycle.answers.push(Answer::Door(answer, decided, permit));
        }
        Ok(())
    }

    /// Gives offsets to the records that are new. A conflict leaves no trace of the batch.
    fn decide(
        &mut self,
        cycle: &Cycle,
        prepared: &Prepared,
        identities: &[(Identity, Content)],
    ) -> Result<Result<Vec<Outcome>, AppendError>, Stop> {
        let mut next: Vec<u64> =
            prepared.partitions.iter().map(|(_, id)| self.partitions.get(id).map_or(0, |state| state.next())).collect();
        let mut outcomes = Vec::with_capacity(prepared.records.len());
        for index in 0..prepared.records.len() {
            let Some((slot, topic, id)) = place(prepared, index) else { continue };
            if let Some((identity, content)) = identities.get(index) {
                match self.deduplication.find(&cycle.snapshot, cycle.accepted, *identity)? {
                    Some(seen) if seen.content == *content => {
                        outcomes.push(Outcome::Seen(seen));
                        continue;
                    }
                    Some(seen) => {
                        self.forget(identities, &outcomes);
                        let existing = topic.position(seen.partition.partition, seen.offset);
                        return Ok(Err(AppendError::Conflict { index, existing }));
                    }
                    None => {}
                }
                let offset = next.get(slot).copied().unwrap_or_default();
                self.deduplication.recent.add(*identity, Seen { content: *content, partition: id, offset });
            }
            if let Some(next) = next.get_mut(slot) {
                outcomes.push(Outcome::New(*next));
                *next += 1;
            }
        }
        Ok(Ok(outcomes))
    }

    fn store(
        &mut self,
        cycle: &mut Cycle,
        prepared: &Prepared,
        identities: &[(Identity, Content)],
        outcomes: &[Outcome],
    ) {
        let new = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::New(_))).count();
        self.log.metrics.duplicates.inc_by((outcomes.len() - new) as u64);
        if new == 0 {
            return;
        }
        if new == outcomes.len() {
            prepared.parts.iter().for_each(|part| self.add_part(cycle, prepared, part));
        } else {
            without_seen(prepared, outcomes, self.options.compression)
                .iter()
                .for_each(|part| self.add_part(cycle, prepared, part));
        }
        cycle.records += new as u64;
        put_identities(cycle, prepared, identities, outcomes);
    }

    /// Takes the identities of a refused batch back.
    fn forget(&mut self, identities: &[(Identity, Content)], outcomes: &[Outcome]) {
        for ((identity, _), outcome) in identities.iter().zip(outcomes) {
            if matches!(outcome, Outcome::New(_)) {
                self.deduplication.recent.forget(*identity);
            }
        }
    }

    /// Adds one part to its partition and marks both as changed.
    pub(crate) fn add_part(&mut self, cycle: &mut Cycle, prepared: &Prepared, part: &Part) {
        let id = prepared.partitions.get(part.partition).map(|(_, id)| id);
        let Some(partition) = id.and_then(|id| self.partitions.get_mut(id)) else { return };
        let mut writer = Writer {
            batch: &mut cycle.batch,
            records: &self.log.keyspaces.records,
            buffer: &mut self.buffer,
            accepted: cycle.accepted,
            compression: self.options.compression,
            stored_bytes: &mut cycle.stored_bytes,
            cut: &mut cycle.cut,
        };
        partition.add(&mut writer, part);
        if !std::mem::replace(&mut partition.touched, true) {
            cycle.touched.push(partition.id);
        }
        cycle.records_changed = true;
    }
}

/// The partition a record is meant for.
fn place(prepared: &Prepared, index: usize) -> Option<(usize, &crate::directory::Topic, crate::stored::PartitionId)> {
    let (part, _) = prepared.records.get(index)?;
    let slot = prepared.parts.get(*part)?.partition;
    let (topic, id) = prepared.partitions.get(slot)?;
    Some((slot, topic, *id))
}

/// Adds the identities of what is new to the cycle's row.
fn put_identities(cycle: &mut Cycle, prepared: &Prepared, identities: &[(Identity, Content)], outcomes: &[Outcome]) {
    for (index, ((identity, content), outcome)) in identities.iter().zip(outcomes).enumerate() {
        let (Outcome::New(offset), Some((_, _, id))) = (outcome, place(prepared, index)) else { continue };
        let seen = Seen { content: *content, partition: id, offset: *offset };
        recent::encode_entry(&mut cycle.identities, *identity, &seen);
    }
}

/// The parts again, with new records only. Rare, so it may encode anew.
fn without_seen(prepared: &Prepared, outcomes: &[Outcome], compression: Compression) -> Vec<Part> {
    let mut kept: Vec<(u32, Vec<u8>)> = prepared.parts.iter().map(|_| (0, Vec::new())).collect();
    for ((part, range), outcome) in prepared.records.iter().zip(outcomes) {
        let bytes = prepared.parts.get(*part).and_then(|part| part.raw.get(range.clone()));
        if let (Outcome::New(_), Some(bytes), Some((count, raw))) = (outcome, bytes, kept.get_mut(*part)) {
            raw.extend_from_slice(bytes);
            *count += 1;
        }
    }
    let parts = prepared.parts.iter().zip(kept).filter(|(_, (count, _))| *count > 0);
    parts.map(|(part, (count, raw))| Part::new(part.partition, count, raw, compression)).collect()
}

fn logged(prepared: &Prepared, outcomes: &[Outcome], verified: bool) -> Vec<Logged> {
    let logged = |(index, outcome): (usize, &Outcome)| {
        let (_, topic, id) = place(prepared, index)?;
        Some(match outcome {
            Outcome::New(offset) if verified => Logged::First(topic.position(id.partition, *offset)),
            Outcome::New(offset) => Logged::Unverified(topic.position(id.partition, *offset)),
            Outcome::Seen(seen) => Logged::Duplicate(topic.position(seen.partition.partition, seen.offset)),
        })
    };
    outcomes.iter().enumerate().filter_map(logged).collect()
}
