//! `Recent`: the identities one commit added, before they move into their day's keyspace.

use riverrun_log::Identity;

use super::codec::{Cursor, Undecodable};
use super::identity::{self, Seen};

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 12;

/// Bytes of one identity with what was seen under it.
const ENTRY_BYTES: usize = 48;

pub(crate) fn encode_key(day: u32, commit: u64) -> [u8; KEY_BYTES] {
    let mut out = [0; KEY_BYTES];
    out.iter_mut().zip(day.to_be_bytes().into_iter().chain(commit.to_be_bytes())).for_each(|(byte, part)| *byte = part);
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(u32, u64), Undecodable> {
    let mut cursor = Cursor::new("recent", bytes);
    let (day, commit) = (cursor.u32()?, cursor.u64()?);
    cursor.end().map(|()| (day, commit))
}

/// Appends one entry to a row's value.
pub(crate) fn encode_entry(out: &mut Vec<u8>, identity: Identity, seen: &Seen) {
    out.extend(identity::encode_key(identity));
    out.extend(identity::encode_value(seen));
}

/// The entries of a row's value.
pub(crate) fn decode_value(bytes: &[u8]) -> Result<Vec<(Identity, Seen)>, Undecodable> {
    let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() {
        return Err(Undecodable { row: "recent", detail: "it ends within an entry" });
    }
    let entry = |entry: &[u8; ENTRY_BYTES]| {
        let (key, value) = entry.split_at(16);
        Ok((identity::decode_key(key)?, identity::decode_value(value)?))
    };
    entries.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored::{PartitionId, TopicId};
    use proptest::prelude::*;
    use riverrun_log::Content;

    proptest! {
        #[test]
        fn comes_back_as_it_went(day: u32, commit: u64, entries: Vec<([u8; 16], [u8; 16], u32, u32, u64)>) {
            prop_assert_eq!(decode_key(&encode_key(day, commit)), Ok((day, commit)));
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(identity, content, topic, partition, offset)| {
                    let partition = PartitionId { topic: TopicId(topic), partition };
                    (Identity(identity), Seen { content: Content(content), partition, offset })
                })
                .collect();
            let mut value = Vec::new();
            entries.iter().for_each(|(identity, seen)| encode_entry(&mut value, *identity, seen));
            prop_assert_eq!(decode_value(&value), Ok(entries));
            value.push(0);
            prop_assert!(decode_value(&value).is_err());
        }
    }
}
