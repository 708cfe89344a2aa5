//! Members of a group: which tasks they own, and their commits.
//!
//! Seats are fixed: task t belongs to seat t % seats. Joining bumps the epochs of the seat's tasks durably, so whoever sat there
//! before is fenced from then on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, mpsc};

use riverrun_event::{Offset, TopicPartition};
use riverrun_log::{
    Answer, Assigned, Assignment, Commit, CommitError, Committed, Epoch, JoinError, Member, Membership, Order,
    TaskCommit, TaskInputs,
};
use tokio::sync::oneshot;

use crate::committer::queue::{Control, PreparedTask, Request, TaskRequest};
use crate::local::Inner;
use crate::prepare::Prepared;
use crate::state::TaskState;
use crate::stored::order::OrderRow;
use crate::stored::{GroupId, GroupTask, OperatorId, PartitionId, position, state};

/// A member of a group of this log.
pub(crate) struct LocalMember {
    log: Arc<Inner>,
    group: GroupId,
    /// Not handed out yet.
    assigned: VecDeque<Assigned>,
}

impl Inner {
    pub(crate) fn join(log: &Arc<Self>, membership: &Membership) -> Result<LocalMember, JoinError> {
        for input in membership.tasks.iter().flat_map(|task| &task.inputs) {
            log.partition(input).map_err(|_| JoinError::UnknownPartition(input.clone()))?;
        }
        let seats = membership.seats.max(1);
        let mine: Vec<&TaskInputs> =
            membership.tasks.iter().filter(|task| task.task.0 % seats == membership.seat % seats).collect();
        let (answer, answered) = mpsc::channel();
        let tasks = mine.iter().map(|task| task.task).collect();
        log.queue
            .push_control(Control::Join { group: membership.group.clone(), tasks, answer })
            .map_err(JoinError::Failed)?;
        let (group, epochs) = answered.recv().unwrap_or_else(|_| Err(JoinError::Failed(log.why_stopped())))?;

        let mut assigned = VecDeque::with_capacity(mine.len());
        for (task, epoch) in mine.into_iter().zip(epochs) {
            let id = GroupTask { group, task: task.task.0 };
            assigned.push_back(Assigned {
                task: task.task,
                epoch: Epoch(epoch),
                positions: log.positions(id, &task.inputs)?,
                state: Arc::new(TaskState { log: Arc::clone(log), task: id }),
            });
        }
        Ok(LocalMember { log: Arc::clone(log), group, assigned })
    }

    /// As committed; the partition's start where nothing was.
    fn positions(
        &self,
        task: GroupTask,
        inputs: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, JoinError> {
        let snapshot = self.store.snapshot();
        let next = |input: &TopicPartition| {
            let (topic, id) = self.partition(input).map_err(|_| JoinError::UnknownPartition(input.clone()))?;
            let failed =
                |error: String| JoinError::Failed(format!("the position of task {} in {input}: {error}", task.task));
            let stored = snapshot.get(&self.keyspaces.meta, &position::encode_key(task, id));
            let next = match stored.map_err(|error| failed(error.to_string()))? {
                Some(value) => position::decode_value(&value).map_err(|error| failed(error.to_string()))?,
                None => topic.bounds(id.partition).map_or(0, crate::directory::Bounds::start),
            };
            Ok((input.clone(), Offset(next)))
        };
        inputs.iter().map(next).collect()
    }

    async fn commit(&self, group: GroupId, commit: Commit) -> Result<Committed, CommitError> {
        self.name_operators(group, &commit).await?;
        let bytes = commit.bytes();
        let tasks = commit.tasks.into_iter().map(|task| self.prepare_task(group, task)).collect::<Result<_, _>>()?;
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.task_permit_bytes);
        let permit = Arc::clone(&self.task_permits).acquire_many_owned(wanted).await;
        let permit = permit.map_err(|_| CommitError::Failed(self.why_stopped()))?;
        let (answer, answered) = oneshot::channel();
        let request = Request::Task(TaskRequest { tasks, bytes, answer, permit });
        self.queue.push(request).map_err(CommitError::Failed)?;
        answered.await.unwrap_or_else(|_| Err(CommitError::Failed(self.why_stopped())))
    }

