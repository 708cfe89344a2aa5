//! Which events were seen: one keyspace of identities per UTC day of acceptance, deleted as a whole when it falls out of the
//! window.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use riverrun_event::Time;
use riverrun_store::{Batch, Keyspace, Shape, Snapshot, Store};

use crate::committer::Stop;
use crate::sabotage;
use crate::schema::KeyspaceId;
use crate::stored::identity::{self, Identity, Seen};

/// The days that exist and how many of them count.
pub(crate) struct Deduplication {
    window_days: u32,
    days: BTreeMap<u32, Keyspace>,
    /// Used by a sabotaged build only.
    in_memory: std::collections::HashMap<Identity, Seen>,
}

/// The UTC day of a time, counted from 1970-01-01; earlier times count as that day.
pub(crate) fn day_of(time: Time) -> u32 {
    u32::try_from(time.unix_seconds().div_euclid(86_400)).unwrap_or(0)
}

impl Deduplication {
    pub(crate) fn new(window_days: u32, days: BTreeMap<u32, Keyspace>) -> Self {
        Self { window_days, days, in_memory: std::collections::HashMap::new() }
    }

    pub(crate) fn keyspace(&self, day: u32) -> Option<&Keyspace> {
        self.days.get(&day)
    }

    /// What was seen under this identity within the window before `now`. Only days that exist are asked, newest first.
    pub(crate) fn find(&self, snapshot: &Snapshot, now: Time, identity: Identity) -> Result<Option<Seen>, Stop> {
        if sabotage::deduplication_in_memory_only() {
            return Ok(self.in_memory.get(&identity).copied());
        }
        let first = day_of(now).saturating_sub(self.window_days);
        let key = identity::encode_key(identity);
        for keyspace in self.days.range(first..).rev().map(|(_, keyspace)| keyspace) {
            if let Some(value) = snapshot.get(keyspace, &key)? {
                return Ok(Some(identity::decode_value(&value)?));
            }
        }
        Ok(None)
    }

    /// The day events accepted at `now` belong to, its keyspace created for the next `commit` when it is the day's first.
    pub(crate) fn open_day(&mut self, store: &Store, now: Time, commit: u64) -> Result<u32, Stop> {
        let day = day_of(now);
        if let Entry::Vacant(absent) = self.days.entry(day) {
            absent.insert(store.keyspace(&KeyspaceId::Identities(day).name(commit), Shape::Lookups)?);
        }
        Ok(day)
    }

    pub(crate) fn put(&mut self, batch: &mut Batch, day: u32, identity: Identity, seen: &Seen) {
        if sabotage::deduplication_in_memory_only() {
            self.in_memory.insert(identity, *seen);
            return;
        }
        if let Some(keyspace) = self.days.get(&day) {
            batch.put(keyspace, &identity::encode_key(identity), &identity::encode_value(seen));
        }
    }

    /// Takes the days out that count no more; the caller deletes them once no row names them.
    pub(crate) fn take_expired(&mut self, now: Time) -> Vec<(u32, Keyspace)> {
        let first = day_of(now).saturating_sub(self.window_days);
        let expired: Vec<u32> =
            self.days.range((Bound::Unbounded, Bound::Excluded(first))).map(|(day, _)| *day).collect();
        expired.into_iter().filter_map(|day| self.days.remove_entry(&day)).collect()
    }
}
