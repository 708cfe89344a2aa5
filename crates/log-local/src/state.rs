//! The committed state of one task, read through snapshots: every call sees the last commit, whole.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::OperatorName;
use riverrun_log::{Direction, StateError, StateRead};

use crate::local::Inner;
use crate::stored::{GroupTask, state};

/// Reads one task's rows.
pub(crate) struct TaskState {
    pub(crate) log: Arc<Inner>,
    pub(crate) task: GroupTask,
}

impl StateRead for TaskState {
    fn get(&self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let Some(operator) = self.log.directory.operator(self.task.group, operator) else { return Ok(None) };
        let key = state::encode_key(self.task, operator, key);
        let value = self.log.visible.state().get(&self.log.keyspaces.state, &key);
        Ok(value.map_err(|error| StateError(error.to_string()))?.map(riverrun_store::Value::into_bytes))
    }

    fn scan(
        &self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        let operator = self.log.directory.operator(self.task.group, operator);
        let (Some(operator), true) = (operator, from < to) else { return Ok(Vec::new()) };
        let from = state::encode_key(self.task, operator, from);
        let to = state::encode_key(self.task, operator, to);
        let range = (Bound::Included(&from[..]), Bound::Excluded(&to[..]));
        let rows = self.log.visible.state().scan::<&[u8]>(&self.log.keyspaces.state, range);
        let row = |row: Result<riverrun_store::Row, riverrun_store::ReadError>| {
            let row = row.map_err(|error| StateError(error.to_string()))?;
            let (_, _, key) = state::decode_key(&row.key).map_err(|error| StateError(error.to_string()))?;
            Ok((Bytes::copy_from_slice(key), row.value.into_bytes()))
        };
        match direction {
            Direction::Ascending => rows.take(limit).map(row).collect(),
            Direction::Descending => rows.rev().take(limit).map(row).collect(),
        }
    }
}
