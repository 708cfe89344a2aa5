//! What has to hold between the ledger, the topic and the table, once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::transaction::TOPIC;
use crate::position::Position;
use crate::reader::Record;

/// A committed transaction.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) aggregate: String,
    /// Where it stands among those of its aggregate.
    pub(super) place: i64,
    /// A moment before its end, of the sequence that the places of aggregates without a counter come from.
    pub(super) ended: i64,
}

/// A row that is in the outbox.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) topic: String,
    pub(super) key: String,
    pub(super) attempts: i32,
    pub(super) is_marked: bool,
    pub(super) error: String,
}

impl fmt::Display for Left {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, key, attempts, is_marked, error } = self;
        let marked = if *is_marked { "marked" } else { "not marked" };
        write!(formatter, "a row of {topic}, key {key}, {marked} after {attempts} attempts: {error:?}")
    }
}

/// An event of the topic.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) number: i64,
    aggregate: String,
    /// Only where the aggregate has a counter.
    sequence: Option<i64>,
    key: Option<String>,
    position: Position,
}

impl Found {
    /// The event of a record; what it should have and has not is as if it were of nobody.
    pub(super) fn read(record: &Record) -> Self {
        let data = record.data_value().unwrap_or_default();
        let number = |name: &str| data.get(name).and_then(Value::as_i64);
        Self {
            number: number("number").unwrap_or_default(),
            aggregate: data.get("aggregate").and_then(Value::as_str).unwrap_or_default().to_owned(),
            sequence: number("sequence"),
            key: record.text("partitionkey"),
            position: record.position.clone(),
        }
    }
}

/// Every place where the topic is not what was committed. The events of a partition come in its order.
pub(super) fn topic(ledger: &[Entry], found: &[Found]) -> Vec<String> {
    let entries: BTreeMap<i64, &Entry> = ledger.iter().map(|entry| (entry.number, entry)).collect();
    let mut events: BTreeMap<i64, Vec<&Found>> = BTreeMap::new();
    found.iter().for_each(|event| events.entry(event.number).or_default().push(event));
    let mut wrong = once(&entries, &events);
    wrong.extend(found.iter().filter_map(|event| content(entries.get(&event.number)?, event)));
    wrong.extend(overlaps(ledger));
    wrong.extend(order(&entries, found));
    wrong
}

/// What is committed is there once, and nothing else is.
fn once(entries: &BTreeMap<i64, &Entry>, events: &BTreeMap<i64, Vec<&Found>>) -> Vec<String> {
    let missing = entries.values().filter(|entry| !events.contains_key(&entry.number));
    let missing = missing.map(|Entry { number, aggregate, place, .. }| {
        format!("event {number} of {aggregate} (place {place}) is committed and not in the topic")
    });
    let surplus = events.iter().filter_map(|(number, events)| {
        let places: Vec<String> = events.iter().map(|event| event.position.to_string()).collect();
        let places = places.join(" and ");
        match (entries.get(number), events.len()) {
            (None, _) => Some(format!("event {number} at {places} was never committed")),
            (Some(_), 1) => None,
            (Some(entry), _) => {
                Some(format!("event {number} of {} is there more than once: {places}", entry.aggregate))
            }
        }
    });
    missing.chain(surplus).collect()
}

fn content(entry: &Entry, event: &Found) -> Option<String> {
    let Entry { number, aggregate, place, .. } = entry;
    let sequence = aggregate.starts_with("counted").then_some(*place);
    let is_good = event.aggregate == *aggregate && event.key.as_ref() == Some(aggregate) && event.sequence == sequence;
    (!is_good).then(|| format!("event {number} of {aggregate} (place {place}) came as {event:?}"))
}

/// Where nothing but publishing keeps transactions of an aggregate apart, none may publish before the one before has ended.
fn overlaps(ledger: &[Entry]) -> Vec<String> {
    let mut free: Vec<&Entry> = ledger.iter().filter(|entry| !entry.aggregate.starts_with("counted")).collect();
    free.sort_by_key(|entry| (&entry.aggregate, entry.place));
    let pairs = free.iter().zip(free.iter().skip(1));
    let overlapping = pairs.filter(|(one, next)| one.aggregate == next.aggregate && one.ended > next.place);
    overlapping
        .map(|(one, next)| {
            let (aggregate, one, next) = (&one.aggregate, one.number, next.number);
            format!("transactions {one} and {next} had both published for {aggregate} at the same time")
        })
        .collect()
}

