//! What the in-memory log holds: topics with their records, groups with their tasks, and the clock.

use std::collections::{HashMap, HashSet};

use riverrun_event::{Offset, Partition, Position, Record, Text, Time, TopicName, TopicPartition};

use super::faults::FaultSource;
use super::group::{GroupData, Mailbox, MemberId};
use crate::append::NewRecord;
use crate::commit::{GroupName, Order, TaskId};
use crate::compaction::{Compaction, Facts, Survey};
use crate::contract::ReadError;
use crate::topic::{EnsureError, TopicDescription, TopicSpec};

/// Everything the log knows, behind one lock.
pub(super) struct Data {
    pub(super) topics: HashMap<TopicName, TopicData>,
    /// Never removed from, so that a state reader can keep the index of its group.
    pub(super) groups: Vec<GroupData>,
    pub(super) group_indexes: HashMap<GroupName, usize>,
    pub(super) members: HashMap<MemberId, Mailbox>,
    pub(super) members_joined: u64,
    pub(super) faults: FaultSource,
    pub(super) stopped: Option<String>,
    clock: Box<dyn FnMut() -> Time + Send>,
    accepted_last: Option<Time>,
    changes: u64,
}

/// A topic, its records and the identities doors have used in it.
pub(super) struct TopicData {
    spec: TopicSpec,
    pub(super) partitions: Vec<PartitionData>,
    /// Source, then id: both are looked up as borrowed text.
    pub(super) identities: HashMap<Text, HashMap<Text, Place>>,
}

/// Where in its topic the record with an identity is.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) partition: Partition,
    pub(super) index: usize,
}

/// The records of one partition, with increasing offsets and accept times.
#[derive(Default)]
pub(super) struct PartitionData {
    records: Vec<Record>,
    /// Offsets of records that compaction took from readers; doors still know them.
    compacted: HashSet<Offset>,
    end: Offset,
}

impl Data {
    pub(super) fn new(clock: Box<dyn FnMut() -> Time + Send>) -> Self {
        Self {
            topics: HashMap::new(),
            groups: Vec::new(),
            group_indexes: HashMap::new(),
            members: HashMap::new(),
            members_joined: 0,
            faults: FaultSource::default(),
            stopped: None,
            clock,
            accepted_last: None,
            changes: 0,
        }
    }

    pub(super) fn ensure(&mut self, topics: &[TopicSpec]) -> Result<(), EnsureError> {
        if let Some(reason) = &self.stopped {
            return Err(EnsureError::Failed(reason.clone()));
        }
        for (index, declared) in topics.iter().enumerate() {
            let known = self.topics.get(&declared.name).map(|topic| &topic.spec);
            // A list that contradicts itself is refused like one that contradicts the log.
            let known = known.or_else(|| topics.iter().take(index).find(|earlier| earlier.name == declared.name));
            if let Some(known) = known.filter(|known| known.partitions != declared.partitions) {
                let (existing, declared_count) = (known.partitions, declared.partitions);
                let topic = declared.name.clone();
                return Err(EnsureError::PartitionCount { topic, existing, declared: declared_count });
            }
        }
        for declared in topics {
            let topic = self.topics.entry(declared.name.clone()).or_insert_with(|| TopicData::new(declared));
            topic.spec.retention = declared.retention;
        }
        Ok(())
    }

    pub(super) fn describe(&self, name: &TopicName) -> Result<TopicDescription, ReadError> {
        let topic = self.topics.get(name).ok_or_else(|| ReadError::UnknownTopic(name.clone()))?;
        let offsets = topic.partitions.iter().map(|partition| Offset(0)..partition.end).collect();
        Ok(TopicDescription { spec: topic.spec.clone(), offsets })
    }

    pub(super) fn partition(&self, place: &TopicPartition) -> Result<&PartitionData, ReadError> {
        let topic = self.topics.get(&place.topic).ok_or_else(|| ReadError::UnknownTopic(place.topic.clone()))?;
        topic.partition(place.partition).ok_or_else(|| ReadError::UnknownPartition(place.clone()))
    }

    pub(super) fn exists(&self, topic: &TopicName, partition: Partition) -> bool {
        self.topics.get(topic).is_some_and(|topic| topic.partition(partition).is_some())
    }

