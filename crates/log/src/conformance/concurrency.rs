//! Several callers at once: nothing is lost, doubled, reordered, or seen by halves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use riverrun_event::{Offset, Record, TopicPartition};

use super::owner::Owner;
use super::words::{append, ensure, event, membership, operator, partition, progress, put, read_all, record};
use super::{Bench, Case, case};
use crate::append::{AppendBatch, Logged};
use crate::contract::Log;

pub(super) const CASES: &[Case] = &[
    case("concurrent appenders keep their order, and no record is lost or doubled", appenders_keep_their_order),
    case("a reader that follows sees what is read later", followers_see_the_log),
    case("a commit's records and state are visible together", commits_are_visible_at_once),
    case("members of two groups commit at once", groups_commit_at_once),
];

const APPENDERS: usize = 4;
const BATCHES: usize = 25;

/// Appends batches of four records to both partitions of `a`, named after the appender and numbered.
fn append_batches(log: &dyn Log, appender: usize) -> Vec<(String, Logged)> {
    let mut answers = Vec::new();
    for number in 0..BATCHES {
        let ids: Vec<_> = (0..4).map(|index| format!("{appender}.{:04}", number * 4 + index)).collect();
        let records = (0..).zip(&ids).map(|(index, id)| record(&partition("a", index % 2), event(id, "x"))).collect();
        answers.extend(ids.into_iter().zip(append(log, AppendBatch { records }).unwrap()));
    }
    answers
}

fn appenders_keep_their_order(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 2)]);
    let answered: Vec<_> = thread::scope(|scope| {
        let appenders: Vec<_> = (0..APPENDERS)
            .map(|appender| {
                let log = opened.log();
                scope.spawn(move || append_batches(log, appender))
            })
            .collect();
        appenders.into_iter().flat_map(|appender| appender.join().unwrap()).collect()
    });
    let read: Vec<Record> = (0..2).flat_map(|number| read_all(opened.log(), &partition("a", number))).collect();
    assert_eq!(read.len(), APPENDERS * BATCHES * 4);
    let places: BTreeMap<_, _> = read.iter().map(|record| (&*record.event.id, &record.position)).collect();
    assert_eq!(places.len(), read.len(), "a record is there twice");
    for (id, logged) in &answered {
        assert_eq!(places.get(&**id), Some(&logged.position()), "{id}");
    }
    for appender in 0..APPENDERS {
        let prefix = format!("{appender}.");
        for number in 0..2 {
            let own = read.iter().filter(|record| record.position.partition.0 == number);
            let own: Vec<_> = own.map(|record| &*record.event.id).filter(|id| id.starts_with(&prefix)).collect();
            assert!(own.is_sorted(), "appender {appender} in partition {number}: {own:?}");
        }
    }
}

/// Reads from where the last read ended until everything is written and read.
fn follow(log: &dyn Log, place: &TopicPartition, written: &AtomicBool) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = Offset(0);
    loop {
        let all_written = written.load(Ordering::SeqCst);
        let portion = log.read(&place.at(next), 2_000).unwrap();
        match portion.last() {
            Some(last) => next = last.position.offset.next(),
            None if all_written => return records,
            None => thread::yield_now(),
        }
        records.extend(portion);
    }
}

fn followers_see_the_log(bench: &Bench<'_>) {
    let opened = bench.open();
    let place = partition("a", 1);
    ensure(opened.log(), &[("a", 2)]);
    let written = AtomicBool::new(false);
    let followed = thread::scope(|scope| {
        let follower = scope.spawn(|| follow(opened.log(), &place, &written));
        let appenders = [0, 1].map(|appender| {
            let log = opened.log();
            scope.spawn(move || append_batches(log, appender))
        });
        let appended = appenders.map(|appender| appender.join().is_ok());
        written.store(true, Ordering::SeqCst);
        assert_eq!(appended, [true, true]);
        follower.join().unwrap()
    });
    assert_eq!(followed, read_all(opened.log(), &place));
}

fn commits_are_visible_at_once(bench: &Bench<'_>) {
    let opened = bench.open();
    let out = partition("out", 0);
    ensure(opened.log(), &[("in", 1), ("out", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let state = owner.state_reader(0);
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let row = || state.get(&operator("op"), b"next").unwrap().map_or(0, |value| number(&value));
            while !written.load(Ordering::SeqCst) {
                let (before, records) = (row(), read_all(opened.log(), &out).len());
                assert!(before <= records, "state {before} was visible before its record; then {records} records");
                let (records, after) = (read_all(opened.log(), &out).len(), row());
                assert!(records <= after, "{records} records were visible before their state; then {after}");
            }
        });
        for next in 1..=50_u64 {
            let mut commit = progress(0, next);
            commit.records.push(record(&out, event(&next.to_string(), "x")));
            commit.state.push(put("op", "next", &next.to_string()));
            owner.commit(vec![commit]);
        }
        written.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
    });
}

fn number(value: &[u8]) -> usize {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

fn groups_commit_at_once(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1), ("out", 1)]);
    thread::scope(|scope| {
        for group in ["one", "two", "three"] {
            let log = opened.log();
            scope.spawn(move || {
                let mut owner = Owner::join(log, membership(group, 1));
                for next in 1..=20 {
                    let mut commit = progress(0, next);
                    commit.records.push(record(&partition("out", 0), event(&format!("{group}.{next:03}"), "x")));
                    owner.commit(vec![commit]);
                }
            });
        }
    });
    let read = read_all(opened.log(), &partition("out", 0));
    assert_eq!(read.len(), 60);
    for group in ["one", "two", "three"] {
        let own: Vec<_> = read.iter().map(|record| &*record.event.id).filter(|id| id.starts_with(group)).collect();
        assert_eq!(own.len(), 20);
        assert!(own.is_sorted(), "{own:?}");
    }
}
