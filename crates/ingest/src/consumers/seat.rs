//! This process as the one member of a group of the log: what it was assigned, and its commits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use riverrun_log::{
    Answer, Assigned, Assignment, Commit, CommitError, Committed, GroupName, JoinError, Log, Member, Membership,
    TaskId, TaskInputs,
};
use tokio::task::spawn_blocking;

/// A membership and the tasks it came with.
pub(super) struct Seat {
    member: Mutex<Box<dyn Member>>,
    tasks: BTreeMap<TaskId, Assigned>,
}

impl Seat {
    /// Joins, and waits until every task is assigned. Whoever had them before is fenced.
    pub(super) async fn take(log: &Arc<dyn Log>, group: GroupName, tasks: Vec<TaskInputs>) -> Result<Self, JoinError> {
        let wanted = tasks.len();
        let membership = Membership { group, tasks, seat: 0, seats: 1, takes_over: true };
        let log = Arc::clone(log);
        let joined = spawn_blocking(move || log.join(membership)).await;
        let mut member = joined.map_err(|error| JoinError::Failed(error.to_string()))??;
        let mut tasks = BTreeMap::new();
        while tasks.len() < wanted {
            match member.next().await {
                Assignment::Assigned(assigned) => {
                    tasks.insert(assigned.task, assigned);
                }
                // Dropping the acknowledgement gives the tasks back; they are assigned again.
                Assignment::Revoke(revoke) => revoke.tasks.iter().for_each(|task| drop(tasks.remove(task))),
            }
        }
        Ok(Self { member: Mutex::new(member), tasks })
    }

    /// The tasks as they were assigned.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Assigned> {
        self.tasks.values()
    }

    /// Changes everything in `commit` durably, or nothing. After a failure the seat must be taken again.
    pub(super) fn commit(&self, commit: Commit) -> Answer<'static, Result<Committed, CommitError>> {
        // Nothing panics while it holds the lock.
        self.member.lock().unwrap_or_else(PoisonError::into_inner).commit(commit)
    }
}