    /// Numbers the next atomic change and says when it is accepted.
    pub(super) fn change(&mut self) -> (u64, Time) {
        self.changes += 1;
        let now = (self.clock)();
        let accepted = self.accepted_last.map_or(now, |last| last.max(now));
        self.accepted_last = Some(accepted);
        (self.changes, accepted)
    }

    /// Stores a record whose partition was found to exist.
    pub(super) fn store(&mut self, record: NewRecord, accepted: Time) -> Position {
        let place = TopicPartition::new(record.topic, record.partition);
        let topic = self.topics.get_mut(&place.topic);
        let compaction = topic.as_ref().and_then(|topic| topic.spec.retention.compaction);
        let Some(partition) = topic.and_then(|topic| topic.partition_mut(place.partition)) else {
            return place.at(Offset(0));
        };
        if partition.records.is_empty() {
            partition.end = Offset(partition.end.0 + self.faults.offset_gap());
        }
        let position = place.at(partition.end);
        partition.records.push(Record { position: position.clone(), accepted, event: record.event });
        partition.end = Offset(partition.end.0 + 1 + self.faults.offset_gap());
        if let Some(compaction) = compaction {
            partition.compact(compaction, accepted);
        }
        position
    }

    pub(super) fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Vec<(u64, Order)> {
        let group = self.group_indexes.get(group).and_then(|index| self.groups.get(*index));
        let orders = group.and_then(|group| group.tasks.get(&task)).map_or(&[][..], |task| &task.orders);
        let skipped = usize::try_from(from).unwrap_or(usize::MAX);
        (from..).zip(orders.iter().skip(skipped).take(limit).cloned()).collect()
    }
}

impl TopicData {
    fn new(spec: &TopicSpec) -> Self {
        let partitions = (0..spec.partitions).map(|_| PartitionData::default()).collect();
        Self { spec: spec.clone(), partitions, identities: HashMap::new() }
    }

    pub(super) fn partition(&self, partition: Partition) -> Option<&PartitionData> {
        self.partitions.get(usize::try_from(partition.0).ok()?)
    }

    fn partition_mut(&mut self, partition: Partition) -> Option<&mut PartitionData> {
        self.partitions.get_mut(usize::try_from(partition.0).ok()?)
    }

    /// The record a door stored under this identity.
    pub(super) fn identified(&self, source: &str, id: &str) -> Option<&Record> {
        let place = self.identities.get(source)?.get(id)?;
        self.partition(place.partition)?.records.get(place.index)
    }
}

impl PartitionData {
    pub(super) fn records_count(&self) -> usize {
        self.records.len()
    }

    pub(super) fn end(&self) -> Offset {
        self.end
    }

    pub(super) fn offset_at(&self, time: Time) -> Offset {
        let index = self.records.partition_point(|record| record.accepted < time);
        self.kept_from(index).next().map_or(self.end, |record| record.position.offset)
    }

    fn kept_from(&self, index: usize) -> impl Iterator<Item = &Record> {
        let kept = |record: &&Record| !self.compacted.contains(&record.position.offset);
        self.records.iter().skip(index).filter(kept)
    }

    /// Looks at the whole partition at once, which is as good as anything where all is in memory and topics are small. The last
    /// record stays.
    fn compact(&mut self, compaction: Compaction, now: Time) {
        let facts = |record: &Record| Facts {
            time: record.event_time(),
            accepted: record.accepted,
            offset: record.position.offset,
            deletes: record.event.data.is_none(),
        };
        let Some(latest) = self.records.iter().map(Record::event_time).max() else { return };
        let mut survey = Survey::new(compaction, now, latest);
        let keyed = |record: &Record| record.event.key.clone();
        let before_last = self.records.len().saturating_sub(1);
        for record in self.kept_from(0) {
            if let Some(key) = keyed(record) {
                survey.see(key, facts(record));
            }
        }
        let goes = |record: &&Record| keyed(record).is_some_and(|key| !survey.keeps(&key, facts(record)));
        let gone: Vec<Offset> =
            self.records.iter().take(before_last).filter(goes).map(|record| record.position.offset).collect();
        self.compacted.extend(gone);
    }

    pub(super) fn read(&self, from: Offset, bytes_max: usize) -> Vec<Record> {
        let first = self.records.partition_point(|record| record.position.offset < from);
        let mut bytes = 0;
        let mut read = Vec::new();
        for record in self.kept_from(first) {
            read.push(record.clone());
            bytes += record.event.bytes();
            if bytes >= bytes_max {
                break;
            }
        }
        read
    }
}
