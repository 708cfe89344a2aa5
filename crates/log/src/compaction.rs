//! Which records a compacted topic keeps. Pure, so that every log decides alike.
//!
//! Per key the newest record stays: newest by event time, then by offset, since that is how a model orders what it is told. What
//! lies within `history` of the partition's latest event time stays whole, so a model rebuilt from the topic answers every look-up
//! within its history as before; so does what was accepted within `after`. Records without a key stay.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use riverrun_event::{Offset, Time};

/// How a compacted topic is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Records accepted more recently stay.
    pub after: Duration,
    /// Records stay whose event time lies within this of the latest one in their partition.
    pub history: Duration,
    /// How long an event without data stays when it is the newest of its key. One that comes later with an earlier event time
    /// brings the key back.
    pub deletions: Duration,
}

/// What the decision knows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its event time; the accept time where it has none.
    pub time: Time,
    /// When it was accepted.
    pub accepted: Time,
    /// Where it is.
    pub offset: Offset,
    /// Whether it has no data, which deletes its key.
    pub deletes: bool,
}

/// The newest record of each key of one partition. It is shown every record, in order, before it is asked about any.
#[derive(Debug)]
pub struct Survey<K> {
    compaction: Compaction,
    now: Time,
    /// Nothing later takes another record's place.
    superseding_until: Time,
    newest: HashMap<K, Newest>,
}

#[derive(Debug)]
struct Newest {
    time: Time,
    offset: Offset,
    /// An older record of the key stays whatever happens, so a deletion must too.
    pinned: bool,
}

impl<K: Hash + Eq> Survey<K> {
    /// For a partition whose latest event time is `latest`, as of `now`.
    #[must_use]
    pub fn new(compaction: Compaction, now: Time, latest: Time) -> Self {
        Self { compaction, now, superseding_until: latest.minus(compaction.history), newest: HashMap::new() }
    }

    /// How many keys it knows.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.newest.len()
    }

    /// Whether a record is recent enough to stay whatever follows.
    #[must_use]
    pub fn is_fresh(&self, accepted: Time) -> bool {
        accepted > self.now.minus(self.compaction.after)
    }

    /// Shows it a record.
    pub fn see(&mut self, key: K, facts: Facts) {
        let supersedes = !self.is_fresh(facts.accepted) && facts.time <= self.superseding_until;
        match self.newest.get_mut(&key) {
            Some(newest) if (facts.time, facts.offset) < (newest.time, newest.offset) => {
                newest.pinned |= !supersedes;
            }
            Some(newest) if supersedes => (newest.time, newest.offset) = (facts.time, facts.offset),
            None if supersedes => {
                self.newest.insert(key, Newest { time: facts.time, offset: facts.offset, pinned: false });
            }
            Some(_) | None => {}
        }
    }

    /// Whether a record stays.
    #[must_use]
    pub fn keeps(&self, key: &K, facts: Facts) -> bool {
        if self.is_fresh(facts.accepted) {
            return true;
        }
        let Some(newest) = self.newest.get(key) else { return true };
        let age = self.now.since(facts.accepted);
        match (facts.time, facts.offset).cmp(&(newest.time, newest.offset)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => !facts.deletes || newest.pinned || age <= self.compaction.deletions,
            std::cmp::Ordering::Greater => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Records as `key@time`, `-` behind it for a deletion, accepted one a second; gives those that stay at second 100.
    fn check(compaction: Compaction, records: &[&str], expected: &[&str]) {
        let parsed: Vec<(&str, Facts)> = (0..)
            .zip(records)
            .map(|(offset, record)| {
                let (key, time) = record.split_once('@').unwrap();
                let time = Time::from_unix(time.trim_end_matches('-').parse().unwrap(), 0);
                let accepted = Time::from_unix(i64::from(offset), 0);
                let deletes = record.ends_with('-');
                (key, Facts { time, accepted, offset: Offset(u64::from(offset as u32)), deletes })
            })
            .collect();
        let latest = parsed.iter().map(|(_, facts)| facts.time).max().unwrap();
        let mut survey = Survey::new(compaction, Time::from_unix(100, 0), latest);
        parsed.iter().for_each(|(key, facts)| survey.see(*key, *facts));
        let kept = parsed.iter().zip(records).filter(|((key, facts), _)| survey.keeps(key, *facts));
        assert_eq!(kept.map(|(_, record)| *record).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_newest_of_each_key_stays() {
        let compaction = Compaction { after: SECOND, history: Duration::ZERO, deletions: SECOND * 98 };
        check(compaction, &["a@1", "b@1", "a@2", "a@3"], &["b@1", "a@3"]);
        check(compaction, &["a@5", "a@3", "a@5"], &["a@5"]);
        check(compaction, &["a@9", "a@3"], &["a@9"]);
        check(Compaction { history: SECOND * 5, ..compaction }, &["a@1", "a@3", "a@7", "a@8"], &["a@3", "a@7", "a@8"]);
        check(Compaction { after: SECOND * 98, ..compaction }, &["a@1", "a@2", "a@3", "a@4"], &["a@3", "a@4"]);
    }

    #[test]
    fn a_deletion_goes_after_a_while() {
        let compaction = Compaction { after: SECOND, history: Duration::ZERO, deletions: SECOND * 98 };
        check(compaction, &["a@1", "a@2-", "b@3"], &["b@3"]);
        check(Compaction { deletions: SECOND * 99, ..compaction }, &["a@1", "a@2-", "b@3"], &["a@2-", "b@3"]);
        // The late one is fresh, so it stays, and the deletion must go on hiding it.
        check(Compaction { after: SECOND * 98, ..compaction }, &["a@1", "a@9-", "b@3", "a@8"], &["a@9-", "b@3", "a@8"]);
    }
}
