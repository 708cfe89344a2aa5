//! Groups: the rows, order records and positions of their tasks; and the identities of events, which on Kafka are rows of a group for
//! each topic and keys of nothing else here.

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_event::{Offset, Partition, Record, Time, TopicName, TopicPartition};
use riverrun_log::{Fingerprint, GroupName, Log as _, ReadError, TaskId, Topics as _};
use riverrun_log_kafka::import::{Found, RowWriter, TaskRow};
use riverrun_log_local::{Contents, Identities};
use riverrun_runtime::moved_row;

use super::report::{GroupReport, Phase, Progress};
use super::{MigrateError, Mover, Watch};

/// Order records taken at once.
const ORDERS: usize = 1_000;
/// Bytes of records looked through for identities at once.
const READ_BYTES: usize = 4 * 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A group as it will be on Kafka.
pub(super) struct Group {
    name: GroupName,
    tasks: BTreeMap<TaskId, BTreeMap<TopicPartition, Offset>>,
    /// The topic whose doors it is of.
    door: Option<TopicName>,
}

impl Group {
    /// As many as the highest number of a task says.
    fn count(&self) -> u32 {
        self.tasks.last_key_value().map_or(0, |(task, _)| task.0 + 1)
    }

    fn positions(&self) -> BTreeMap<TopicPartition, Offset> {
        self.tasks.values().flatten().map(|(input, next)| (input.clone(), *next)).collect()
    }
}

/// What was taken of a group here.
struct Taken {
    group: Group,
    found: Found,
    /// Per task.
    rows: Vec<(TaskId, Fingerprint)>,
    identities: u64,
}

impl Mover<'_> {
    /// All groups of this log, and those that Kafka has besides.
    pub(super) fn groups(&self) -> Result<Vec<Group>, MigrateError> {
        let kept = self.log.contents().groups()?.into_iter();
        let mut groups: Vec<Group> =
            kept.map(|group| Group { name: group.name, tasks: group.tasks, door: None }).collect();
        if self.window_days > 0 {
            groups.extend(self.topology.topics.values().filter_map(|topic| {
                // One that was never started with has no identities.
                self.log.describe(&topic.name).ok()?;
                let tasks = (0..topic.partitions).map(|task| (TaskId(task), BTreeMap::new()));
                let name = GroupName::door(&self.topology.app, &topic.name);
                Some(Group { name, tasks: tasks.collect(), door: Some(topic.name.clone()) })
            }));
        }
        Ok(groups)
    }

    /// Writes every group anew that is not there as a whole, and compares all of them.
    pub(super) fn move_groups(&self, watch: &Watch<'_>) -> Result<Vec<GroupReport>, MigrateError> {
        let (contents, groups) = (self.log.contents(), self.groups()?);
        let mut identities = contents.identities()?;
        let total = groups.len() as u64;
        let mut reports = Vec::with_capacity(groups.len());
        for (done, group) in (0..).zip(groups) {
            if watch(Progress { phase: Phase::State, done, total }).is_break() {
                return Err(MigrateError::Stopped);
            }
            let taken = self.write_group(&contents, &mut identities, group)?;
            reports.push(self.compare_group(taken)?);
        }
        Ok(reports)
    }

    fn write_group(
        &self,
        contents: &Contents,
        identities: &mut Identities,
        group: Group,
    ) -> Result<Taken, MigrateError> {
        let positions = group.positions();
        let found = self.import.found_group(&group.name, group.count(), &positions)?;
        let writes = found != Found::InUse;
        if writes {
            self.import.begin_group(&group.name, group.count(), found)?;
        }
        let mut taken = Taken { found, rows: Vec::new(), identities: 0, group };
        for (task, read) in &taken.group.tasks {
            let mut rows = self.import.rows(&taken.group.name, *task, writes);
            match &taken.group.door {
                Some(topic) => taken.identities += self.push_identities(identities, topic, *task, &mut rows)?,
                None => push_task(contents, &taken.group.name, *task, read, &mut rows)?,
            }
            taken.rows.push((*task, rows.end()?));
        }
        if writes && !positions.is_empty() {
            self.import.commit(&taken.group.name, &positions)?;
        }
        Ok(taken)
    }

    /// Records that are recognised by their identities, as far back as one is looked for.
    fn push_identities(
        &self,
        identities: &mut Identities,
        topic: &TopicName,
        task: TaskId,
        rows: &mut RowWriter<'_>,
    ) -> Result<u64, MigrateError> {
        let partition = TopicPartition::new(topic.clone(), Partition(task.0));
        // A day more, since days are counted as a whole.
        let oldest = Time::now().minus(DAY * (self.window_days + 1));
        let mut next = self.log.offset_at(&partition, oldest)?;
        let mut found = 0;
        loop {
            let records = match self.log.read(&partition.at(next), READ_BYTES) {
                Err(ReadError::BelowStart { start, .. }) => {
                    next = start.offset;
                    continue;
                }
                records => records?,
            };
            let Some(last) = records.last() else { return Ok(found) };
            next = last.position.offset.next();
            for record in &records {
                found += u64::from(push_identity(identities, record, rows)?);
            }
        }
    }

    /// What the group is on the cluster, beside what was taken here.
    fn compare_group(&self, taken: Taken) -> Result<GroupReport, MigrateError> {
        let Taken { group, found, rows, identities } = taken;
        let positions = group.positions();
        let mut differs = None;
        for (task, expected) in &rows {
            if self.import.read_rows(&group.name, *task)? != *expected {
                differs = Some(format!("the state of task {task}"));
            }
        }
        let inputs: Vec<_> = positions.keys().cloned().collect();
        if self.import.committed(&group.name, &inputs)? != positions {
            differs = Some("how far the tasks are".to_owned());
        }
        Ok(GroupReport {
            tasks: group.count(),
            positions: positions.len() as u64,
            rows: rows.iter().map(|(_, rows)| rows.count()).sum(),
            identities,
            differs,
            written: found != Found::InUse,
            group: group.name,
        })
    }
}

/// Rows, then order records, then positions, which whoever follows the changelog takes last.
fn push_task(
    contents: &Contents,
    group: &GroupName,
    task: TaskId,
    positions: &BTreeMap<TopicPartition, Offset>,
    rows: &mut RowWriter<'_>,
) -> Result<(), MigrateError> {
    contents.rows(group, task, |change| rows.push(TaskRow::State(change)).map_err(MigrateError::from))?;
    let mut from = 0;
    loop {
        let orders = contents.orders(group, task, from, ORDERS)?;
        let Some((last, _)) = orders.last() else { break };
        from = last + 1;
        for (number, order) in orders {
            rows.push(TaskRow::Order(number, order))?;
        }
    }
    if !positions.is_empty() {
        rows.push(TaskRow::Positions(positions.clone()))?;
    }
    Ok(())
}

fn push_identity(identities: &mut Identities, record: &Record, rows: &mut RowWriter<'_>) -> Result<bool, MigrateError> {
    let is_known = identities.names(record)?;
    if is_known {
        rows.push(TaskRow::State(moved_row(record)))?;
    }
    Ok(is_known)
}
