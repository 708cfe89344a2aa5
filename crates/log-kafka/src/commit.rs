//! A commit is one transaction of outputs, changelog and positions that carries the generation of the group, so that nobody commits for
//! a task that has moved. The local copies of the states change after it, and never before.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use krafka::KrafkaError;
use krafka::consumer::ConsumerGroupMetadata;
use krafka::error::ErrorCode;
use krafka::producer::{TopicPartitionOffset, TransactionState, TransactionalProducer};
use riverrun_event::{Offset, Time, TopicPartition};
use riverrun_log::{Commit, CommitError, Committed, Epoch, GroupName, NewRecord, TaskCommit, TaskId};

use crate::binding::encode;
use crate::changelog::record;
use crate::cluster::Cluster;
use crate::door::newest;
use crate::group::Generation;
use crate::member::Shared;
use crate::state::{Change, RowKey, TaskState, changed, ordered, positioned};

/// The wait before a commit whose outcome nobody told is asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The tasks a member has, and the generation it has them in.
#[derive(Default)]
pub(crate) struct Owned {
    pub(crate) generation: Option<Generation>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
}

#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) epoch: Epoch,
    pub(crate) state: Arc<TaskState>,
}

/// What a commit needs; one at a time.
pub(crate) struct Committing {
    producer: Option<TransactionalProducer>,
    owned: Arc<Mutex<Owned>>,
    group: GroupName,
    /// The static name of the member.
    member: String,
    number: u64,
}

impl Committing {
    pub(crate) fn new(group: GroupName, member: String, owned: Arc<Mutex<Owned>>) -> Self {
        Self { producer: None, owned, group, member, number: 0 }
    }

    /// Commits nothing from now on.
    pub(crate) async fn end(&mut self) {
        if let Some(producer) = self.producer.take() {
            drop(producer.close().await);
        }
    }

    pub(crate) fn begin_with(&mut self, producer: TransactionalProducer) {
        self.producer = Some(producer);
    }

    pub(crate) async fn commit(&mut self, shared: &Shared, commit: Commit) -> Result<Committed, CommitError> {
        let cluster = &*shared.cluster;
        let (tasks, generation) = self.check(&commit)?;
        check_topics(cluster, &commit).await?;
        let Some(first) = commit.tasks.first().map(|task| task.task) else { return Ok(self.committed()) };
        let Some(producer) = self.producer.take() else { return Err(CommitError::Fenced { task: first }) };
        let written = match producer.begin() {
            Ok(()) => self.write(cluster, &producer, &generation, commit, &tasks).await,
            Err(error) => Err(error),
        };
        let (changes, outputs) = match written {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(group = %self.group, %error, "a commit is given up");
                // The producer that comes after this one ends what cannot be ended here.
                drop(producer.abort().await);
                return Err(refused(&error, first));
            }
        };
        finish(&producer, first, cluster.options.transaction_timeout()).await?;
        for (task, changes) in tasks.iter().zip(changes) {
            if !is_run(&changes) {
                // They were written more than once on the way, and not where they were said to be.
                return Err(CommitError::Uncertain(
                    "the changelog has to be read to know where it was written".to_owned(),
                ));
            }
            let next = changes.last().map_or(0, |change| change.offset + 1);
            // Committed it is; what is here is behind now, and whoever opens the task again restores it.
            task.state.apply(&changes, next).map_err(CommitError::Uncertain)?;
        }
        self.producer = Some(producer);
        cluster.settle(&outputs).await;
        shared.moved.send_modify(|count| *count += 1);
        Ok(self.committed())
    }

    fn committed(&mut self) -> Committed {
        let now = u64::try_from(Time::now().unix_ms()).unwrap_or_default() << 20;
        self.number = now.max(self.number + 1);
        Committed { number: self.number }
    }

    /// The tasks of a commit, all of them still this member's own.
    fn check(&self, commit: &Commit) -> Result<(Vec<Task>, Generation), CommitError> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tasks = Vec::with_capacity(commit.tasks.len());
        for TaskCommit { task, epoch, .. } in &commit.tasks {
            match owned.tasks.get(task).filter(|known| known.epoch == *epoch) {
                Some(known) => tasks.push(known.clone()),
                None => return Err(CommitError::Fenced { task: *task }),
            }
        }
        let nobody = Generation { number: -1, member_id: String::new() };
        Ok((tasks, owned.generation.clone().unwrap_or(nobody)))
    }

    /// Writes everything into the open transaction; gives the changes of each task, and where the last outputs are.
    async fn write(
        &self,
        cluster: &Cluster,
        producer: &TransactionalProducer,
        generation: &Generation,
        commit: Commit,
        tasks: &[Task],
    ) -> krafka::Result<(Vec<Vec<Change>>, HashMap<TopicPartition, Offset>)> {
        let changelog = cluster.changelog(&self.group);
        let (mut outputs, mut changes, mut positions) = (Vec::new(), Vec::new(), Vec::new());
        for (commit, task) in commit.tasks.into_iter().zip(tasks) {
            let (id, read) = (commit.task, commit.positions.clone());
            let (records, rows) = rows_of(commit, &task.state);
            for NewRecord { topic, partition, event } in records {
                let sent = producer.enqueue(encode(cluster.topic(&topic), partition, event)).await?;
                outputs.push((TopicPartition::new(topic, partition), sent));
            }
            let mut sent = Vec::with_capacity(rows.len());
            for (key, value) in rows {
                let handle = producer.enqueue(record(&changelog, id, &key, value.clone())).await?;
                sent.push((key, value, handle));
            }
            changes.push(sent);
            positions.extend(read.into_iter().map(|(input, next)| {
                let partition = cluster.partition(&input);
                let next = i64::try_from(next.0).unwrap_or(i64::MAX);
                TopicPartitionOffset::new(partition.topic, partition.partition, next)
            }));
        }
        if !positions.is_empty() {
            let member = Some(self.member.clone());
            let group = cluster.group(&self.group);
            let metadata = ConsumerGroupMetadata::new(group, generation.number, &generation.member_id, member);
            producer.send_offsets(&positions, &metadata).await?;
        }
        let mut written = Vec::with_capacity(changes.len());
        for sent in changes {
            let mut changes = Vec::with_capacity(sent.len());
            for (key, value, handle) in sent {
                changes.push(Change { offset: handle.await?.offset, key: key.into(), value });
            }
            written.push(changes);
        }
        let mut last = Vec::with_capacity(outputs.len());
        for (partition, handle) in outputs {
            last.push((partition, Offset(u64::try_from(handle.await?.offset).unwrap_or_default())));
        }
        Ok((written, newest(last)))
    }
}

