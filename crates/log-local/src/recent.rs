//! Identities accepted lately: in memory to be found, on disk as one row per commit.
//!
//! A row for every identity would cost more than the event it is of. So a commit writes its identities as one row, and when enough
//! have gathered, a thread sorts them and writes them into their day's keyspace past the journal; only then do the rows go. A
//! crash anywhere in between leaves the rows, and the same identities are moved again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::thread::JoinHandle;

use riverrun_log::Identity;
use riverrun_store::{Batch, Keyspace, Snapshot, Store};

use crate::committer::Stop;
use crate::stored::identity::{self, Seen};
use crate::stored::{marker, recent};

/// Identities that make up a table; a full one is moved. Some 10 MB of memory, and few enough tables a day for the engine to merge.
const TABLE_ENTRIES: usize = 128 * 1024;

/// At a clean end a table with fewer stays as rows: reading them back costs less than moving them.
const TABLE_ENTRIES_AT_END: usize = 8 * 1024;

/// Rows removed in one cycle, so that nobody waits long behind it.
const DELETES_MAX: usize = 512;

/// Tables that may wait to be moved before the committer waits for them: memory stays bounded on any disk.
const TABLES_WAITING_MAX: usize = 2;

/// Identities of one day.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) day: u32,
    pub(crate) entries: HashMap<Identity, Seen, BuildHasherDefault<IdentityHasher>>,
    /// Keys of the rows that hold them.
    rows: Vec<[u8; recent::KEY_BYTES]>,
}

/// All identities that are in no day's keyspace yet.
pub(crate) struct Recent {
    open: Table,
    /// Full, oldest first; the first one is being moved while `moving` runs.
    full: VecDeque<Arc<Table>>,
    moving: Option<JoinHandle<Result<(), String>>>,
    /// Rows whose identities were moved.
    obsolete: Vec<[u8; recent::KEY_BYTES]>,
}

impl Recent {
    /// Reads the rows back.
    pub(crate) fn load(snapshot: &Snapshot, keyspace: &Keyspace) -> Result<Self, Stop> {
        let mut days: BTreeMap<u32, Table> = BTreeMap::new();
        for row in snapshot.scan::<&[u8]>(keyspace, ..) {
            let row = row?;
            if marker::decode_key(&row.key).is_ok() {
                continue;
            }
            let (day, commit) = recent::decode_key(&row.key)?;
            let table = days.entry(day).or_insert_with(|| Table { day, ..Table::default() });
            table.entries.extend(recent::decode_value(&row.value)?);
            table.rows.push(recent::encode_key(day, commit));
        }
        let open = days.pop_last().map(|(_, table)| table).unwrap_or_default();
        let full = days.into_values().map(Arc::new).collect();
        Ok(Self { open, full, moving: None, obsolete: Vec::new() })
    }

    /// What was seen under this identity on `first_day` or later.
    pub(crate) fn find(&self, first_day: u32, identity: Identity) -> Option<Seen> {
        let tables = std::iter::once(&self.open).chain(self.full.iter().rev().map(AsRef::as_ref));
        tables.filter(|table| table.day >= first_day).find_map(|table| table.entries.get(&identity)).copied()
    }

    /// Makes room for identities of `day`.
    pub(crate) fn open_day(&mut self, day: u32) {
        if self.open.day != day {
            self.close_table();
            self.open.day = day;
        }
    }

    pub(crate) fn add(&mut self, identity: Identity, seen: Seen) {
        self.open.entries.insert(identity, seen);
    }

    pub(crate) fn forget(&mut self, identity: Identity) {
        self.open.entries.remove(&identity);
    }

    /// Puts the row of a commit. Entries are of the open day.
    pub(crate) fn put(&mut self, batch: &mut Batch, keyspace: &Keyspace, commit: u64, entries: &[u8]) {
        let key = recent::encode_key(self.open.day, commit);
        batch.put(keyspace, &key, entries);
        self.open.rows.push(key);
    }

