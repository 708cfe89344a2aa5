//! Reading the committed state of a task.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::OperatorName;

use super::Shared;
use crate::commit::TaskId;
use crate::contract::{Direction, StateError, StateRead};

/// The state of one task, as of the last commit.
pub(super) struct TaskState {
    pub(super) shared: Arc<Shared>,
    pub(super) group: usize,
    pub(super) task: TaskId,
}

impl StateRead for TaskState {
    fn get(&self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let data = self.shared.lock();
        let task = data.groups.get(self.group).and_then(|group| group.tasks.get(&self.task));
        Ok(task.and_then(|task| task.state.get(operator)?.get(key).cloned()))
    }

    fn scan(
        &self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        // A range that ends before it starts is empty here; the map would panic.
        if from >= to {
            return Ok(Vec::new());
        }
        let data = self.shared.lock();
        let task = data.groups.get(self.group).and_then(|group| group.tasks.get(&self.task));
        let Some(rows) = task.and_then(|task| task.state.get(operator)) else { return Ok(Vec::new()) };
        let range = rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        let row = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match direction {
            Direction::Ascending => range.map(row).take(limit).collect(),
            Direction::Descending => range.rev().map(row).take(limit).collect(),
        })
    }
}
