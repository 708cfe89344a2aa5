//! `Position`: how far a task has read one of its input partitions.

use super::codec::{Cursor, Undecodable, key};
use super::{GroupId, GroupTask, PartitionId, TopicId};
use crate::schema::StoredRow;

pub(crate) fn encode_key(task: GroupTask, input: PartitionId) -> Vec<u8> {
    let mut out = key(StoredRow::Position, 16);
    for part in [task.group.0, task.task, input.topic.0, input.partition] {
        out.extend(part.to_be_bytes());
    }
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(GroupTask, PartitionId), Undecodable> {
    let mut cursor = Cursor::new("position", bytes);
    cursor.tag(StoredRow::Position)?;
    let task = GroupTask { group: GroupId(cursor.u32()?), task: cursor.u32()? };
    let input = PartitionId { topic: TopicId(cursor.u32()?), partition: cursor.u32()? };
    cursor.end().map(|()| (task, input))
}

pub(crate) fn encode_value(next: u64) -> [u8; 8] {
    next.to_be_bytes()
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<u64, Undecodable> {
    let mut cursor = Cursor::new("position", bytes);
    let next = cursor.u64()?;
    cursor.end().map(|()| next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(parts: (u32, u32, u32, u32), next: u64) {
            let task = GroupTask { group: GroupId(parts.0), task: parts.1 };
            let input = PartitionId { topic: TopicId(parts.2), partition: parts.3 };
            prop_assert_eq!(decode_key(&encode_key(task, input)), Ok((task, input)));
            prop_assert_eq!(decode_value(&encode_value(next)), Ok(next));
        }
    }
}
