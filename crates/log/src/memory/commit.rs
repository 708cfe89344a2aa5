//! Committing: check everything, then change everything, under one lock; and what faults do to it.

use std::future::{poll_fn, ready};
use std::sync::Arc;
use std::task::Poll;

use super::Shared;
use super::data::Data;
use super::faults::CommitFault;
use super::group::{MemberId, TaskData};
use crate::commit::{Commit, CommitError, Committed, StateChange, TaskCommit, TaskId};
use crate::contract::Answer;

/// Commits for a member, unless a fault strikes.
pub(super) fn commit(
    shared: &Arc<Shared>,
    group: usize,
    member: MemberId,
    changes: Commit,
) -> Answer<'static, Result<Committed, CommitError>> {
    let struck = shared.lock().strike(group, member, &changes);
    match struck {
        Err(refused) => Box::pin(ready(Err(refused))),
        Ok(None) => Box::pin(ready(apply(shared, group, member, changes))),
        Ok(Some(CommitFault::Uncertain { applied })) => {
            let tasks: Vec<_> = changes.tasks.iter().map(|task| task.task).collect();
            if applied && let Err(refused) = apply(shared, group, member, changes) {
                return Box::pin(ready(Err(refused)));
            }
            tasks.into_iter().for_each(|task| shared.lock().disown(group, task));
            Box::pin(ready(Err(CommitError::Uncertain("the answer was lost (a declared fault)".to_owned()))))
        }
        Ok(Some(CommitFault::Revoked { fenced })) => {
            let shared = shared.clone();
            Box::pin(async move {
                // The owner of the task gets one turn to see the revocation before the commit is decided.
                one_turn().await;
                if fenced {
                    return Err(CommitError::Fenced { task: first_task(&changes) });
                }
                apply(&shared, group, member, changes)
            })
        }
    }
}

fn apply(shared: &Shared, group: usize, member: MemberId, changes: Commit) -> Result<Committed, CommitError> {
    let moves = changes.tasks.iter().any(|task| !task.records.is_empty());
    let committed = {
        let mut data = shared.lock();
        data.settle(group, member);
        data.check(group, member, &changes)?;
        data.apply(group, changes)
    };
    if moves {
        shared.announce();
    }
    Ok(committed)
}

impl Data {
    /// Refuses a commit that could not happen anyhow, else draws the fault that strikes it.
    fn strike(&mut self, group: usize, member: MemberId, changes: &Commit) -> Result<Option<CommitFault>, CommitError> {
        self.settle(group, member);
        self.check(group, member, changes)?;
        if changes.tasks.is_empty() {
            return Ok(None);
        }
        let fault = self.faults.commit_fault();
        if let Some(CommitFault::Revoked { fenced }) = fault {
            let tasks: Vec<_> = changes.tasks.iter().map(|task| task.task).collect();
            self.revoke(member, tasks.iter().copied());
            if fenced {
                self.raise_epochs(group, &tasks);
            }
        }
        Ok(fault)
    }

    fn check(&self, group: usize, member: MemberId, changes: &Commit) -> Result<(), CommitError> {
        if let Some(reason) = &self.stopped {
            return Err(CommitError::Failed(reason.clone()));
        }
        let tasks = self.groups.get(group).map(|group| &group.tasks);
        for change in &changes.tasks {
            let held = tasks.and_then(|tasks| tasks.get(&change.task));
            if !held.is_some_and(|held| held.owner == Some(member) && held.epoch == change.epoch) {
                return Err(CommitError::Fenced { task: change.task });
            }
        }
        for record in changes.tasks.iter().flat_map(|task| &task.records) {
            if !self.exists(&record.topic, record.partition) {
                let (topic, partition) = (record.topic.clone(), record.partition);
                return Err(CommitError::UnknownTopic { topic, partition });
            }
        }
        Ok(())
    }

    fn apply(&mut self, group: usize, changes: Commit) -> Committed {
        let (number, accepted) = self.change();
        for change in changes.tasks {
            let TaskCommit { task, epoch: _, records, state, positions, order } = change;
            for record in records {
                self.store(record, accepted);
            }
            let Some(group) = self.groups.get_mut(group) else { continue };
            group.positions.extend(positions);
            let held = group.tasks.entry(task).or_default();
            state.into_iter().for_each(|row| held.change(row));
            held.orders.extend(order);
        }
        Committed { number }
    }

    /// As if another member had owned the tasks in between.
    fn raise_epochs(&mut self, group: usize, tasks: &[TaskId]) {
        let Some(group) = self.groups.get_mut(group) else { return };
        for task in tasks {
            if let Some(held) = group.tasks.get_mut(task) {
                held.epoch.0 += 1;
            }
        }
    }
}

impl TaskData {
    fn change(&mut self, row: StateChange) {
        let rows = self.state.entry(row.operator).or_default();
        match row.value {
            Some(value) => rows.insert(row.key, value),
            None => rows.remove(&row.key),
        };
    }
}

fn first_task(changes: &Commit) -> TaskId {
    changes.tasks.first().map_or(TaskId(0), |task| task.task)
}

/// Pends once.
async fn one_turn() {
    let mut turned = false;
    poll_fn(move |context| {
        if std::mem::replace(&mut turned, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
