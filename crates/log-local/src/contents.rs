//! Everything a log holds, for whoever copies it elsewhere: topics, groups with their positions, rows of tasks, and which records
//! came in by doors. Read through one snapshot; records are read as always.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Partition, Record, TopicPartition};
use riverrun_log::identity::day_of;
use riverrun_log::{GroupName, Identity, Order, ReadError, StateChange, TaskId, TopicDescription};
use riverrun_store::{Keyspace, Snapshot};

use crate::load;
use crate::local::{Inner, LocalLog};
use crate::schema::{KeyspaceId, StoredRow};
use crate::stored::codec::key;
use crate::stored::identity::{self, Seen, identity_of};
use crate::stored::{GroupId, GroupTask, OperatorId, PartitionId, marker, partition, position, recent, state, task};

/// What a log held at one moment.
pub struct Contents {
    log: Arc<Inner>,
    snapshot: Snapshot,
}

/// A topic and how much it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicContents {
    /// The topic.
    pub description: TopicDescription,
    /// Bytes of its records as stored.
    pub bytes: u64,
}

/// A group of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupContents {
    /// Its name.
    pub name: GroupName,
    /// All tasks it has ever had, and how far each has read its inputs.
    pub tasks: BTreeMap<TaskId, BTreeMap<TopicPartition, Offset>>,
}

impl LocalLog {
    /// What the log holds now.
    #[must_use]
    pub fn contents(&self) -> Contents {
        Contents { log: Arc::clone(&self.inner), snapshot: self.inner.visible.state() }
    }
}

impl Contents {
    /// All topics, by name.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when a row cannot be read.
    pub fn topics(&self) -> Result<Vec<TopicContents>, ReadError> {
        let mut topics = Vec::new();
        for topic in self.log.directory.topics() {
            let description = topic.describe();
            let mut bytes = 0;
            for number in 0..description.spec.partitions {
                let key = partition::encode_key(topic.partition_id(Partition(number)));
                let row = self.snapshot.get(&self.log.keyspaces.meta, &key).map_err(failed)?;
                bytes += row.map_or(Ok(0), |row| partition::decode_value(&row).map(|row| row.bytes)).map_err(failed)?;
            }
            topics.push(TopicContents { description, bytes });
        }
        topics.sort_by(|one, other| one.description.spec.name.cmp(&other.description.spec.name));
        Ok(topics)
    }

    /// All groups, by name.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when a row cannot be read.
    pub fn groups(&self) -> Result<Vec<GroupContents>, ReadError> {
        let names: BTreeMap<GroupId, GroupName> =
            self.log.directory.groups().into_iter().map(|(name, id)| (id, name)).collect();
        let name_of = |group: GroupId| {
            names.get(&group).cloned().ok_or_else(|| failed(format!("group number {} has no name", group.0)))
        };
        let mut groups: BTreeMap<GroupName, BTreeMap<TaskId, BTreeMap<TopicPartition, Offset>>> = BTreeMap::new();
        for row in self.snapshot.prefix(&self.log.keyspaces.meta, &key(StoredRow::Task, 0)) {
            let task = task::decode_key(&row.map_err(failed)?.key).map_err(failed)?;
            groups.entry(name_of(task.group)?).or_default().entry(TaskId(task.task)).or_default();
        }
        for row in self.snapshot.prefix(&self.log.keyspaces.meta, &key(StoredRow::Position, 0)) {
            let row = row.map_err(failed)?;
            let (task, input) = position::decode_key(&row.key).map_err(failed)?;
            let next = position::decode_value(&row.value).map_err(failed)?;
            let topic = self.log.directory.topic_by_id(input.topic);
            let topic = topic.ok_or_else(|| failed(format!("topic number {} has no name", input.topic.0)))?;
            let input = TopicPartition::new(topic.name.clone(), Partition(input.partition));
            groups
                .entry(name_of(task.group)?)
                .or_default()
                .entry(TaskId(task.task))
                .or_default()
                .insert(input, Offset(next));
        }
        Ok(groups.into_iter().map(|(name, tasks)| GroupContents { name, tasks }).collect())
    }