    /// Deletes some of the rows nobody needs; true when there were any.
    pub(crate) fn delete_obsolete(&mut self, batch: &mut Batch, keyspace: &Keyspace) -> bool {
        let some = self.obsolete.split_off(self.obsolete.len().saturating_sub(DELETES_MAX));
        some.iter().for_each(|key| batch.delete(keyspace, key));
        !some.is_empty()
    }

    pub(crate) fn has_obsolete(&self) -> bool {
        !self.obsolete.is_empty()
    }

    fn close_table(&mut self) {
        let day = self.open.day;
        let table = std::mem::replace(&mut self.open, Table { day, ..Table::default() });
        if !table.entries.is_empty() {
            self.full.push_back(Arc::new(table));
        }
    }

    /// Closes the open table when it is full, at a clean end also when it is large enough.
    pub(crate) fn close_full(&mut self, ending: bool) {
        if self.open.entries.len() >= if ending { TABLE_ENTRIES_AT_END } else { TABLE_ENTRIES } {
            self.close_table();
        }
    }

    /// The table to be moved next, if none is being moved.
    pub(crate) fn next_to_move(&self) -> Option<&Arc<Table>> {
        self.full.front().filter(|_| self.moving.is_none())
    }

    /// Whether identities of this day are being moved.
    pub(crate) fn is_moving(&self, day: u32) -> bool {
        self.moving.is_some() && self.full.front().is_some_and(|table| table.day == day)
    }

    /// Begins to move the next table into its day's keyspace.
    pub(crate) fn begin_to_move(&mut self, store: &Store, day: &Keyspace) -> Result<(), Stop> {
        let Some(table) = self.next_to_move().cloned() else { return Ok(()) };
        let (store, day) = (store.clone(), day.clone());
        let moving = move || {
            let mut rows: Vec<_> = table.entries.iter().collect();
            rows.sort_unstable_by_key(|(identity, _)| identity.0);
            let rows = rows.into_iter().map(|(id, seen)| (identity::encode_key(*id), identity::encode_value(seen)));
            store.ingest(&day, rows).map_err(|error| error.to_string())
        };
        self.moving = Some(std::thread::Builder::new().name("riverrun-identities".to_owned()).spawn(moving)?);
        Ok(())
    }

    /// The table that was moved; its rows are obsolete from now on. Waits where too much waits already, or `wait` says so.
    pub(crate) fn moved(&mut self, wait: bool) -> Result<Option<Arc<Table>>, Stop> {
        let must_wait = wait || self.full.len() > TABLES_WAITING_MAX;
        let Some(moving) = self.moving.take_if(|moving| must_wait || moving.is_finished()) else { return Ok(None) };
        let done = moving.join().map_err(|_| Stop("moving identities panicked".to_owned()))?;
        done.map_err(Stop)?;
        let table = self.full.pop_front();
        self.obsolete.extend(table.iter().flat_map(|table| &table.rows));
        Ok(table)
    }

    /// Drops tables that count no more.
    pub(crate) fn drop_before(&mut self, first_day: u32) {
        if self.open.day < first_day {
            self.close_table();
        }
        let moving = usize::from(self.moving.is_some());
        for table in self.full.iter().skip(moving).filter(|table| table.day < first_day) {
            self.obsolete.extend(&table.rows);
        }
        let mut index = 0;
        self.full.retain(|table| {
            index += 1;
            index <= moving || table.day >= first_day
        });
    }
}

impl Drop for Recent {
    /// The thread has the store's files open; it ends here, so that they close with the log.
    fn drop(&mut self) {
        if let Some(moving) = self.moving.take() {
            // What it did not get done is done again from the rows.
            let _ = moving.join();
        }
    }
}

/// Identities are hashes already; their first half is as good as any hash of them.
#[derive(Default)]
pub(crate) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(half) = bytes.first_chunk::<8>() {
            self.0 ^= u64::from_le_bytes(*half);
        }
    }

    // An array hashes its length first; it tells nothing.
    fn write_usize(&mut self, _length: usize) {}
}
