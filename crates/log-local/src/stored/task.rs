//! `Task`: who may commit for a task, and which order rows it has.

use super::codec::{Cursor, Undecodable, key};
use super::{GroupId, GroupTask};
use crate::schema::StoredRow;

/// The row's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskRow {
    /// Counts the owners; only the last one commits.
    pub(crate) epoch: u64,
    /// The first order row that is kept.
    pub(crate) first_order: u64,
    /// The number of the next order row.
    pub(crate) next_order: u64,
}

pub(crate) fn encode_key(task: GroupTask) -> Vec<u8> {
    let mut out = key(StoredRow::Task, 8);
    out.extend(task.group.0.to_be_bytes());
    out.extend(task.task.to_be_bytes());
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<GroupTask, Undecodable> {
    let mut cursor = Cursor::new("task", bytes);
    cursor.tag(StoredRow::Task)?;
    let task = GroupTask { group: GroupId(cursor.u32()?), task: cursor.u32()? };
    cursor.end().map(|()| task)
}

pub(crate) fn encode_value(row: TaskRow) -> Vec<u8> {
    [row.epoch, row.first_order, row.next_order].into_iter().flat_map(u64::to_be_bytes).collect()
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<TaskRow, Undecodable> {
    let mut cursor = Cursor::new("task", bytes);
    let row = TaskRow { epoch: cursor.u64()?, first_order: cursor.u64()?, next_order: cursor.u64()? };
    cursor.end().map(|()| row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(group: u32, task: u32, epoch: u64, first_order: u64, next_order: u64) {
            let task = GroupTask { group: GroupId(group), task };
            let row = TaskRow { epoch, first_order, next_order };
            prop_assert_eq!(decode_key(&encode_key(task)), Ok(task));
            prop_assert_eq!(decode_value(&encode_value(row)), Ok(row));
        }
    }
}
