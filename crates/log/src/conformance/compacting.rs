//! Compacted topics: what goes, what stays, and that nothing else changes.

use std::thread;
use std::time::{Duration, Instant};

use riverrun_event::{Event, Key, Offset, Record, Time};

use super::wait::wait;
use super::words::{EVERYTHING, append, end, ids, partition, read_all, record, spec};
use super::{Bench, Case, Needs, case_needing};
use crate::append::AppendBatch;
use crate::compaction::Compaction;
use crate::contract::Log;
use crate::topic::{Retention, TopicSpec};

pub(super) const CASES: &[Case] = &[
    case_needing(Needs::Compaction, "a compacted topic keeps the newest of each key", keeps_the_newest),
    case_needing(Needs::Compaction, "compaction leaves what lies within the history", keeps_the_history),
    case_needing(Needs::Compaction, "compaction leaves other topics alone", leaves_others_alone),
];

/// Longer than any log waits before it compacts.
const COMPACTED_MAX: Duration = Duration::from_secs(30);

const ALL: Compaction = Compaction { after: Duration::ZERO, history: Duration::ZERO, deletions: Duration::ZERO };

fn declare(log: &dyn Log, name: &str, compaction: Option<Compaction>) {
    let retention = Retention { compaction, ..Retention::default() };
    assert_eq!(wait(log.ensure(&[TopicSpec { retention, ..spec(name, 1) }])), Ok(()));
}

/// Appends events `key@second`, `-` behind it for one without data, each in a batch of its own; the text is the id too.
fn append_all(log: &dyn Log, name: &str, texts: &[&str]) {
    for text in texts {
        let (key, second) = text.trim_end_matches('-').split_once('@').unwrap();
        let mut event = Event::new(*text, "/conformance", "test.happened");
        event.key = Some(Key::new(key.to_owned()).unwrap());
        event.time = Some(Time::from_unix(second.parse().unwrap(), 0));
        event.data = (!text.ends_with('-')).then(|| "{}".into());
        append(log, AppendBatch { records: vec![record(&partition(name, 0), event)] }).unwrap();
    }
}

/// Reads until only these are left, and events without a key, which are appended meanwhile: a log may compact as it writes.
fn becomes(log: &dyn Log, name: &str, expected: &[&str]) -> Vec<Record> {
    let place = partition(name, 0);
    let until = Instant::now() + COMPACTED_MAX;
    for round in 0.. {
        let mut records = read_all(log, &place);
        records.retain(|record| record.event.key.is_some());
        if ids(&records) == expected {
            return records;
        }
        assert!(Instant::now() < until, "{:?} is left, expected {expected:?}", ids(&records));
        let mut other = Event::new(format!("{}.{round}", expected.len()), "/conformance/other", "test.happened");
        other.time = Some(Time::EPOCH);
        append(log, AppendBatch { records: vec![record(&place, other)] }).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    Vec::new()
}

fn keeps_the_newest(bench: &Bench<'_>) {
    let opened = bench.open();
    let log = opened.log();
    declare(log, "a", Some(ALL));
    append_all(log, "a", &["x@1", "y@5", "x@2", "y@4", "z@1", "z@2-", "x@3"]);
    let written = end(log, &partition("a", 0));
    let left = becomes(log, "a", &["y@5", "x@3"]);
    assert!(left[1].position.offset < written, "offsets keep their value");
    // From any offset, also one that is gone, a read goes on with what is left.
    let from_start = log.read(&partition("a", 0).at(Offset(0)), EVERYTHING).unwrap();
    assert_eq!(from_start.first(), Some(&left[0]));
    let behind = left[0].position.offset.next();
    assert_eq!(log.read(&partition("a", 0).at(behind), 1).unwrap().first(), Some(&left[1]));
    assert_eq!(log.offset_at(&partition("a", 0), left[1].accepted).unwrap(), left[1].position.offset);
    append_all(log, "a", &["y@6"]);
    let left = becomes(log, "a", &["x@3", "y@6"]);
    if bench.features.reopens {
        let opened = opened.reopen();
        let mut again = read_all(opened.log(), &partition("a", 0));
        again.retain(|record| record.event.key.is_some());
        assert_eq!(again, left);
    }
}

fn keeps_the_history(bench: &Bench<'_>) {
    let opened = bench.open();
    let log = opened.log();
    declare(log, "a", Some(Compaction { history: Duration::from_secs(10), ..ALL }));
    append_all(log, "a", &["x@1", "x@89", "x@90", "x@95", "x@91", "x@100"]);
    becomes(log, "a", &["x@90", "x@95", "x@91", "x@100"]);
}

fn leaves_others_alone(bench: &Bench<'_>) {
    let opened = bench.open();
    let log = opened.log();
    declare(log, "a", Some(ALL));
    declare(log, "b", None);
    for name in ["b", "a"] {
        append_all(log, name, &["x@1", "x@2", "x@3"]);
    }
    becomes(log, "a", &["x@3"]);
    assert_eq!(ids(&read_all(log, &partition("b", 0))), ["x@1", "x@2", "x@3"]);
}
