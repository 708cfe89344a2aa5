//! `Order`: in which order one commit's inputs were processed, and what was known of the models; behind that, where there is
//! any, what the wall clock said and what calls to the outside answered. Rows without those end before them.

use riverrun_event::{ModelName, Time};

use super::codec::{Cursor, Undecodable, key, put_string, put_time, put_varint};
use super::{GroupId, GroupTask, PartitionId, TopicId};
use crate::schema::StoredRow;

/// The row's value, with topics by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderRow {
    /// Input, first offset, offset after the last.
    pub(crate) ranges: Vec<(PartitionId, u64, u64)>,
    /// Model, partition, next offset.
    pub(crate) frontiers: Vec<(ModelName, u32, u64)>,
    /// What the wall clock said.
    pub(crate) tick: Option<Time>,
    /// Call and answer.
    pub(crate) answers: Vec<(Vec<u8>, Vec<u8>)>,
}

pub(crate) fn encode_key(task: GroupTask, sequence: u64) -> Vec<u8> {
    let mut out = key(StoredRow::Order, 16);
    out.extend(task.group.0.to_be_bytes());
    out.extend(task.task.to_be_bytes());
    out.extend(sequence.to_be_bytes());
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(GroupTask, u64), Undecodable> {
    let mut cursor = Cursor::new("order", bytes);
    cursor.tag(StoredRow::Order)?;
    let task = GroupTask { group: GroupId(cursor.u32()?), task: cursor.u32()? };
    let sequence = cursor.u64()?;
    cursor.end().map(|()| (task, sequence))
}

pub(crate) fn encode_value(row: &OrderRow) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, row.ranges.len() as u64);
    for (input, from, to) in &row.ranges {
        for number in [u64::from(input.topic.0), u64::from(input.partition), *from, *to] {
            put_varint(&mut out, number);
        }
    }
    put_varint(&mut out, row.frontiers.len() as u64);
    for (model, partition, next) in &row.frontiers {
        put_string(&mut out, model.as_str().as_bytes());
        put_varint(&mut out, u64::from(*partition));
        put_varint(&mut out, *next);
    }
    if row.tick.is_none() && row.answers.is_empty() {
        return out;
    }
    out.push(u8::from(row.tick.is_some()));
    if let Some(tick) = row.tick {
        put_time(&mut out, tick);
    }
    put_varint(&mut out, row.answers.len() as u64);
    for (call, answer) in &row.answers {
        put_string(&mut out, call);
        put_string(&mut out, answer);
    }
    out
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<OrderRow, Undecodable> {
    let mut cursor = Cursor::new("order", bytes);
    let mut row = OrderRow::default();
    for _ in 0..cursor.varint()? {
        let input = PartitionId { topic: TopicId(number(&mut cursor)?), partition: number(&mut cursor)? };
        row.ranges.push((input, cursor.varint()?, cursor.varint()?));
    }
    for _ in 0..cursor.varint()? {
        let model = ModelName::internal(cursor.text()?).map_err(|_| cursor.error("a model's name is not valid"))?;
        row.frontiers.push((model, number(&mut cursor)?, cursor.varint()?));
    }
    if !cursor.is_empty() {
        row.tick = if cursor.u8()? == 0 { None } else { Some(cursor.time()?) };
        for _ in 0..cursor.varint()? {
            row.answers.push((cursor.string()?.to_vec(), cursor.string()?.to_vec()));
        }
    }
    cursor.end().map(|()| row)
}

fn number(cursor: &mut Cursor<'_>) -> Result<u32, Undecodable> {
    u32::try_from(cursor.varint()?).map_err(|_| cursor.error("a number is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(
            key: (u32, u32, u64), ranges: Vec<(u32, u32, u64, u64)>,
            tick: Option<(i64, u32)>, answers: Vec<(Vec<u8>, Vec<u8>)>,
            frontiers in proptest::collection::vec(("[a-z][a-z0-9._-]{0,9}", any::<u32>(), any::<u64>()), 0..5),
        ) {
            let task = GroupTask { group: GroupId(key.0), task: key.1 };
            let row = OrderRow {
                ranges: ranges.into_iter().map(|(topic, partition, from, to)| (PartitionId { topic: TopicId(topic), partition }, from, to)).collect(),
                frontiers: frontiers.into_iter().map(|(model, partition, next)| (ModelName::new(&model).unwrap(), partition, next)).collect(),
                tick: tick.map(|(seconds, nanoseconds)| Time::from_unix(seconds, nanoseconds)),
                answers,
            };
            prop_assert_eq!(decode_key(&encode_key(task, key.2)), Ok((task, key.2)));
            prop_assert_eq!(decode_value(&encode_value(&row)), Ok(row));
        }
    }
}
