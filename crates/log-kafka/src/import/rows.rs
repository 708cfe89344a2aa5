//! The state of tasks: rows, order records and positions of a task become its partition of the group's changelog.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use krafka::admin::OffsetSpec;
use riverrun_event::{Offset, TopicPartition};
use riverrun_log::{Fingerprint, GroupName, Order, StateChange, TaskId};

use super::gaps::written;
use super::{Found, Import, ImportError, Target, finished_changelog};
use crate::changelog::partition_of;
use crate::state::{RowKey, changed, ordered, positioned};

/// Bytes of rows that are written at once.
const WRITTEN_BYTES: usize = 4 * 1024 * 1024;
const POLL: Duration = Duration::from_millis(200);

/// A row of a task.
#[derive(Clone, Debug)]
pub enum TaskRow {
    /// A row of an operator.
    State(StateChange),
    /// An order record and its number.
    Order(u64, Order),
    /// How far the task has read its inputs. The last row.
    Positions(BTreeMap<TopicPartition, Offset>),
}

/// Takes the rows of one task, in an order that is always the same.
pub struct RowWriter<'a> {
    import: &'a Import,
    group: GroupName,
    task: TaskId,
    /// Otherwise they are only counted and hashed.
    writes: bool,
    waiting: Vec<(RowKey, Option<Bytes>)>,
    bytes: usize,
    fingerprint: Fingerprint,
}

impl Import {
    /// What is there of the changelog of a group with so many tasks. Without one, positions of the group are what others have there.
    ///
    /// # Errors
    /// [`ImportError::PartitionCount`] when it is of another number of tasks.
    pub fn found_group(
        &self,
        group: &GroupName,
        tasks: u32,
        positions: &BTreeMap<TopicPartition, Offset>,
    ) -> Result<Found, ImportError> {
        let asked = group.clone();
        let found = self.ask(|target| async move {
            let name = target.cluster.changelog(&asked);
            target.found(&name, tasks).await
        })?;
        if found == Found::Missing {
            let inputs: Vec<_> = positions.keys().cloned().collect();
            let committed = self.committed(group, &inputs)?;
            if committed.iter().any(|(input, next)| positions.get(input) != Some(next)) {
                return Ok(Found::InUse);
            }
        }
        Ok(found)
    }

    /// Makes the changelog of a group ready to be written to, empty.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when the cluster refuses.
    pub fn begin_group(&self, group: &GroupName, tasks: u32, found: Found) -> Result<(), ImportError> {
        let group = group.clone();
        self.ask(|target| async move {
            let name = target.cluster.changelog(&group);
            target.begin(name.clone(), tasks, found).await?;
            let ends = target.cluster.raw_bounds(&name, tasks, OffsetSpec::Latest).await?;
            for (task, end) in (0..).zip(ends) {
                if found == Found::Unfinished && end > 0 {
                    target.cluster.delete_records(name.clone(), task, end).await?;
                }
            }
            Ok(())
        })
    }

    /// Takes the rows of a task; with `writes` they are written.
    #[must_use]
    pub fn rows(&self, group: &GroupName, task: TaskId, writes: bool) -> RowWriter<'_> {
        let (group, fingerprint) = (group.clone(), Fingerprint::default());
        RowWriter { import: self, group, task, writes, waiting: Vec::new(), bytes: 0, fingerprint }
    }

    /// What is in the changelog of a task.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when it cannot be read.
    pub fn read_rows(&self, group: &GroupName, task: TaskId) -> Result<Fingerprint, ImportError> {
        let group = group.clone();
        self.ask(|target| async move { target.read_rows(&group, task).await })
    }

    /// Makes the changelog of a group what the log on Kafka would have created.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when the cluster refuses.
    pub fn finish_group(&self, group: &GroupName) -> Result<(), ImportError> {
        let group = group.clone();
        self.ask(|target| async move {
            Ok(target.cluster.configure(target.cluster.changelog(&group), finished_changelog()).await?)
        })
    }
}

impl RowWriter<'_> {
    /// Takes a row.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when those before it could not be written.
    pub fn push(&mut self, row: TaskRow) -> Result<(), ImportError> {
        let (key, value) = match row {
            TaskRow::State(change) => changed(change),
            TaskRow::Order(number, order) => ordered(number, &order),
            TaskRow::Positions(positions) => positioned(&positions),
        };
        self.fingerprint.row(&key, value.as_deref());
        if self.writes {
            self.bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
            self.waiting.push((key, value));
            if self.bytes >= WRITTEN_BYTES {
                return self.write();
            }
        }
        Ok(())
    }

    /// Writes what waits, and gives what was taken.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when it could not be written.
    pub fn end(mut self) -> Result<Fingerprint, ImportError> {
        self.write()?;
        Ok(self.fingerprint)
    }

    fn write(&mut self) -> Result<(), ImportError> {
        let (rows, group, task) = (std::mem::take(&mut self.waiting), self.group.clone(), self.task);
        self.bytes = 0;
        self.import.ask(|target| async move {
            let changelog = target.cluster.changelog(&group);
            let mut sent = Vec::with_capacity(rows.len());
            for row in rows {
                sent.push(target.records.enqueue(record(&changelog, task, row)).await?);
            }
            written(sent).await
        })
    }
}

/// A row as a record that is sent by itself.
fn record(changelog: &str, task: TaskId, (key, value): (RowKey, Option<Bytes>)) -> krafka::Record {
    let mut record = krafka::Record::new(changelog, Bytes::new());
    record.partition = Some(partition_of(task));
    (record.key, record.value) = (Some(key.into()), value);
    record
}

impl Target {
    async fn read_rows(self: Arc<Self>, group: &GroupName, task: TaskId) -> Result<Fingerprint, ImportError> {
        let (name, partition) = (self.cluster.changelog(group), partition_of(task));
        let mut fingerprint = Fingerprint::default();
        let bound = async |spec| {
            let bounds = self.cluster.raw_bounds(&name, task.0 + 1, spec).await?;
            Ok::<_, ImportError>(bounds.last().copied().unwrap_or_default())
        };
        let (start, end) = (bound(OffsetSpec::Earliest).await?, bound(OffsetSpec::Latest).await?);
        if start >= end {
            return Ok(fingerprint);
        }
        let consumer = self.cluster.changelog_reader().await?;
        consumer.assign(&name, vec![partition]).await?;
        consumer.seek(&name, partition, start).await?;
        loop {
            // Asked before, since what is given out now was fetched before.
            let complete = consumer.fetch_position(&name, partition).await.is_some_and(|next| next >= end);
            let polled = consumer.poll(if complete { Duration::ZERO } else { POLL }).await?;
            if complete && polled.is_empty() {
                break;
            }
            for record in polled {
                fingerprint.row(record.key.as_deref().unwrap_or_default(), record.value.as_deref());
            }
        }
        drop(consumer.close().await);
        Ok(fingerprint)
    }
}
