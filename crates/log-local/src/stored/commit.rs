//! `Commit`: what the last commit left behind, and where every keyspace must stand.

use std::collections::BTreeMap;

use riverrun_event::Time;

use super::codec::{Cursor, Undecodable, key, put_time};
use crate::schema::{KeyspaceId, StoredRow};

/// The row's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitRow {
    /// Numbers the commits from 1.
    pub(crate) number: u64,
    /// The latest accept time given out; the clock may stand behind it.
    pub(crate) accepted: Time,
    pub(crate) next_topic: u32,
    pub(crate) next_group: u32,
    pub(crate) next_operator: u32,
    /// Per keyspace, the last commit that wrote to it.
    pub(crate) keyspaces: BTreeMap<KeyspaceId, u64>,
}

pub(crate) fn encode_key() -> Vec<u8> {
    key(StoredRow::Commit, 0)
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<(), Undecodable> {
    let mut cursor = Cursor::new("commit", bytes);
    cursor.tag(StoredRow::Commit)?;
    cursor.end()
}

pub(crate) fn encode_value(row: &CommitRow) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + row.keyspaces.len() * 13);
    out.extend(row.number.to_be_bytes());
    put_time(&mut out, row.accepted);
    for next in [row.next_topic, row.next_group, row.next_operator] {
        out.extend(next.to_be_bytes());
    }
    for (keyspace, commit) in &row.keyspaces {
        let (kind, day) = match *keyspace {
            KeyspaceId::Meta => (0_u8, 0),
            KeyspaceId::Records => (1, 0),
            KeyspaceId::State => (2, 0),
            KeyspaceId::Identities(day) => (3, day),
            KeyspaceId::Recent => (4, 0),
        };
        out.push(kind);
        out.extend(day.to_be_bytes());
        out.extend(commit.to_be_bytes());
    }
    out
}

pub(crate) fn decode_value(bytes: &[u8]) -> Result<CommitRow, Undecodable> {
    let mut cursor = Cursor::new("commit", bytes);
    let mut row = CommitRow {
        number: cursor.u64()?,
        accepted: cursor.time()?,
        next_topic: cursor.u32()?,
        next_group: cursor.u32()?,
        next_operator: cursor.u32()?,
        keyspaces: BTreeMap::new(),
    };
    while !cursor.is_empty() {
        let kind = cursor.u8()?;
        let day = cursor.u32()?;
        let keyspace = match kind {
            0 => KeyspaceId::Meta,
            1 => KeyspaceId::Records,
            2 => KeyspaceId::State,
            3 => KeyspaceId::Identities(day),
            4 => KeyspaceId::Recent,
            _ => return Err(cursor.error("an unknown keyspace")),
        };
        row.keyspaces.insert(keyspace, cursor.u64()?);
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(
            number: u64, seconds: i64, nanoseconds in 0..1_000_000_000_u32, next: (u32, u32, u32), days: Vec<(u32, u64)>,
        ) {
            let mut keyspaces: BTreeMap<_, _> = KeyspaceId::FIXED.into_iter().map(|keyspace| (keyspace, number)).collect();
            keyspaces.extend(days.into_iter().map(|(day, commit)| (KeyspaceId::Identities(day), commit)));
            let accepted = Time::from_unix(seconds, nanoseconds);
            let row = CommitRow { number, accepted, next_topic: next.0, next_group: next.1, next_operator: next.2, keyspaces };
            prop_assert_eq!(decode_key(&encode_key()), Ok(()));
            prop_assert_eq!(decode_value(&encode_value(&row)), Ok(row));
        }
    }
}
