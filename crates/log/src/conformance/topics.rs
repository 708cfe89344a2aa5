//! Creating, describing and searching topics.

use std::time::Duration;

use riverrun_event::{Offset, Time};

use super::wait::wait;
use super::words::{append_ids, end, ensure, partition, read_all, spec, topic};
use super::{Bench, Case, Needs, case, case_needing};
use crate::contract::ReadError;
use crate::topic::{EnsureError, Retention};

pub(super) const CASES: &[Case] = &[
    case("a new topic is described as declared, and empty", new_topic_is_empty),
    case("naming a topic again changes nothing", ensuring_again_changes_nothing),
    case("changed retention is taken over", retention_is_taken_over),
    case("another partition count is refused, and nothing else is created", partition_count_is_refused),
    case("an unknown topic or partition is named", unknown_places_are_named),
    case("a description covers what was answered", description_follows_appends),
    case_needing(Needs::DenseOffsets, "the end is the number of records", dense_end_counts_records),
    case("offset_at gives the first record accepted then or later", offset_at_finds_accept_times),
    case("offset_at gives the end where there is none", offset_at_gives_the_end),
];

fn new_topic_is_empty(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 3), ("b", 1)]);
    let described = opened.log().describe(&topic("a")).unwrap();
    assert_eq!(described.spec, spec("a", 3));
    assert_eq!(described.offsets.len(), 3);
    assert!(described.offsets.iter().all(|offsets| offsets.start == offsets.end), "{:?}", described.offsets);
    assert_eq!(opened.log().describe(&topic("b")).unwrap().offsets.len(), 1);
}

fn ensuring_again_changes_nothing(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 2)]);
    append_ids(opened.log(), &a, &["1", "2"]);
    let before = opened.log().describe(&topic("a")).unwrap();
    ensure(opened.log(), &[("b", 1), ("a", 2)]);
    ensure(opened.log(), &[]);
    assert_eq!(opened.log().describe(&topic("a")).unwrap(), before);
    assert_eq!(read_all(opened.log(), &a).len(), 2);
}

fn retention_is_taken_over(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 1)]);
    let mut changed = spec("a", 1);
    changed.retention =
        Retention { age: Some(Duration::from_secs(86_400)), partition_bytes: Some(1 << 30), compaction: None };
    assert_eq!(wait(opened.log().ensure(std::slice::from_ref(&changed))), Ok(()));
    assert_eq!(opened.log().describe(&topic("a")).unwrap().spec, changed);
}

fn partition_count_is_refused(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 2)]);
    let mut longer = spec("c", 1);
    longer.retention.age = Some(Duration::from_secs(60));
    let answer = wait(opened.log().ensure(&[spec("b", 1), spec("a", 3), longer]));
    assert_eq!(answer, Err(EnsureError::PartitionCount { topic: topic("a"), existing: 2, declared: 3 }));
    assert_eq!(opened.log().describe(&topic("a")).unwrap().spec, spec("a", 2));
    for name in ["b", "c"] {
        assert_eq!(opened.log().describe(&topic(name)), Err(ReadError::UnknownTopic(topic(name))));
    }
}

fn unknown_places_are_named(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 1)]);
    let (missing, beyond) = (partition("missing", 0), partition("a", 1));
    let log = opened.log();
    assert_eq!(log.describe(&missing.topic), Err(ReadError::UnknownTopic(missing.topic.clone())));
    assert_eq!(log.offset_at(&missing, Time::EPOCH), Err(ReadError::UnknownTopic(missing.topic.clone())));
    assert_eq!(log.read(&missing.at(Offset(0)), 1), Err(ReadError::UnknownTopic(missing.topic.clone())));
    assert_eq!(log.offset_at(&beyond, Time::EPOCH), Err(ReadError::UnknownPartition(beyond.clone())));
    assert_eq!(log.read(&beyond.at(Offset(0)), 1), Err(ReadError::UnknownPartition(beyond.clone())));
}

fn description_follows_appends(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("a", 2)]);
    for id in ["1", "2", "3"] {
        let position = append_ids(opened.log(), &partition("a", 1), &[id]).remove(0);
        let described = opened.log().describe(&topic("a")).unwrap();
        assert!(described.offsets[1].contains(&position.offset), "{position} is not within {:?}", described.offsets);
        assert!(described.offsets[0].is_empty(), "nothing was appended to partition 0");
    }
}

fn dense_end_counts_records(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    append_ids(opened.log(), &a, &["1", "2", "3"]);
    append_ids(opened.log(), &a, &["4"]);
    assert_eq!(opened.log().describe(&a.topic).unwrap().offsets, vec![Offset(0)..Offset(4)]);
    let offsets: Vec<_> = read_all(opened.log(), &a).iter().map(|record| record.position.offset.0).collect();
    assert_eq!(offsets, [0, 1, 2, 3]);
}

fn offset_at_finds_accept_times(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    for number in 0..20_u32 {
        append_ids(opened.log(), &a, &[&number.to_string()]);
        if number % 5 == 0 {
            // So that accept times differ where the clock is a real one.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let records = read_all(opened.log(), &a);
    assert!(records.is_sorted_by_key(|record| record.accepted), "accept times never decrease");
    let found = |time| opened.log().offset_at(&a, time).unwrap();
    for record in &records {
        let expected = records.iter().find(|other| other.accepted >= record.accepted).unwrap();
        assert_eq!(found(record.accepted), expected.position.offset, "at {}", record.accepted);
    }
    assert_eq!(found(Time::EPOCH), records[0].position.offset, "long before the first");
}

fn offset_at_gives_the_end(bench: &Bench<'_>) {
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let long_ahead = Time::parse("9999-01-01T00:00:00Z").unwrap();
    assert_eq!(opened.log().offset_at(&a, Time::EPOCH).unwrap(), end(opened.log(), &a), "of an empty partition");
    append_ids(opened.log(), &a, &["1", "2"]);
    assert_eq!(opened.log().offset_at(&a, long_ahead).unwrap(), end(opened.log(), &a));
}
