//! The bare store: one LSM, records as batches in a key-value separated keyspace, one synced commit for several partitions.
//! A commit writes one row per partition that has something, and each partition's next offset, as the product does.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode};
use riverrun_bare::Outcome;

use crate::record::{Batch, Record};

/// Partitions of every topic of the benchmark.
pub(crate) const PARTITIONS: usize = 4;

/// An open database; cheap to clone for another thread.
#[derive(Clone)]
pub(crate) struct Store {
    database: Database,
    records: Keyspace,
    ends: Keyspace,
    ids: Keyspace,
    state: Keyspace,
}

impl Store {
    /// Opens an empty store in `directory`.
    pub(crate) fn open(directory: &Path) -> Outcome<Self> {
        let database = Database::builder(directory).open()?;
        let separated = || KeyspaceCreateOptions::default().with_kv_separation(Some(KvSeparationOptions::default()));
        Ok(Self {
            records: database.keyspace("records", separated)?,
            ends: database.keyspace("ends", KeyspaceCreateOptions::default)?,
            ids: database.keyspace("ids", KeyspaceCreateOptions::default)?,
            state: database.keyspace("state", KeyspaceCreateOptions::default)?,
            database,
        })
    }
}

/// Collects records by partition and writes them in one synced commit.
pub(crate) struct Writer {
    store: Store,
    pending: [Batch; PARTITIONS],
    ends: [u64; PARTITIONS],
    id_rows: Vec<([u8; 16], [u8; 32])>,
    state_rows: Vec<(Vec<u8>, u64)>,
}

impl Writer {
    /// A writer of empty partitions.
    pub(crate) fn new(store: Store) -> Self {
        Self { store, pending: Default::default(), ends: [0; PARTITIONS], id_rows: Vec::new(), state_rows: Vec::new() }
    }

    /// Adds a record to the partition of its key.
    pub(crate) fn push(&mut self, record: &Record<'_>) -> Outcome<()> {
        let pending = self.pending.get_mut(partition_of(record.key)).ok_or("a partition beyond the last")?;
        pending.push(record)
    }

    /// Adds the row that a deduplicating log keeps for the record: identity to content hash.
    pub(crate) fn push_id(&mut self, record: &Record<'_>) {
        let mut identity = blake3::Hasher::new();
        identity.update(record.source).update(b"\0").update(record.id);
        let mut row = [0; 16];
        identity.finalize_xof().fill(&mut row);
        let mut content = blake3::Hasher::new();
        content.update(record.kind).update(record.key).update(&record.time.to_be_bytes()).update(record.data);
        self.id_rows.push((row, *content.finalize().as_bytes()));
    }

    /// Adds a row of state: a number under a key.
    pub(crate) fn push_state(&mut self, key: Vec<u8>, value: u64) {
        self.state_rows.push((key, value));
    }

    /// Writes and syncs all that was pushed.
    pub(crate) fn commit(&mut self) -> Outcome<()> {
        let mut change = self.store.database.batch().durability(Some(PersistMode::SyncData));
        for (partition, (pending, end)) in (0_u8..).zip(self.pending.iter_mut().zip(&mut self.ends)) {
            if pending.records > 0 {
                write_partition(&self.store, &mut change, partition, pending, end);
            }
        }
        for (id, content) in self.id_rows.drain(..) {
            change.insert(&self.store.ids, id, content);
        }
        for (key, value) in self.state_rows.drain(..) {
            change.insert(&self.store.state, key, value.to_be_bytes());
        }
        Ok(change.commit()?)
    }
}

fn write_partition(store: &Store, change: &mut OwnedWriteBatch, partition: u8, pending: &mut Batch, end: &mut u64) {
    let mut key = [0; 9];
    key[0] = partition;
    key[1..].copy_from_slice(&end.to_be_bytes());
    *end += pending.records;
    change.insert(&store.records, key, pending.take_compressed());
    change.insert(&store.ends, [partition], end.to_be_bytes());
}

/// FNV-1a: any even spread does for a limit.
pub(crate) fn partition_of(key: &[u8]) -> usize {
    let hash = key.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    hash as usize % PARTITIONS
}
