//! A member as a worker plays it: it takes its tasks, commits, and joins again after a commit that failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use riverrun_event::Offset;

use super::wait::wait;
use super::words::partition;
use crate::commit::{Commit, CommitError, Committed, Epoch, TaskCommit, TaskId};
use crate::contract::{Assigned, Assignment, Log, Member, Membership, StateRead};

/// A log that keeps failing more commits than this in a row is broken, not faulty.
const ATTEMPTS_MAX: u32 = 1_000;

pub(super) struct Owner<'a> {
    log: &'a dyn Log,
    membership: Membership,
    member: Option<Box<dyn Member>>,
    tasks: BTreeMap<TaskId, Assigned>,
}

impl<'a> Owner<'a> {
    /// Joins and takes the tasks of the seat.
    pub(super) fn join(log: &'a dyn Log, membership: Membership) -> Self {
        let mut owner = Self { log, membership, member: None, tasks: BTreeMap::new() };
        owner.join_again();
        owner
    }

    /// Leaves, joins and takes the tasks as they stand.
    pub(super) fn join_again(&mut self) {
        self.tasks.clear();
        self.member = None;
        let mut member = self.log.join(self.membership.clone()).unwrap();
        let seat = |task: &TaskId| task.0 % self.membership.seats == self.membership.seat;
        let expected = self.membership.tasks.iter().filter(|task| seat(&task.task)).count();
        while self.tasks.len() < expected {
            match wait(member.next()) {
                Assignment::Assigned(assigned) => {
                    let twice = self.tasks.insert(assigned.task, assigned);
                    assert!(twice.is_none(), "a task was assigned twice");
                }
                Assignment::Revoke(revoke) => panic!("tasks {:?} were revoked from a new member", revoke.tasks),
            }
        }
        self.member = Some(member);
    }

    pub(super) fn member(&mut self) -> &mut dyn Member {
        self.member.as_deref_mut().unwrap()
    }

    pub(super) fn tasks(&self) -> Vec<u32> {
        self.tasks.keys().map(|task| task.0).collect()
    }

    pub(super) fn epoch(&self, task: u32) -> Epoch {
        self.tasks[&TaskId(task)].epoch
    }

    /// Where the task was to go on reading its input when it was assigned.
    pub(super) fn position(&self, task: u32) -> Offset {
        self.tasks[&TaskId(task)].positions[&partition("in", task)]
    }

    pub(super) fn state(&self, task: u32) -> &dyn StateRead {
        &*self.tasks[&TaskId(task)].state
    }

    /// A reader of the task's state that outlives the ownership.
    pub(super) fn state_reader(&self, task: u32) -> Arc<dyn StateRead> {
        self.tasks[&TaskId(task)].state.clone()
    }

    pub(super) fn row(&self, task: u32, operator: &str, key: &str) -> Option<String> {
        let value = self.state(task).get(&super::words::operator(operator), key.as_bytes()).unwrap();
        value.map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    /// One attempt at a commit, at the epochs the tasks were assigned with.
    pub(super) fn try_commit(&self, mut tasks: Vec<TaskCommit>) -> Result<Committed, CommitError> {
        for task in &mut tasks {
            task.epoch = self.tasks[&task.task].epoch;
        }
        wait(self.member.as_deref().unwrap().commit(Commit { tasks }))
    }

    /// Commits, whatever it takes: after a commit that was fenced or is uncertain, the committed position says whether it
    /// happened. So the first task's commit must hold a position that no commit held before.
    pub(super) fn commit(&mut self, tasks: Vec<TaskCommit>) -> Option<Committed> {
        let task = tasks[0].task;
        let (input, next) = tasks[0].positions[0].clone();
        for _ in 0..ATTEMPTS_MAX {
            match self.try_commit(tasks.clone()) {
                Ok(committed) => return Some(committed),
                Err(CommitError::Fenced { .. } | CommitError::Uncertain(_)) => self.join_again(),
                Err(error) => panic!("the commit failed: {error}"),
            }
            if self.tasks[&task].positions[&input] == next {
                return None;
            }
        }
        panic!("{ATTEMPTS_MAX} commits in a row were refused");
    }

    /// What a commit that must be refused is answered with; other faults are overcome.
    pub(super) fn refusal(&mut self, tasks: &[TaskCommit]) -> CommitError {
        for _ in 0..ATTEMPTS_MAX {
            match self.try_commit(tasks.to_vec()) {
                Ok(committed) => panic!("the commit happened as number {}", committed.number),
                Err(CommitError::Fenced { .. } | CommitError::Uncertain(_)) => self.join_again(),
                Err(error) => return error,
            }
        }
        panic!("{ATTEMPTS_MAX} commits in a row were fenced or uncertain");
    }
}