/// Whether changes lie one behind the other: a changelog has one writer at a time.
fn is_run(changes: &[Change]) -> bool {
    changes.iter().all(|change| change.offset >= 0)
        && changes.iter().zip(changes.iter().skip(1)).all(|(one, next)| one.offset + 1 == next.offset)
}

async fn check_topics(cluster: &Cluster, commit: &Commit) -> Result<(), CommitError> {
    let misplaced = cluster.misplaced(commit.tasks.iter().flat_map(|task| &task.records)).await;
    match misplaced.map_err(|error| CommitError::Uncertain(error.to_string()))? {
        Some((topic, partition)) => Err(CommitError::UnknownTopic { topic, partition }),
        None => Ok(()),
    }
}

/// What a task writes: its outputs, and the rows that go into its changelog.
fn rows_of(commit: TaskCommit, state: &TaskState) -> (Vec<NewRecord>, Vec<(RowKey, Option<Bytes>)>) {
    let mut rows: Vec<_> = commit.state.into_iter().map(changed).collect();
    rows.extend(commit.order.map(|order| ordered(state.orders_end(), &order)));
    if !commit.positions.is_empty() {
        let mut positions = state.positions().borrow().clone();
        positions.extend(commit.positions);
        // Last, so that whoever follows has the rows when it has the positions.
        rows.push(positioned(&positions));
    }
    (commit.records, rows)
}

/// Commits; asks again for as long as nobody knows the outcome and patience lasts.
async fn finish(producer: &TransactionalProducer, first: TaskId, patience: Duration) -> Result<(), CommitError> {
    let asking = async {
        loop {
            match producer.commit().await {
                Ok(()) => return Ok(()),
                Err(error) if producer.state() != TransactionState::CommitUnknown => {
                    drop(producer.abort().await);
                    return Err(refused(&error, first));
                }
                Err(error) if !error.is_retriable() => return Err(CommitError::Uncertain(error.to_string())),
                Err(error) => tracing::warn!(%error, "nobody answered a commit; it is asked for again"),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    let asked = tokio::time::timeout(patience, asking).await;
    asked.unwrap_or_else(|_| Err(CommitError::Uncertain("no broker told the outcome in time".to_owned())))
}

/// Nothing was changed: the task has moved, or something else went wrong.
fn refused(error: &KrafkaError, task: TaskId) -> CommitError {
    match error {
        KrafkaError::Broker {
            code:
                ErrorCode::IllegalGeneration
                | ErrorCode::UnknownMemberId
                | ErrorCode::FencedInstanceId
                | ErrorCode::ProducerFenced
                | ErrorCode::InvalidProducerEpoch
                | ErrorCode::RebalanceInProgress,
            ..
        } => CommitError::Fenced { task },
        error if error.is_fatal() => CommitError::Fenced { task },
        error => CommitError::Uncertain(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_that_were_told_to_be_elsewhere_are_not_taken_over() {
        let at = |offsets: &[i64]| {
            offsets.iter().map(|offset| Change { offset: *offset, key: Bytes::new(), value: None }).collect::<Vec<_>>()
        };
        assert!(is_run(&at(&[])) && is_run(&at(&[7])) && is_run(&at(&[7, 8, 9])));
        assert!(!is_run(&at(&[-1, -1])) && !is_run(&at(&[-1, 0])) && !is_run(&at(&[7, 8, 8])) && !is_run(&at(&[7, 9])));
    }
}
