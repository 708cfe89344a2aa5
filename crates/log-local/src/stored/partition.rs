//! `Partition`: the bounds of a partition and the two ends of its chain, so that opening does not scan.

use riverrun_event::Time;

use super::batch::ChainHash;
use super::codec::{Cursor, Undecodable, key, put_time};
use super::{PartitionId, TopicId};
use crate::schema::StoredRow;

/// The row's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PartitionRow {
    /// Low water: the first offset kept.
    pub(crate) start: u64,
    /// Hash of the batch before `start`; the chain begins from it.
    pub(crate) anchor: ChainHash,
    /// The offset after the last record.
    pub(crate) end: u64,
    /// Hash of the last batch; the next one names it.
    pub(crate) last: ChainHash,
    /// Accept time of the last batch.
    pub(crate) accepted: Time,
    /// Bytes of all kept batches as stored.
    pub(crate) bytes: u64,
}

impl PartitionRow {
    /// A partition nothing was written to yet.
    pub(crate) const EMPTY: Self = Self {
        start: 0,
        anchor: ChainHash::BEGINNING,
        end: 0,
        last: ChainHash::BEGINNING,
        accepted: Time::EPOCH,
        bytes: 0,
    };
}

pub(crate) fn encode_key(partition: PartitionId) -> Vec<u8> {
    let mut out = key(StoredRow::Partition, 8);
    out.extend(partition.topic.0.to_be_bytes());
    out.extend(partition.partition.to_be_bytes());
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<PartitionId, Undecodable> {
    let mut cursor = Cursor::new("partition", bytes);
    cursor.tag(StoredRow::Partition)?;
    let partition = PartitionId { topic: TopicId(cursor.u32()?), partition: cursor.u32()? };
    cursor.end().map(|()| partition)
}

pub(crate) fn encode_value(row: &PartitionRow) -> Vec<u8> {
    let mut out = Vec::with_capacity(100);
    out.extend(row.start.to_be_bytes());
    out.extend(row.anchor.0);
    out.extend(row.end.to_be_bytes());
    out.extend(row.last.0);
    put_time(&mut out, row.accepted);
    out.extend(row.bytes.to_be_bytes());
    out
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<PartitionRow, Undecodable> {
    let mut cursor = Cursor::new("partition", bytes);
    let row = PartitionRow {
        start: cursor.u64()?,
        anchor: ChainHash(cursor.array()?),
        end: cursor.u64()?,
        last: ChainHash(cursor.array()?),
        accepted: cursor.time()?,
        bytes: cursor.u64()?,
    };
    cursor.end().map(|()| row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(
            id: (u32, u32), offsets: (u64, u64), hashes: ([u8; 32], [u8; 32]), time in (any::<i64>(), 0..1_000_000_000_u32), bytes: u64,
        ) {
            let id = PartitionId { topic: TopicId(id.0), partition: id.1 };
            let row = PartitionRow {
                start: offsets.0, anchor: ChainHash(hashes.0), end: offsets.1, last: ChainHash(hashes.1),
                accepted: Time::from_unix(time.0, time.1), bytes,
            };
            prop_assert_eq!(decode_key(&encode_key(id)), Ok(id));
            prop_assert_eq!(decode_value(&encode_value(&row)), Ok(row));
        }
    }
}
