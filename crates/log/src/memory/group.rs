//! Groups: who owns which task at which epoch, and what is on its way to each member.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::task::Waker;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, TopicPartition};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::data::Data;
use crate::commit::{Epoch, GroupName, Order, TaskId};
use crate::contract::Revoke;

/// Tells members apart, also those that took the same seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct MemberId(pub(super) u64);

/// One group.
#[derive(Default)]
pub(super) struct GroupData {
    pub(super) tasks: BTreeMap<TaskId, TaskData>,
    /// Of the group, not of a task: an input keeps its position when another task reads it.
    pub(super) positions: BTreeMap<TopicPartition, Offset>,
}

/// One task.
#[derive(Default)]
pub(super) struct TaskData {
    pub(super) epoch: Epoch,
    pub(super) owner: Option<MemberId>,
    pub(super) inputs: Vec<TopicPartition>,
    pub(super) state: HashMap<OperatorName, BTreeMap<Bytes, Bytes>>,
    pub(super) orders: Vec<Order>,
}

/// What a member has not been told yet, and what it has not acknowledged.
#[derive(Default)]
pub(super) struct Mailbox {
    pub(super) assigned: VecDeque<TaskId>,
    pub(super) revoked: VecDeque<Revoke>,
    pub(super) unacknowledged: Vec<Revocation>,
    pub(super) waker: Option<Waker>,
}

/// Tasks on their way from a member and back to it.
pub(super) struct Revocation {
    pub(super) tasks: Vec<TaskId>,
    pub(super) acknowledged: oneshot::Receiver<()>,
}

impl Mailbox {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn revoke(&mut self, tasks: Vec<TaskId>) -> Revocation {
        let (acknowledge, acknowledged) = oneshot::channel();
        self.revoked.push_back(Revoke { tasks: tasks.clone(), acknowledge });
        self.wake();
        Revocation { tasks, acknowledged }
    }
}

impl Data {
    pub(super) fn group_index(&mut self, name: &GroupName) -> usize {
        if let Some(index) = self.group_indexes.get(name) {
            return *index;
        }
        self.groups.push(GroupData::default());
        self.group_indexes.insert(name.clone(), self.groups.len() - 1);
        self.groups.len() - 1
    }

    /// Gives a task to a member at a higher epoch; whoever had it is told, and fenced.
    pub(super) fn assign(&mut self, group: usize, task: TaskId, inputs: Option<Vec<TopicPartition>>, member: MemberId) {
        let Some(group) = self.groups.get_mut(group) else { return };
        let data = group.tasks.entry(task).or_default();
        data.epoch = Epoch(data.epoch.0 + 1);
        if let Some(inputs) = inputs {
            data.inputs = inputs;
        }
        let before = data.owner.replace(member).filter(|before| *before != member);
        if let Some(before) = before.and_then(|before| self.members.get_mut(&before)) {
            // Its acknowledgement changes nothing any more: the task has its new owner.
            before.revoke(vec![task]);
        }
        if let Some(mailbox) = self.members.get_mut(&member) {
            mailbox.assigned.push_back(task);
            mailbox.wake();
        }
    }

    /// Takes tasks from their owner; they come back to it once it acknowledges. Those that are already being taken stay so.
    pub(super) fn revoke(&mut self, member: MemberId, tasks: impl Iterator<Item = TaskId>) {
        let Some(mailbox) = self.members.get_mut(&member) else { return };
        let pending = |task: &TaskId| mailbox.unacknowledged.iter().any(|revocation| revocation.tasks.contains(task));
        let tasks: Vec<_> = tasks.filter(|task| !pending(task)).collect();
        if !tasks.is_empty() {
            let revocation = mailbox.revoke(tasks);
            mailbox.unacknowledged.push(revocation);
        }
    }

    /// Assigns again what a member has acknowledged to give back.
    pub(super) fn settle(&mut self, group: usize, member: MemberId) {
        let Some(mailbox) = self.members.get_mut(&member) else { return };
        let acknowledged =
            |revocation: &mut Revocation| !matches!(revocation.acknowledged.try_recv(), Err(TryRecvError::Empty));
        let tasks: Vec<_> =
            mailbox.unacknowledged.extract_if(.., acknowledged).flat_map(|revocation| revocation.tasks).collect();
        for task in tasks {
            if self.owns(group, task, member) {
                self.assign(group, task, None, member);
            }
        }
    }

    /// Ends a task's ownership: commits at its epoch are refused until it is assigned again.
    pub(super) fn disown(&mut self, group: usize, task: TaskId) {
        if let Some(data) = self.groups.get_mut(group).and_then(|group| group.tasks.get_mut(&task)) {
            data.owner = None;
        }
    }

    pub(super) fn owns(&self, group: usize, task: TaskId, member: MemberId) -> bool {
        let task = self.groups.get(group).and_then(|group| group.tasks.get(&task));
        task.is_some_and(|task| task.owner == Some(member))
    }

    /// Forgets a member; its tasks have no owner until another joins.
    pub(super) fn leave(&mut self, group: usize, member: MemberId) {
        self.members.remove(&member);
        for task in self.groups.get_mut(group).into_iter().flat_map(|group| group.tasks.values_mut()) {
            task.owner = task.owner.filter(|owner| *owner != member);
        }
    }
}
