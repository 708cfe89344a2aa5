//! `State`: one row of a task's keyed state. The value is the operator's own and is stored as it is.

use super::codec::{Cursor, Undecodable};
use super::{GroupId, GroupTask, OperatorId};
use crate::schema::StoredRow;

/// Bytes of a key before the operator's own key.
pub(crate) const PREFIX_BYTES: usize = 13;

/// Appends the key to `out`: a commit encodes all its keys into one buffer.
pub(crate) fn encode_key_into(out: &mut Vec<u8>, task: GroupTask, operator: OperatorId, key: &[u8]) {
    out.extend(StoredRow::State.tag());
    for part in [task.group.0, task.task, operator.0] {
        out.extend(part.to_be_bytes());
    }
    out.extend_from_slice(key);
}

pub(crate) fn encode_key(task: GroupTask, operator: OperatorId, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREFIX_BYTES + key.len());
    encode_key_into(&mut out, task, operator, key);
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(GroupTask, OperatorId, &[u8]), Undecodable> {
    let mut cursor = Cursor::new("state", bytes);
    cursor.tag(StoredRow::State)?;
    let task = GroupTask { group: GroupId(cursor.u32()?), task: cursor.u32()? };
    Ok((task, OperatorId(cursor.u32()?), cursor.rest()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(parts: (u32, u32, u32), key: Vec<u8>) {
            let (task, operator) = (GroupTask { group: GroupId(parts.0), task: parts.1 }, OperatorId(parts.2));
            let encoded = encode_key(task, operator, &key);
            prop_assert_eq!(encoded.len(), PREFIX_BYTES + key.len());
            prop_assert_eq!(decode_key(&encoded), Ok((task, operator, &key[..])));
        }
    }
}
