//! What every thread may know of the log: topics with their durable bounds, operators by number, and whether it still runs.
//!
//! Only the committer changes any of it, and bounds only after a sync: what is seen here is on disk.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use riverrun_event::{Offset, OperatorName, Partition, Position, TopicName};
use riverrun_log::{Retention, TopicDescription, TopicSpec};

use crate::options::Compression;
use crate::stored::{GroupId, OperatorId, PartitionId, TopicId};

/// A topic and the durable bounds of its partitions.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: TopicId,
    pub(crate) name: TopicName,
    retention: RwLock<Retention>,
    bounds: Vec<Bounds>,
}

/// First offset kept, and offset after the last durable record.
#[derive(Debug, Default)]
pub(crate) struct Bounds {
    start: AtomicU64,
    end: AtomicU64,
}

impl Bounds {
    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    pub(crate) fn publish(&self, start: u64, end: u64) {
        self.end.store(end, Ordering::Release);
        self.start.store(start, Ordering::Release);
    }
}

impl Topic {
    pub(crate) fn new(id: TopicId, spec: &TopicSpec) -> Self {
        Self {
            id,
            name: spec.name.clone(),
            retention: RwLock::new(spec.retention),
            bounds: (0..spec.partitions).map(|_| Bounds::default()).collect(),
        }
    }

    pub(crate) fn bounds(&self, partition: u32) -> Option<&Bounds> {
        self.bounds.get(usize::try_from(partition).ok()?)
    }

    pub(crate) fn retention(&self) -> Retention {
        *self.retention.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_retention(&self, retention: Retention) {
        *self.retention.write().unwrap_or_else(PoisonError::into_inner) = retention;
    }

    pub(crate) fn spec(&self) -> TopicSpec {
        TopicSpec {
            name: self.name.clone(),
            partitions: u32::try_from(self.bounds.len()).unwrap_or(u32::MAX),
            retention: self.retention(),
        }
    }

    pub(crate) fn describe(&self) -> TopicDescription {
        let offsets = self.bounds.iter().map(|bounds| Offset(bounds.start())..Offset(bounds.end())).collect();
        TopicDescription { spec: self.spec(), offsets }
    }

    pub(crate) fn partition_id(&self, partition: Partition) -> PartitionId {
        PartitionId { topic: self.id, partition: partition.0 }
    }

    pub(crate) fn position(&self, partition: u32, offset: u64) -> Position {
        Position { topic: self.name.clone(), partition: Partition(partition), offset: Offset(offset) }
    }
}

/// Topics and operators by name and number.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    topics: RwLock<Topics>,
    operators: RwLock<HashMap<(GroupId, OperatorName), OperatorId>>,
    groups: RwLock<HashMap<riverrun_log::GroupName, GroupId>>,
    /// How records are compressed before they are queued.
    pub(crate) compression: Compression,
}

#[derive(Debug, Default)]
struct Topics {
    by_name: HashMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
}

impl Directory {
    /// An empty one of a log that compresses so.
    pub(crate) fn new(compression: Compression) -> Self {
        Self { compression, ..Self::default() }
    }

    pub(crate) fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned()
    }

    pub(crate) fn topic_by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).by_id.get(&id).cloned()
    }

    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).by_id.values().cloned().collect()
    }

    pub(crate) fn add_topic(&self, topic: Arc<Topic>) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        topics.by_name.insert(topic.name.clone(), Arc::clone(&topic));
        topics.by_id.insert(topic.id, topic);
    }

    pub(crate) fn operator(&self, group: GroupId, name: &OperatorName) -> Option<OperatorId> {
        let operators = self.operators.read().unwrap_or_else(PoisonError::into_inner);
        operators.get(&(group, name.clone())).copied()
    }

    pub(crate) fn operators_of(&self, group: GroupId) -> HashMap<OperatorId, OperatorName> {
        let operators = self.operators.read().unwrap_or_else(PoisonError::into_inner);
        let of_group = operators.iter().filter(|((known, _), _)| *known == group);
        of_group.map(|((_, name), id)| (*id, name.clone())).collect()
    }

    pub(crate) fn add_operator(&self, group: GroupId, name: OperatorName, id: OperatorId) {
        self.operators.write().unwrap_or_else(PoisonError::into_inner).insert((group, name), id);
    }

    pub(crate) fn group(&self, name: &riverrun_log::GroupName) -> Option<GroupId> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    pub(crate) fn groups(&self) -> Vec<(riverrun_log::GroupName, GroupId)> {
        let groups = self.groups.read().unwrap_or_else(PoisonError::into_inner);
        groups.iter().map(|(name, id)| (name.clone(), *id)).collect()
    }

    pub(crate) fn add_group(&self, name: riverrun_log::GroupName, id: GroupId) {
        self.groups.write().unwrap_or_else(PoisonError::into_inner).insert(name, id);
    }
}
