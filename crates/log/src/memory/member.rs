//! Members of the in-memory log: a seat taken, assignments given out one by one.
//!
//! Task t belongs to seat t % seats. Joining raises the epochs of the seat's tasks at once, before the member is told.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use riverrun_event::Offset;

use super::Shared;
use super::commit::commit;
use super::data::Data;
use super::group::{Mailbox, MemberId};
use super::state::TaskState;
use crate::commit::{Commit, CommitError, Committed, TaskId};
use crate::contract::{Answer, Assigned, Assignment, JoinError, Member, Membership};

pub(super) fn join(shared: &Arc<Shared>, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
    let mut data = shared.lock();
    if let Some(reason) = &data.stopped {
        return Err(JoinError::Failed(reason.clone()));
    }
    for input in membership.tasks.iter().flat_map(|task| &task.inputs) {
        if !data.exists(&input.topic, input.partition) {
            return Err(JoinError::UnknownPartition(input.clone()));
        }
    }
    data.members_joined += 1;
    let id = MemberId(data.members_joined);
    data.members.insert(id, Mailbox::default());
    let group = data.group_index(&membership.group);
    for task in membership.tasks {
        if task.task.0 % membership.seats.max(1) == membership.seat {
            data.assign(group, task.task, Some(task.inputs), id);
        }
    }
    Ok(Box::new(MemoryMember { shared: shared.clone(), group, id }))
}

struct MemoryMember {
    shared: Arc<Shared>,
    group: usize,
    id: MemberId,
}

impl Member for MemoryMember {
    fn next(&mut self) -> Answer<'_, Assignment> {
        Box::pin(poll_fn(|context| self.poll_next(context)))
    }

    fn commit(&self, changes: Commit) -> Answer<'static, Result<Committed, CommitError>> {
        commit(&self.shared, self.group, self.id, changes)
    }
}

impl Drop for MemoryMember {
    fn drop(&mut self) {
        self.shared.lock().leave(self.group, self.id);
    }
}

impl MemoryMember {
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Assignment> {
        let mut data = self.shared.lock();
        data.settle(self.group, self.id);
        loop {
            let Some(mailbox) = data.members.get_mut(&self.id) else { return Poll::Pending };
            if let Some(revoke) = mailbox.revoked.pop_front() {
                return Poll::Ready(Assignment::Revoke(revoke));
            }
            let Some(task) = mailbox.assigned.pop_front() else { break };
            if let Some(assigned) = self.assigned(&data, task) {
                return Poll::Ready(Assignment::Assigned(assigned));
            }
        }
        self.wait(&mut data, context)
    }

    /// Arranges to be woken by the next change, or by an acknowledgement.
    fn wait(&self, data: &mut Data, context: &mut Context<'_>) -> Poll<Assignment> {
        let Some(mailbox) = data.members.get_mut(&self.id) else { return Poll::Pending };
        mailbox.waker = Some(context.waker().clone());
        for revocation in &mut mailbox.unacknowledged {
            if Pin::new(&mut revocation.acknowledged).poll(context).is_ready() {
                // It came between settling and here, and a receiver cannot be asked again after its answer.
                let (answered, now) = tokio::sync::oneshot::channel();
                drop(answered);
                revocation.acknowledged = now;
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// The task as it stands now; `None` when it went to another member before this one was told.
    fn assigned(&self, data: &Data, task: TaskId) -> Option<Assigned> {
        let group = data.groups.get(self.group)?;
        let held = group.tasks.get(&task).filter(|held| held.owner == Some(self.id))?;
        let next = |input| group.positions.get(input).copied().unwrap_or(Offset(0));
        Some(Assigned {
            task,
            epoch: held.epoch,
            positions: held.inputs.iter().map(|input| (input.clone(), next(input))).collect(),
            state: Arc::new(TaskState { shared: self.shared.clone(), group: self.group, task }),
        })
    }
}
