//! Members' commits: outputs, state, positions and order records in one batch, or nothing.

use riverrun_log::{CommitError, TaskId};

use super::Committer;
use super::cycle::{Answer, Cycle};
use super::queue::{PreparedTask, TaskRequest};
use crate::stored::{order, position, task};

impl Committer {
    pub(crate) fn change(&mut self, cycle: &mut Cycle, request: TaskRequest) {
        let TaskRequest { tasks, answer, permit, .. } = request;
        let decided = self.fence(&tasks);
        if decided.is_ok() {
            tasks.iter().for_each(|task| self.change_task(cycle, task));
        } else {
            self.log.metrics.fenced.inc();
        }
        cycle.answers.push(Answer::Task(answer, decided, permit));
    }

    /// All tasks must still belong to the member.
    fn fence(&self, tasks: &[PreparedTask]) -> Result<(), CommitError> {
        let stale = |task: &&PreparedTask| self.tasks.get(&task.id).is_none_or(|row| row.epoch != task.epoch);
        match tasks.iter().find(stale) {
            Some(task) => Err(CommitError::Fenced { task: TaskId(task.id.task) }),
            None => Ok(()),
        }
    }

    fn change_task(&mut self, cycle: &mut Cycle, change: &PreparedTask) {
        change.prepared.parts.iter().for_each(|part| self.add_part(cycle, &change.prepared, part));
        cycle.records += change.prepared.records.len() as u64;

        let keyspaces = &self.log.keyspaces;
        for (key, value) in &change.state {
            let key = change.state_keys.get(key.clone()).unwrap_or_default();
            match value {
                Some(value) => cycle.batch.put(&keyspaces.state, key, value),
                None => cycle.batch.delete(&keyspaces.state, key),
            }
        }
        for (input, next) in &change.positions {
            cycle.positions.push((position::encode_key(change.id, *input), position::encode_value(*next)));
        }
        if let (Some(order), Some(row)) = (&change.order, self.tasks.get_mut(&change.id)) {
            let key = order::encode_key(change.id, row.next_order);
            cycle.batch.put(&keyspaces.state, &key, &order::encode_value(order));
            row.next_order += 1;
            cycle.batch.put(&keyspaces.meta, &task::encode_key(change.id), &task::encode_value(*row));
        }
        cycle.state_changed |= !change.state.is_empty() || change.order.is_some();
    }
}
