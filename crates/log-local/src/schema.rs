//! The whole on-disk schema of a data directory, in one place.
//!
//! ```text
//! <data_dir>/format          "riverrun local log, format 2": checked before anything else is opened
//! <data_dir>/head.a, head.b  double-buffered: what the log is known to hold (see `head.rs`)
//! <data_dir>/store/          the LSM: the keyspaces below
//! <data_dir>/moved           where its events were moved to; only once they were
//! ```
//!
//! Integers are big-endian, so keys sort by number. Texts and byte strings inside rows carry a varint length. Each row has one
//! file in `stored/` with its four functions. Ids of topics, groups and operators are numbers that are never given out twice.
//! A change of any layout needs a new [`FORMAT_VERSION`]; an older binary then refuses the directory.

use std::fmt;

/// What this build writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 2;

/// Every kind of row there is, with its keyspace, key and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredRow {
    /// Every keyspace. `00` -> number of the last commit that wrote to this keyspace.
    Marker,
    /// meta. `01` -> number of the last commit, latest accept time, next ids, and per keyspace its marker as it must be.
    /// A keyspace that vanished, or was left behind, does not agree with it.
    Commit,
    /// meta. `02 topic:u32` -> name, partitions, retention.
    Topic,
    /// meta. `03 topic:u32 partition:u32` -> start (low water), hash before the start (the chain's anchor), end, hash of the last
    /// batch, latest accept time, stored bytes.
    Partition,
    /// meta. `04 name` -> group:u32.
    Group,
    /// meta. `05 group:u32 name` -> operator:u32.
    Operator,
    /// meta. `06 group:u32 task:u32` -> epoch, sequence of the first kept and of the next order row.
    Task,
    /// meta. `07 group:u32 task:u32 topic:u32 partition:u32` -> next offset to read.
    Position,
    /// records. `topic:u32 partition:u32 base offset:u64` -> header (codec, count, accept time, hash of the batch before, raw
    /// length, CRC-32C) and the records, compressed or not. Topic ids start at 1, so no key equals the marker's.
    Batch,
    /// state. `01 group:u32 task:u32 operator:u32 key` -> the operator's own bytes.
    State,
    /// state. `02 group:u32 task:u32 sequence:u64` -> input ranges and model frontiers of one commit.
    Order,
    /// recent. `day:u32 commit:u64` -> identities one commit added, as in `Identity`, key and value one after the other. Later
    /// they move into their day's keyspace, many at a time.
    Recent,
    /// `identities-<day>.` `hash of (topic id, source, id), 16 bytes` -> hash of the content, topic:u32, partition:u32, offset:u64.
    Identity,
}

impl StoredRow {
    /// The first byte of the row's keys; `None` where the keyspace holds one kind of row besides the marker.
    #[must_use]
    pub const fn tag(self) -> Option<u8> {
        match self {
            Self::Marker => Some(0),
            Self::Commit | Self::State => Some(1),
            Self::Topic | Self::Order => Some(2),
            Self::Partition => Some(3),
            Self::Group => Some(4),
            Self::Operator => Some(5),
            Self::Task => Some(6),
            Self::Position => Some(7),
            Self::Batch | Self::Recent | Self::Identity => None,
        }
    }
}

/// A keyspace of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyspaceId {
    /// Small rows about topics, partitions, groups and tasks.
    Meta,
    /// The records, in batches.
    Records,
    /// Tasks' state and order rows.
    State,
    /// Identities that are not in their day's keyspace yet.
    Recent,
    /// Identities of events accepted on this UTC day, counted from 1970-01-01.
    Identities(u32),
}

impl KeyspaceId {
    /// Those that always exist.
    pub const FIXED: [Self; 4] = [Self::Meta, Self::Records, Self::State, Self::Recent];

    /// Its name in the store: what it is, and the number of the commit it was created for. A name is never used twice: the
    /// storage engine replays its journal by name, so a keyspace created in place of a vanished one would get the rows of that one.
    #[must_use]
    pub fn name(self, commit: u64) -> String {
        format!("{self}.{commit}")
    }

    /// The keyspace with this name, if it is one of ours, and the commit it was created for.
    #[must_use]
    pub fn named(name: &str) -> Option<(Self, u64)> {
        let (kind, commit) = name.rsplit_once('.')?;
        let id = match kind {
            "meta" => Self::Meta,
            "records" => Self::Records,
            "state" => Self::State,
            "recent" => Self::Recent,
            other => Self::Identities(other.strip_prefix("identities-")?.parse().ok()?),
        };
        Some((id, commit.parse().ok()?))
    }
}

impl fmt::Display for KeyspaceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Meta => formatter.write_str("meta"),
            Self::Records => formatter.write_str("records"),
            Self::State => formatter.write_str("state"),
            Self::Recent => formatter.write_str("recent"),
            Self::Identities(day) => write!(formatter, "identities-{day}"),
        }
    }
}