    /// Gives numbers to operators that commit for the first time.
    async fn name_operators(&self, group: GroupId, commit: &Commit) -> Result<(), CommitError> {
        let changes = commit.tasks.iter().flat_map(|task| &task.state);
        let unknown = changes.filter(|change| self.directory.operator(group, &change.operator).is_none());
        let names: std::collections::BTreeSet<_> = unknown.map(|change| change.operator.clone()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let (answer, answered) = oneshot::channel();
        let control = Control::Operators { group, names: names.into_iter().collect(), answer };
        self.queue.push_control(control).map_err(CommitError::Failed)?;
        answered.await.unwrap_or_else(|_| Err(CommitError::Failed(self.why_stopped()))).map(drop)
    }

    fn prepare_task(&self, group: GroupId, commit: TaskCommit) -> Result<PreparedTask, CommitError> {
        let id = GroupTask { group, task: commit.task.0 };
        let prepared = Prepared::new(&self.directory, commit.records.iter())
            .map_err(|unknown| CommitError::UnknownTopic { topic: unknown.topic, partition: unknown.partition })?;
        let mut task = PreparedTask {
            id,
            epoch: commit.epoch.0,
            prepared,
            state_keys: Vec::new(),
            state: Vec::with_capacity(commit.state.len()),
            positions: Vec::with_capacity(commit.positions.len()),
            order: None,
        };
        // Rows of one operator usually come together: its number is looked up once.
        let mut last: Option<(riverrun_event::OperatorName, OperatorId)> = None;
        for change in commit.state {
            let operator = match &last {
                Some((name, operator)) if *name == change.operator => *operator,
                _ => {
                    let missing = || CommitError::Failed(format!("operator {} has no number", change.operator));
                    let operator = self.directory.operator(group, &change.operator).ok_or_else(missing)?;
                    last = Some((change.operator, operator));
                    operator
                }
            };
            let from = task.state_keys.len();
            state::encode_key_into(&mut task.state_keys, id, operator, &change.key);
            task.state.push((from..task.state_keys.len(), change.value));
        }
        for (input, next) in commit.positions {
            task.positions.push((self.input(&input)?, next.0));
        }
        task.order = commit.order.map(|order| self.prepare_order(order)).transpose()?;
        Ok(task)
    }

    fn prepare_order(&self, order: Order) -> Result<OrderRow, CommitError> {
        let range = |range: &riverrun_log::InputRange| Ok((self.input(&range.input)?, range.from.0, range.to.0));
        let ranges = order.ranges.iter().map(range).collect::<Result<_, CommitError>>()?;
        let frontiers = order.frontiers.into_iter();
        let frontiers = frontiers.map(|frontier| (frontier.model, frontier.partition.0, frontier.next.0)).collect();
        let answers = order.answers.into_iter().map(|answer| (answer.call.into(), answer.answer.into())).collect();
        Ok(OrderRow { tick: order.tick, ranges, frontiers, answers })
    }

    fn input(&self, input: &TopicPartition) -> Result<PartitionId, CommitError> {
        let unknown = |_| CommitError::UnknownTopic { topic: input.topic.clone(), partition: input.partition };
        self.partition(input).map(|(_, id)| id).map_err(unknown)
    }
}

impl Member for LocalMember {
    fn next(&mut self) -> Answer<'_, Assignment> {
        Box::pin(async move {
            match self.assigned.pop_front() {
                Some(assigned) => Assignment::Assigned(assigned),
                // Seats are fixed: nothing changes any more, and who is replaced learns it from its next commit.
                None => std::future::pending().await,
            }
        })
    }

    fn commit(&self, commit: Commit) -> Answer<'static, Result<Committed, CommitError>> {
        let (log, group) = (Arc::clone(&self.log), self.group);
        Box::pin(async move { log.commit(group, commit).await })
    }
}
