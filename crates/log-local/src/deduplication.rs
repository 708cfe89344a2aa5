//! Which events were seen: the latest in `recent.rs`, all others in one keyspace per UTC day of acceptance, deleted as a whole
//! when it falls out of the window.
//!
//! Almost every event is new, so each day has a filter in memory that says so; only what it may hold is looked up. The filter of
//! a day that was there at opening is filled in the background; until it is, that day is asked.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use riverrun_event::Time;
use riverrun_log::Identity;
use riverrun_log::identity::day_of;
use riverrun_store::{Keyspace, ReadError, Shape, Snapshot, Store};

use crate::committer::Stop;
use crate::filter::Filter;
use crate::recent::Recent;
use crate::sabotage;
use crate::schema::KeyspaceId;
use crate::stored::identity::{self, Seen};

/// Memory all filters of days found at opening may take together: some 20 million identities. Days beyond it are asked.
const FILTER_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The days that exist and how many of them count.
pub(crate) struct Deduplication {
    window_days: u32,
    days: BTreeMap<u32, Day>,
    /// Fills the filters of days found at opening.
    filling: Option<JoinHandle<()>>,
    /// What is in no day's keyspace yet.
    pub(crate) recent: Recent,
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

impl Deduplication {
    /// Knows the days found at opening, and starts to fill their filters.
    pub(crate) fn new(window_days: u32, found: BTreeMap<u32, Keyspace>, snapshot: Snapshot, recent: Recent) -> Self {
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
        Self { window_days, days, filling, recent }
    }

    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = &Keyspace> {
        self.days.values().map(|day| &day.keyspace)
    }

    pub(crate) fn keyspace(&self, day: u32) -> Option<&Keyspace> {
        self.days.get(&day).map(|day| &day.keyspace)
    }

    /// What was seen under this identity within the window before `now`, newest day first.
    pub(crate) fn find(&self, snapshot: &Snapshot, now: Time, identity: Identity) -> Result<Option<Seen>, Stop> {
        let first = self.first_day(now);
        if let Some(seen) = self.recent.find(first, identity) {
            return Ok(Some(seen));
        }
        let key = identity::encode_key(identity);
        for day in self.days.range(first..).rev().map(|(_, day)| day).filter(|day| day.may_hold(identity)) {
            if let Some(value) = snapshot.get(&day.keyspace, &key)? {
                return Ok(Some(identity::decode_value(&value)?));
            }
        }
        Ok(None)
    }

    /// The first day that counts.
    fn first_day(&self, now: Time) -> u32 {
        day_of(now).saturating_sub(self.window_days)
    }

    /// Moves what has gathered into its day's keyspace, in the background; the keyspace is created for the next `commit` when it
    /// is the day's first. A sabotaged build forgets instead.
    pub(crate) fn begin_to_move(&mut self, store: &Store, commit: u64) -> Result<(), Stop> {
        let Some(number) = self.recent.next_to_move().map(|table| table.day) else { return Ok(()) };
        if sabotage::deduplication_in_memory_only() {
            return Ok(());
        }
        let day = match self.days.entry(number) {
            Entry::Occupied(day) => day.into_mut(),
            Entry::Vacant(absent) => {
                let keyspace = store.keyspace(&KeyspaceId::Identities(number).name(commit), Shape::Lookups)?;
                let before = Arc::new(OnceLock::from(Filter::default()));
                absent.insert(Day { keyspace, before, since: Filter::default() })
            }
        };
        self.recent.begin_to_move(store, &day.keyspace)
    }

    /// The day whose keyspace holds more by now, if one does. Snapshots taken from now on have it.
    pub(crate) fn moved(&mut self, wait: bool) -> Result<Option<u32>, Stop> {
        let Some(table) = self.recent.moved(wait)? else { return Ok(None) };
        if let Some(day) = self.days.get_mut(&table.day) {
            table.entries.keys().for_each(|identity| day.since.add(*identity));
        }
        Ok(Some(table.day))
    }

    /// Takes the days out that count no more; the caller deletes them once no row names them.
    pub(crate) fn take_expired(&mut self, now: Time) -> Vec<(u32, Keyspace)> {
        let first = self.first_day(now);
        self.recent.drop_before(first);
        let expired = self.days.range((Bound::Unbounded, Bound::Excluded(first))).map(|(day, _)| *day);
        let expired: Vec<u32> = expired.filter(|day| !self.recent.is_moving(*day)).collect();
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
