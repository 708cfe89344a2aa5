//! Whether the log holds what its head says, keyspace by keyspace and partition by partition.
//!
//! The storage engine can take damage in the middle of its journal for a torn end, or lose one keyspace, and open without a word.
//! So what it gives back is compared with the head (kept outside it), with the commit row, and with the ends of the chains.

use std::fmt;

use riverrun_store::{Keyspace, Snapshot};

use crate::head::Head;
use crate::load::Loaded;
use crate::schema::KeyspaceId;
use crate::stored::batch::{self, BatchKey, ChainHash};
use crate::stored::partition::PartitionRow;
use crate::stored::{PartitionId, marker};

/// Something the log should hold and does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where: a keyspace, a partition, or the whole log.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: expected {}, found {}", self.place, self.expected, self.found)
    }
}

fn loss(place: impl fmt::Display, expected: impl fmt::Display, found: impl fmt::Display) -> Loss {
    Loss { place: place.to_string(), expected: expected.to_string(), found: found.to_string() }
}

/// Everything that is missing; empty for a whole log.
pub(crate) fn losses(loaded: &Loaded, head: Option<&Head>) -> Vec<Loss> {
    let mut losses = Vec::new();
    let found = loaded.row.as_ref().map_or(0, |row| row.number);
    match head {
        Some(head) if found < head.commit => {
            losses.push(loss("the log", format!("commit {} or later", head.commit), commit_text(found)));
        }
        // The first commit only creates the log; a crash right after it leaves no head.
        None if found > 1 => losses.push(loss("head.a and head.b", format!("a head near commit {found}"), "none")),
        _ => {}
    }
    losses.extend(
        loaded.row.iter().flat_map(|row| &row.keyspaces).filter_map(|(id, commit)| keyspace(loaded, *id, *commit)),
    );
    for partition in head.iter().flat_map(|head| &head.partitions) {
        let row = loaded.partitions.get(&partition.id);
        losses.extend(end(loaded, partition.id, row, partition.end, partition.last));
    }
    losses.extend(loaded.partitions.iter().filter_map(|(id, row)| last_batch(loaded, *id, row)));
    losses
}

fn commit_text(number: u64) -> String {
    if number == 0 { "no commit".to_owned() } else { format!("commit {number}") }
}

/// A keyspace must be there, and at the commit that last wrote to it.
fn keyspace(loaded: &Loaded, id: KeyspaceId, expected: u64) -> Option<Loss> {
    let place = format!("keyspace {id}");
    let Some(keyspace) = loaded.keyspaces.get(&id) else {
        return Some(loss(place, format!("commit {expected}"), "no such keyspace"));
    };
    match marker_of(&loaded.snapshot, keyspace) {
        Ok(Some(found)) if found == expected => None,
        Ok(found) => Some(loss(place, format!("commit {expected}"), commit_text(found.unwrap_or(0)))),
        Err(error) => Some(loss(place, format!("commit {expected}"), error)),
    }
}

pub(crate) fn marker_of(snapshot: &Snapshot, keyspace: &Keyspace) -> Result<Option<u64>, String> {
    let value = snapshot.get(keyspace, &marker::encode_key()).map_err(|error| error.to_string())?;
    value.map(|value| marker::decode_value(&value)).transpose().map_err(|error| error.to_string())
}

/// A partition must reach the end the head knows, with the same hash there.
fn end(loaded: &Loaded, id: PartitionId, row: Option<&PartitionRow>, end: u64, last: ChainHash) -> Option<Loss> {
    let place = loaded.name_of(id);
    let Some(row) = row else {
        return Some(loss(place, format!("records up to offset {end}"), "no such partition"));
    };
    if row.end < end {
        return Some(loss(place, format!("records up to offset {end}"), format!("records up to offset {}", row.end)));
    }
    let found = if row.end == end { Some(row.last) } else { previous_of(loaded, id, row, end) };
    match found {
        Some(found) if found != last => Some(loss(
            format!("{place}@{end}"),
            format!("the batch before it to have hash {last:?}"),
            format!("hash {found:?}"),
        )),
        _ => None,
    }
}

/// What the batch at `base` says the one before it hashes to; `None` where retention has taken it.
fn previous_of(loaded: &Loaded, id: PartitionId, row: &PartitionRow, base: u64) -> Option<ChainHash> {
    if row.start >= base {
        return (row.start == base).then_some(row.anchor);
    }
    let records = loaded.keyspaces.get(&KeyspaceId::Records)?;
    let key = batch::encode_key(BatchKey { partition: id, base });
    let value = loaded.snapshot.get(records, &key).ok()??;
    batch::decode_value(&key, &value).ok().map(|(header, _)| header.previous)
}

/// The last batch must be the one the partition's row ends with.
fn last_batch(loaded: &Loaded, id: PartitionId, row: &PartitionRow) -> Option<Loss> {
    if row.start == row.end {
        return None;
    }
    let records = loaded.keyspaces.get(&KeyspaceId::Records)?;
    let first = batch::encode_key(BatchKey { partition: id, base: row.start });
    let last = batch::encode_key(BatchKey { partition: id, base: row.end });
    let expected = format!("a last batch that ends at offset {} with hash {:?}", row.end, row.last);
    let found = match loaded.snapshot.scan(records, &first[..]..&last[..]).next_back() {
        None => "no batch".to_owned(),
        Some(Err(error)) => error.to_string(),
        Some(Ok(stored)) => match (batch::decode_key(&stored.key), batch::decode_value(&stored.key, &stored.value)) {
            (Ok(key), Ok((header, body))) => {
                let end = key.base + u64::from(header.count);
                let hash = batch::next_previous(&stored.key, &stored.value, &header, body);
                if end == row.end && hash == row.last {
                    return None;
                }
                format!("one that ends at offset {end} with hash {hash:?}")
            }
            (Err(error), _) | (_, Err(error)) => error.to_string(),
        },
    };
    Some(loss(loaded.name_of(id), expected, found))
}