    /// Gives every row of a task's state to `each`, always in the same order.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when a row cannot be read; what `each` refuses with.
    pub fn rows<E: From<ReadError>>(
        &self,
        group: &GroupName,
        task: TaskId,
        mut each: impl FnMut(StateChange) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(id) = self.log.directory.group(group) else { return Ok(()) };
        let task = GroupTask { group: id, task: task.0 };
        let mut from = state::encode_key(task, OperatorId(0), &[]);
        from.truncate(state::PREFIX_BYTES - size_of::<u32>());
        let operators: HashMap<OperatorId, OperatorName> = self.log.directory.operators_of(id);
        for row in self.snapshot.prefix(&self.log.keyspaces.state, &from) {
            let row = row.map_err(failed)?;
            let (_, operator, key) = state::decode_key(&row.key).map_err(failed)?;
            let name = operators.get(&operator);
            let name = name.ok_or_else(|| failed(format!("operator number {} of {group} has no name", operator.0)))?;
            let key = Bytes::copy_from_slice(key);
            each(StateChange { operator: name.clone(), key, value: Some(row.value.into_bytes()) })?;
        }
        Ok(())
    }

    /// The order records of a task, as [`riverrun_log::Observe::orders`] has them.
    ///
    /// # Errors
    /// [`ReadError`] when they cannot be read.
    pub fn orders(
        &self,
        group: &GroupName,
        task: TaskId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Order)>, ReadError> {
        self.log.orders(group, task, from, limit)
    }

    /// The events that are recognised when they are sent again.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when they cannot be read.
    pub fn identities(&self) -> Result<Identities, ReadError> {
        let mut recent = HashMap::new();
        for row in self.snapshot.scan::<&[u8]>(&self.log.keyspaces.recent, ..) {
            let row = row.map_err(failed)?;
            if marker::decode_key(&row.key).is_err() {
                recent.extend(recent::decode_value(&row.value).map_err(failed)?);
            }
        }
        let mut days = BTreeMap::new();
        let mut names: Vec<_> = self.log.store.keyspaces();
        // The one created last counts.
        names.sort_by_key(|name| KeyspaceId::named(name));
        for name in names {
            if let Some((id @ KeyspaceId::Identities(day), _)) = KeyspaceId::named(&name) {
                let keyspace = self.log.store.keyspace(&name, load::shape(id)).map_err(failed)?;
                days.insert(day, keyspace);
            }
        }
        Ok(Identities { log: Arc::clone(&self.log), snapshot: self.snapshot.clone(), recent, days, buffer: Vec::new() })
    }
}

/// The events that are recognised when they are sent again.
pub struct Identities {
    log: Arc<Inner>,
    snapshot: Snapshot,
    recent: HashMap<Identity, Seen>,
    days: BTreeMap<u32, Keyspace>,
    buffer: Vec<u8>,
}

impl Identities {
    /// Whether this record is the one its identity is recognised by: a door let it in, and it was the first.
    ///
    /// # Errors
    /// [`ReadError::Failed`] when that cannot be looked up.
    pub fn names(&mut self, record: &Record) -> Result<bool, ReadError> {
        let place = record.position.topic_partition();
        let Some(topic) = self.log.directory.topic(&place.topic) else { return Ok(false) };
        let here = |seen: &Seen| {
            let partition = PartitionId { topic: topic.id, partition: place.partition.0 };
            (seen.partition, seen.offset) == (partition, record.position.offset.0)
        };
        let identity = identity_of(topic.id, &record.event.source, &record.event.id, &mut self.buffer);
        if self.recent.get(&identity).is_some_and(here) {
            return Ok(true);
        }
        // Identities are kept with the day their record was accepted on.
        let Some(day) = self.days.get(&day_of(record.accepted)) else { return Ok(false) };
        let row = self.snapshot.get(day, &identity::encode_key(identity)).map_err(failed)?;
        let seen = row.map(|row| identity::decode_value(&row)).transpose().map_err(failed)?;
        Ok(seen.as_ref().is_some_and(here))
    }
}

fn failed(error: impl ToString) -> ReadError {
    ReadError::Failed(error.to_string())
}