/// The events of an aggregate are in one partition, in the order of their places.
fn order(entries: &BTreeMap<i64, &Entry>, found: &[Found]) -> Vec<String> {
    let mut last: BTreeMap<&str, (&Entry, &Position)> = BTreeMap::new();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for event in found {
        // What nobody committed, or what comes again, is said elsewhere.
        let Some(entry) = entries.get(&event.number).filter(|_| seen.insert(event.number)) else { continue };
        if let Some((before, position)) = last.insert(&entry.aggregate, (entry, &event.position)) {
            let Entry { number, aggregate, place, .. } = entry;
            if position.partition != event.position.partition {
                wrong.push(format!("{aggregate} is in two partitions: {position} and {}", event.position));
            } else if before.place > *place {
                wrong.push(format!(
                    "event {number} of {aggregate} (place {place}) at {} is behind event {} (place {}) at {position}",
                    event.position, before.number, before.place
                ));
            }
        }
    }
    wrong
}

/// What is left in the table: only rows of an unknown topic, so many, each given up after so many attempts.
pub(super) fn table(left: &[Left], marked: usize, attempts: i32) -> Vec<String> {
    let is_expected = |row: &&Left| row.topic != TOPIC && row.is_marked && row.attempts == attempts;
    let expected = left.iter().filter(is_expected).count();
    let unexpected = left.iter().filter(|row| !is_expected(row)).map(|row| format!("left in the table: {row}"));
    let number = format!("{expected} rows are marked after {attempts} attempts; {marked} should be");
    unexpected.chain((expected != marked).then_some(number)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: i64, aggregate: &str, place: i64, ended: i64) -> Entry {
        Entry { number, aggregate: aggregate.to_owned(), place, ended }
    }

    fn event(number: i64, aggregate: &str, sequence: &str, position: &str) -> Found {
        Found::read(&Record::sample(&format!(
            r#"{{"partitionkey":"{aggregate}","data":{{"number":{number},"aggregate":"{aggregate}","sequence":{sequence}}},"rrposition":"{position}"}}"#
        )))
    }

    fn ledger() -> Vec<Entry> {
        vec![
            entry(1, "counted-2", 1, 9),
            entry(2, "counted-2", 2, 4),
            entry(3, "free-1", 5, 6),
            entry(4, "free-1", 7, 8),
        ]
    }

    fn good() -> Vec<Found> {
        vec![
            event(1, "counted-2", "1", "orders/0@0"),
            event(2, "counted-2", "2", "orders/0@3"),
            event(3, "free-1", "null", "orders/1@0"),
            event(4, "free-1", "null", "orders/1@1"),
        ]
    }

    fn check(ledger: &[Entry], found: &[Found], expected: &[&str]) {
        let wrong = topic(ledger, found);
        assert_eq!(wrong.len(), expected.len(), "{wrong:?}");
        for (wrong, expected) in wrong.iter().zip(expected) {
            assert!(wrong.contains(expected), "{wrong}: {expected}");
        }
    }

    #[test]
    fn a_good_topic_has_no_places() {
        check(&ledger(), &good(), &[]);
    }

    #[test]
    fn what_is_lost_doubled_or_made_up_is_found() {
        check(&ledger(), &good()[1..], &["event 1 of counted-2 (place 1) is committed and not in the topic"]);
        let mut found = good();
        found.push(event(3, "free-1", "null", "orders/1@2"));
        found.push(event(-7, "free-1", "null", "orders/1@3"));
        check(&ledger(), &found, &["event -7 at orders/1@3 was never", "event 3 of free-1 is there more than once"]);
        let mut found = good();
        found[0] = event(1, "counted-2", "9", "orders/0@0");
        check(&ledger(), &found, &["event 1 of counted-2 (place 1) came as"]);
    }

    #[test]
    fn a_broken_order_is_found() {
        let mut found = good();
        found.swap(2, 3);
        check(&ledger(), &found, &["event 3 of free-1 (place 5) at orders/1@0 is behind event 4"]);
        let mut found = good();
        found[1] = event(2, "counted-2", "2", "orders/3@3");
        check(&ledger(), &found, &["counted-2 is in two partitions"]);
        let mut ledger = ledger();
        ledger[2].ended = 10;
        check(&ledger, &good(), &["transactions 3 and 4 had both published for free-1"]);
    }

    #[test]
    fn only_marked_rows_may_be_left() {
        let row = |topic: &str, attempts: i32, is_marked: bool| Left {
            topic: topic.to_owned(),
            key: String::new(),
            attempts,
            is_marked,
            error: String::new(),
        };
        assert!(table(&[row("unknown", 2, true)], 1, 2).is_empty());
        for wrong in [row("orders", 2, true), row("unknown", 1, true), row("unknown", 2, false)] {
            assert_eq!(table(&[wrong], 1, 2).len(), 2);
        }
        assert_eq!(table(&[], 1, 2).len(), 1);
    }
}
