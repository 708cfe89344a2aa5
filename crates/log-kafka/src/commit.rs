//! A commit is one transaction of outputs, changelog and positions that carries the generation of the group, so that nobody commits for
//! a task that has moved. The local copies of the states change after it, and never before, and together with what readers see of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use riverrun_event::Time;
use riverrun_log::{Commit, CommitError, Committed, Epoch, GroupName, NewRecord, TaskCommit, TaskId};

use crate::cluster::Cluster;
use crate::group::Generation;
use crate::member::Shared;
use crate::refusals::ASK_AGAIN;
use crate::sabotage;
use crate::state::{Change, RowKey, TaskState, changed, ordered, positioned};
use crate::transaction::{Failure, Place, Positions, Transactions, Writes, Written};

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
    transactions: Option<Transactions>,
    owned: Arc<Mutex<Owned>>,
    group: GroupName,
    /// The static name of the member.
    member: String,
    number: u64,
}

/// The changelog of a task, what is written to it in which order, and the local copy that changes likewise.
struct Rows {
    task: Arc<TaskState>,
    changelog: Place,
    rows: Vec<(RowKey, Option<Bytes>)>,
}

impl Committing {
    pub(crate) fn new(group: GroupName, member: String, owned: Arc<Mutex<Owned>>) -> Self {
        Self { transactions: None, owned, group, member, number: 0 }
    }

    /// Commits nothing from now on.
    pub(crate) fn end(&mut self) {
        self.transactions = None;
    }

    pub(crate) fn begin_with(&mut self, transactions: Transactions) {
        self.transactions = Some(transactions);
    }

    pub(crate) async fn commit(&mut self, shared: &Shared, commit: Commit) -> Result<Committed, CommitError> {
        let cluster = &*shared.cluster;
        let (tasks, generation) = self.check(&commit)?;
        check_topics(cluster, &commit).await?;
        let Some(first) = commit.tasks.first().map(|task| task.task) else { return Ok(self.committed()) };
        let positions = self.positions(cluster, generation, &commit);
        let refused = |failure: Failure| {
            tracing::warn!(group = %self.group, error = %failure, "a commit is given up");
            refused(&failure, first)
        };
        let (writes, rows) = self.writes(cluster, commit, tasks).map_err(refused)?;
        let topics = writes.topics();
        let Some(mut transactions) = self.transactions.take() else { return Err(CommitError::Fenced { task: first }) };
        let mut held = None;
        let hold = |written: &Written| held = Some(cluster.visible.hold(written.oldest(&topics)));
        let written = match transactions.commit(writes, positions, hold).await {
            Ok(written) => written,
            Err(failure) => {
                if cluster.note_refused(&format!("group {}", self.group), &failure) {
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                return Err(refused(failure));
            }
        };
        cluster.settle(&written.newest(&topics)).await;
        let take_over = || rows.into_iter().try_for_each(|rows| rows.take_over(&written));
        let taken_over = match held {
            Some(held) => held.show(take_over),
            None => take_over(),
        };
        // Committed it is; what is here is behind now, and whoever opens the task again restores it.
        taken_over.map_err(CommitError::Uncertain)?;
        self.transactions = Some(transactions);
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
        Ok((tasks, owned.generation.clone().unwrap_or_else(Generation::nobodys)))
    }

    /// How far the tasks have read, as the group is told.
    fn positions(&self, cluster: &Cluster, generation: Generation, commit: &Commit) -> Option<Positions> {
        let mut next: HashMap<String, Vec<(i32, i64)>> = HashMap::new();
        for (input, offset) in commit.tasks.iter().flat_map(|task| &task.positions) {
            let partition = cluster.partition(input);
            let offset = i64::try_from(offset.0).unwrap_or(i64::MAX);
            next.entry(partition.topic).or_default().push((partition.partition, offset));
        }
        let (generation, member) = match sabotage::generation_ignored() {
            false => (generation, Some(self.member.clone())),
            true => (Generation::nobodys(), None),
        };
        (!next.is_empty()).then(|| Positions {
            group: cluster.group(&self.group),
            generation: generation.number,
            member_id: generation.member_id,
            member,
            next,
        })
    }

    fn writes(&self, cluster: &Cluster, commit: Commit, tasks: Vec<Task>) -> Result<(Writes, Vec<Rows>), Failure> {
        let changelog = cluster.changelog(&self.group);
        let mut writes = Writes::compressed(cluster.options.compression);
        let mut written = Vec::with_capacity(tasks.len());
        for (commit, task) in commit.tasks.into_iter().zip(tasks) {
            let id = commit.task;
            let (records, rows) = rows_of(commit, &task.state);
            for record in &records {
                writes.event(cluster, record)?;
            }
            let changelog = writes.changelog(&changelog, id);
            for (key, value) in &rows {
                writes.row(changelog, key, value.as_ref())?;
            }
            written.push(Rows { task: task.state, changelog, rows });
        }
        Ok((writes, written))
    }
}

impl Rows {
    /// Changes the local copy as the changelog was changed.
    fn take_over(self, written: &Written) -> Result<(), String> {
        let Self { task, changelog, rows } = self;
        let change = |(offset, (key, value)): (i64, (RowKey, _))| Change { offset, key: key.into(), value };
        let changes: Vec<Change> = written.offsets(changelog).zip(rows).map(change).collect();
        if !is_run(&changes) {
            // They are not where they were said to be.
            return Err("the changelog has to be read to know where it was written".to_owned());
        }
        let Some(last) = changes.last() else { return Ok(()) };
        task.apply(&changes, last.offset + 1)
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

fn refused(failure: &Failure, task: TaskId) -> CommitError {
    match failure {
        Failure::Fenced(_) => CommitError::Fenced { task },
        Failure::TooLarge { .. } => CommitError::TooLarge(failure.to_string()),
        failure => CommitError::Uncertain(failure.to_string()),
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
