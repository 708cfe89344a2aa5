//! Old records go in whole batches; what is left still verifies, and readers are told where it starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use riverrun_event::{Offset, Time};
use riverrun_log::{InputRange, Log, Observe, Order, ReadError, Retention, TaskId, TopicSpec, Topics};
use riverrun_log_local::{LocalLog, verify};
use support::*;

fn starts_at(log: &LocalLog, partition: usize, offset: u64) {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let start = log.describe(&topic("t")).unwrap().offsets[partition].start;
        if start == Offset(offset) {
            return;
        }
        assert!(Instant::now() < until, "it starts at {start}, expected {offset}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn keep(log: &LocalLog, retention: Retention) {
    wait(log.ensure(&[TopicSpec { retention, ..spec("t", 2) }])).unwrap();
}

#[test]
fn records_go_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(1_000 * DAY);
    let log = open_with(folder.path(), hand.options());
    keep(&log, Retention { age: Some(Duration::from_secs(100)), ..Retention::default() });
    let times: Vec<_> = (0..600)
        .map(|id: u32| {
            append(&log, 0, &[(&id.to_string(), "x")]).unwrap();
            hand.turn(1);
            Time::from_unix(1_000 * DAY + i64::from(id), 0)
        })
        .collect();
    starts_at(&log, 0, 500);
    assert_eq!(log.read(&at(0, 7), 1), Err(ReadError::BelowStart { asked: at(0, 7), start: at(0, 500) }));
    assert_eq!(ids(&log, 0, 500).len(), 100);
    assert_eq!(log.offset_at(&input(0), times[3]).unwrap(), Offset(500));
    assert_eq!(log.offset_at(&input(0), times[555]).unwrap(), Offset(555));
    assert_eq!(log.offset_at(&input(0), Time::from_unix(2_000 * DAY, 0)).unwrap(), Offset(600));

    hand.turn(1_000);
    starts_at(&log, 0, 600);
    append(&log, 0, &[("last", "x")]).unwrap();
    drop(log);
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.problems.as_slice(), report.records), (&[][..], 1));
    assert_eq!(ids(&open_with(folder.path(), hand.options()), 0, 600), ["last"]);
}

#[test]
fn records_go_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(folder.path(), Hand::at(0).options());
    fill(&log, 0, 0..50);
    fill(&log, 1, 0..2);
    let kept = Retention { partition_bytes: Some(1_000), ..Retention::default() };
    keep(&log, kept);
    let until = Instant::now() + Duration::from_secs(10);
    while log.describe(&topic("t")).unwrap().offsets[0].start == Offset(0) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
    let offsets = log.describe(&topic("t")).unwrap().offsets;
    assert!((5..20).contains(&(50 - offsets[0].start.0)), "{offsets:?}");
    assert_eq!(offsets[1].start, Offset(0), "a small partition keeps all");
    drop(log);
    let report = verify(folder.path()).unwrap();
    assert_eq!(report.problems, []);
    assert!(report.bytes <= 2 * 1_000, "{report:?}");
}

#[test]
fn order_records_go_with_their_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(1_000 * DAY);
    let log = open_with(folder.path(), hand.options());
    keep(&log, Retention { age: Some(Duration::from_secs(10)), ..Retention::default() });
    fill(&log, 0, 0..5);
    hand.turn(8);
    fill(&log, 0, 5..10);
    let (member, tasks) = join(&log);
    for to in [3, 5, 6, 9] {
        let mut change = commit_of(&tasks[0]);
        let range = InputRange { input: input(0), from: Offset(to - 2), to: Offset(to) };
        change.order = Some(Order { ranges: vec![range], ..Order::default() });
        commit(&*member, change).unwrap();
    }
    hand.turn(5);
    starts_at(&log, 0, 5);
    let until = Instant::now() + Duration::from_secs(10);
    let kept = || {
        log.orders(&group(), TaskId(0), 0, 10).unwrap().into_iter().map(|(sequence, _)| sequence).collect::<Vec<_>>()
    };
    while kept() != [2, 3] {
        assert!(Instant::now() < until, "{:?}", kept());
        std::thread::sleep(Duration::from_millis(2));
    }
}
