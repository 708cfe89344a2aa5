//! What changes the log's own knowledge: topics, groups and their owners, operators. Each is a commit of its own.

use std::sync::Arc;

use riverrun_event::OperatorName;
use riverrun_log::{CommitError, EnsureError, GroupName, JoinError, TaskId, TopicSpec};

use super::cycle::Cycle;
use super::partition::PartitionState;
use super::queue::{Control, Rewrite};
use super::{Committer, Stop};
use crate::directory::Topic;
use crate::stored::batch::{self, BatchKey};
use crate::stored::partition::PartitionRow;
use crate::stored::task::TaskRow;
use crate::stored::{GroupId, GroupTask, OperatorId, TopicId, group, operator, task, topic};

impl Committer {
    /// Does what is asked and answers. A failure is answered too, then stops the log.
    pub(crate) fn control(&mut self, control: Control) -> Result<(), Stop> {
        match control {
            Control::Ensure { topics, answer } => {
                let done = self.ensure(&topics);
                let _ = answer.send(match &done {
                    Ok(decided) => decided.clone(),
                    Err(stop) => Err(EnsureError::Failed(stop.0.clone())),
                });
                done.map(drop)
            }
            Control::Join { group, tasks, answer } => {
                let done = self.join(&group, &tasks);
                let _ = answer.send(done.clone().map_err(|stop| JoinError::Failed(stop.0.clone())));
                done.map(drop)
            }
            Control::Rewrite(rewrite) => self.rewrite(&rewrite),
            Control::Operators { group, names, answer } => {
                let done = self.operators(group, &names);
                let _ = answer.send(done.clone().map_err(|stop| CommitError::Failed(stop.0.clone())));
                done.map(drop)
            }
        }
    }

    /// Refuses a changed partition count before anything is changed; then creates what is missing.
    fn ensure(&mut self, specs: &[TopicSpec]) -> Result<Result<(), EnsureError>, Stop> {
        let known: Vec<_> = specs.iter().map(|spec| self.log.directory.topic(&spec.name)).collect();
        for (spec, known) in specs.iter().zip(&known) {
            let Some(existing) = known.as_ref().map(|topic| topic.spec().partitions) else { continue };
            if existing != spec.partitions {
                let (topic, declared) = (spec.name.clone(), spec.partitions);
                return Ok(Err(EnsureError::PartitionCount { topic, existing, declared }));
            }
        }
        let mut cycle = self.cycle();
        let mut created: Vec<Arc<Topic>> = Vec::new();
        for (spec, known) in specs.iter().zip(known) {
            let same_twice = created.iter().find(|topic| topic.name == spec.name).cloned();
            let id = match known.or(same_twice) {
                Some(topic) if topic.retention() == spec.retention => continue,
                Some(topic) => topic.id,
                None => {
                    let topic = Arc::new(Topic::new(TopicId(self.row.next_topic), spec));
                    self.row.next_topic += 1;
                    created.push(Arc::clone(&topic));
                    self.add_partitions(&mut cycle, &topic);
                    topic.id
                }
            };
            cycle.batch.put(&self.log.keyspaces.meta, &topic::encode_key(id), &topic::encode_value(spec));
        }
        self.commit(&mut cycle)?;
        created.into_iter().for_each(|topic| self.log.directory.add_topic(topic));
        for spec in specs {
            if let Some(topic) = self.log.directory.topic(&spec.name) {
                topic.set_retention(spec.retention);
            }
        }
        Ok(Ok(()))
    }

    fn add_partitions(&mut self, cycle: &mut Cycle, topic: &Arc<Topic>) {
        for partition in 0..topic.spec().partitions {
            let id = topic.partition_id(riverrun_event::Partition(partition));
            let state = PartitionState::new(id, Arc::clone(topic), PartitionRow::EMPTY);
            state.put_row(&mut cycle.batch, &self.log.keyspaces.meta);
            self.partitions.insert(id, state);
        }
    }

    /// Makes the caller the owner of the tasks: from now on only commits with these epochs count.
    fn join(&mut self, name: &GroupName, tasks: &[TaskId]) -> Result<(GroupId, Vec<u64>), Stop> {
        let mut cycle = self.cycle();
        let known = self.log.directory.group(name);
        let id = known.unwrap_or(GroupId(self.row.next_group));
        if known.is_none() {
            self.row.next_group += 1;
            cycle.batch.put(&self.log.keyspaces.meta, &group::encode_key(name), &group::encode_value(id));
        }
        let mut epochs = Vec::with_capacity(tasks.len());
        for task_id in tasks {
            let key = GroupTask { group: id, task: task_id.0 };
            let row: &mut TaskRow = self.tasks.entry(key).or_default();
            row.epoch += 1;
            epochs.push(row.epoch);
            cycle.batch.put(&self.log.keyspaces.meta, &task::encode_key(key), &task::encode_value(*row));
        }
        self.commit(&mut cycle)?;
        self.log.directory.add_group(name.clone(), id);
        Ok((id, epochs))
    }

    /// Replaces batches by one, as compaction asks for, unless retention has taken the first of them meanwhile.
    fn rewrite(&mut self, rewrite: &Rewrite) -> Result<(), Stop> {
        let mut cycle = self.cycle();
        let Some(partition) = self.partitions.get_mut(&rewrite.partition) else { return Ok(()) };
        let records = &self.log.keyspaces.records;
        let key = |base: u64| batch::encode_key(BatchKey { partition: rewrite.partition, base });
        if let Some((first, others)) = rewrite.bases.split_first()
            && *first >= partition.row.start
        {
            self.log.tail.forget(rewrite.partition);
            cycle.batch.put(records, &key(*first), &rewrite.value);
            others.iter().for_each(|base| cycle.batch.delete(records, &key(*base)));
            let bytes = partition.row.bytes.saturating_sub(rewrite.bytes_before);
            partition.row.bytes = bytes + rewrite.value.len() as u64;
            partition.touched = true;
            cycle.touched.push(rewrite.partition);
            cycle.records_changed = true;
            self.log.metrics.compacted_records.inc_by(rewrite.records_dropped);
        }
        self.commit(&mut cycle)?;
        let _ = rewrite.answer.send(());
        Ok(())
    }

    fn operators(&mut self, group: GroupId, names: &[OperatorName]) -> Result<Vec<OperatorId>, Stop> {
        let mut cycle = self.cycle();
        let mut created: Vec<(OperatorName, OperatorId)> = Vec::new();
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let new = created.iter().find(|(known, _)| known == name).map(|(_, id)| *id);
            let id = self.log.directory.operator(group, name).or(new).unwrap_or_else(|| {
                let id = OperatorId(self.row.next_operator);
                self.row.next_operator += 1;
                cycle.batch.put(
                    &self.log.keyspaces.meta,
                    &operator::encode_key(group, name),
                    &operator::encode_value(id),
                );
                created.push((name.clone(), id));
                id
            });
            ids.push(id);
        }
        self.commit(&mut cycle)?;
        created.into_iter().for_each(|(name, id)| self.log.directory.add_operator(group, name, id));
        Ok(ids)
    }
}
