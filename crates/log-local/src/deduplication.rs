//! Which events were seen: one keyspace of identities per UTC day of acceptance, deleted as a whole when it falls out of the
//! window.
//!
//! Almost every event is new, so each day has a filter in memory that says so; only what it may hold is looked up. The filter of
//! a day that was there at opening is filled in the background; until it is, that day is asked.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use riverrun_event::Time;
use riverrun_store::{Batch, Keyspace, ReadError, Shape, Snapshot, Store};

use crate::committer::Stop;
use crate::filter::Filter;
use crate::sabotage;
use crate::schema::KeyspaceId;
use crate::stored::identity::{self, Identity, Seen};

/// Memory all filters of days found at opening may take together: some 20 million identities. Days beyond it are asked.
const FILTER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The days that exist and how many of them count.
pub(crate) struct Deduplication {
    window_days: u32,
    days: BTreeMap<u32, Day>,
    /// Fills the filters of days found at opening.
    filling: Option<JoinHandle<()>>,
    /// Used by a sabotaged build only.
    in_memory: HashMap<Identity, Seen>,
}

struct Day {
    keyspace: Keyspace,
    /// What it held at opening, once that is known.
    before: Arc<OnceLock<Filter>>,
    /// What was added since.
    since: Filter,
}

impl Day {
    fn may_hold(&self, identity: Identity) -> bool {
        self.since.may_hold(identity) || self.before.get().is_none_or(|filter| filter.may_hold(identity))
    }
}

/// The UTC day of a time, counted from 1970-01-01; earlier times count as that day.
pub(crate) fn day_of(time: Time) -> u32 {
    u32::try_from(time.unix_seconds().div_euclid(86_400)).unwrap_or(0)
}

impl Deduplication {
    /// Knows the days found at opening, and starts to fill their filters.
    pub(crate) fn new(window_days: u32, found: BTreeMap<u32, Keyspace>, snapshot: Snapshot) -> Self {
        let day = |(day, keyspace)| (day, Day { keyspace, before: Arc::default(), since: Filter::default() });
        let days: BTreeMap<u32, Day> = found.into_iter().map(day).collect();
        // Newest first: repetitions are mostly of today.
        let unknown: Vec<_> =
            days.values().rev().map(|day| (day.keyspace.clone(), Arc::downgrade(&day.before))).collect();
        let mut filling = None;
        if !unknown.is_empty() {
            let fill = move || {
                let mut left = FILTER_BYTES_MAX;
                for (keyspace, before) in unknown {
                    let Some(filter) = filter_of(&snapshot, &keyspace, left, &|| before.strong_count() > 0) else {
                        return;
                    };
                    left = left.saturating_sub(filter.bytes());
                    if let Some(before) = before.upgrade() {
                        let _ = before.set(filter);
                    }
                }
            };
            // Without the thread every day is asked: slower, not wrong.
            filling = std::thread::Builder::new().name("riverrun-filter".to_owned()).spawn(fill).ok();
        }
        Self { window_days, days, filling, in_memory: HashMap::new() }
    }

    pub(crate) fn keyspace(&self, day: u32) -> Option<&Keyspace> {
        self.days.get(&day).map(|day| &day.keyspace)
    }

    /// What was seen under this identity within the window before `now`, newest day first.
    pub(crate) fn find(&self, snapshot: &Snapshot, now: Time, identity: Identity) -> Result<Option<Seen>, Stop> {
        if sabotage::deduplication_in_memory_only() {
            return Ok(self.in_memory.get(&identity).copied());
        }
        let first = day_of(now).saturating_sub(self.window_days);
        let key = identity::encode_key(identity);
        for day in self.days.range(first..).rev().map(|(_, day)| day).filter(|day| day.may_hold(identity)) {
            if let Some(value) = snapshot.get(&day.keyspace, &key)? {
                return Ok(Some(identity::decode_value(&value)?));
            }
        }
        Ok(None)
    }

    /// The day events accepted at `now` belong to, its keyspace created for the next `commit` when it is the day's first.
    pub(crate) fn open_day(&mut self, store: &Store, now: Time, commit: u64) -> Result<u32, Stop> {
        let day = day_of(now);
        if let Entry::Vacant(absent) = self.days.entry(day) {
            let keyspace = store.keyspace(&KeyspaceId::Identities(day).name(commit), Shape::Lookups)?;
            let before = Arc::new(OnceLock::from(Filter::default()));
            absent.insert(Day { keyspace, before, since: Filter::default() });
        }
        Ok(day)
    }

    pub(crate) fn put(&mut self, batch: &mut Batch, day: u32, identity: Identity, seen: &Seen) {
        if sabotage::deduplication_in_memory_only() {
            self.in_memory.insert(identity, *seen);
            return;
        }
        if let Some(day) = self.days.get_mut(&day) {
            batch.put(&day.keyspace, &identity::encode_key(identity), &identity::encode_value(seen));
            day.since.add(identity);
        }
    }

    /// Takes the days out that count no more; the caller deletes them once no row names them.
    pub(crate) fn take_expired(&mut self, now: Time) -> Vec<(u32, Keyspace)> {
        let first = day_of(now).saturating_sub(self.window_days);
        let expired: Vec<u32> =
            self.days.range((Bound::Unbounded, Bound::Excluded(first))).map(|(day, _)| *day).collect();
        expired.into_iter().filter_map(|day| Some((day, self.days.remove(&day)?.keyspace))).collect()
    }
}

impl Drop for Deduplication {
    /// The thread that fills filters has the store's files open; it ends here, so that they close with the log.
    fn drop(&mut self) {
        self.days.clear();
        if let Some(filling) = self.filling.take() {
            // It only reads, and nobody wants what it read.
            let _ = filling.join();
        }
    }
}

/// A filter of everything a keyspace holds; `None` when it would be too large, cannot be read, or nobody wants it any more.
fn filter_of(snapshot: &Snapshot, keyspace: &Keyspace, bytes_max: usize, wanted: &dyn Fn() -> bool) -> Option<Filter> {
    let mut filter = Filter::default();
    let mut rows = snapshot.scan::<&[u8]>(keyspace, ..);
    while let Some(key) = rows.next_key() {
        let key: Result<_, ReadError> = key;
        // The marker's key is no identity.
        if let Ok(identity) = identity::decode_key(&key.ok()?) {
            filter.add(identity);
        }
        if filter.bytes() > bytes_max || !wanted() {
            return None;
        }
    }
    Some(filter)
}
