//! What was acknowledged is there again: after a clean close, and after the process just ended.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName};
use riverrun_log::{InputRange, Log, Logged, Observe, Order, ReadError, StateChange, TaskId, Topics};
use riverrun_log_local::{LocalLog, OpenError, Options};
use support::*;

#[test]
fn everything_is_there_after_a_clean_close() {
    let folder = tempfile::tempdir().unwrap();
    {
        let log = open(folder.path());
        assert_eq!(
            append(&log, 0, &[("a", "1"), ("b", "2")]).unwrap(),
            [Logged::First(at(0, 0)), Logged::First(at(0, 1))]
        );
        fill(&log, 1, 0..5);
    }
    let log = open(folder.path());
    assert_eq!(ids(&log, 0, 0), ["a", "b"]);
    assert_eq!(ids(&log, 1, 3), ["1-3", "1-4"]);
    assert_eq!(append(&log, 0, &[("c", "3")]).unwrap(), [Logged::First(at(0, 2))]);
    assert_eq!(log.describe(&topic("t")).unwrap().offsets, [Offset(0)..Offset(3), Offset(0)..Offset(5)]);
}

#[test]
fn everything_acknowledged_is_there_when_the_process_just_ends() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for round in 0..5_u32 {
        fill(&log, 0, round * 20..round * 20 + 20);
        let crashed = tempfile::tempdir().unwrap();
        copy(folder.path(), crashed.path());
        let again = open(crashed.path());
        assert_eq!(read(&again, 0, 0).len() as u32, round * 20 + 20);
        assert!(append(&again, 0, &[("0-0", "data of 0")]).unwrap()[0].is_duplicate());
    }
}

#[test]
fn large_batches_are_cut_and_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let events: Vec<(String, String)> =
        (0..2_000_u32).map(|id| (id.to_string(), format!("{id} ").repeat(200))).collect();
    let events: Vec<(&str, &str)> = events.iter().map(|(id, data)| (id.as_str(), data.as_str())).collect();
    append(&log, 0, &events).unwrap();
    append(&log, 0, &[("small", "1")]).unwrap();
    let mut next = 0;
    while let Some(last) = log.read(&at(0, next), 10_000).unwrap().last() {
        assert!(last.position.offset.0 - next < 100);
        next = last.position.offset.0 + 1;
    }
    assert_eq!(next, 2_001);
    assert_eq!(log.read(&at(0, 1_234), 1).unwrap().len(), 1, "at least one");
    assert_eq!(&*log.read(&at(0, 1_234), 1).unwrap()[0].event.id, "1234");
}

#[test]
fn state_positions_and_orders_are_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let operator = OperatorName::new("count").unwrap();
    let order = |to: u64| Order {
        ranges: vec![InputRange { input: input(0), from: Offset(0), to: Offset(to) }],
        ..Order::default()
    };
    {
        let log = open(folder.path());
        fill(&log, 0, 0..3);
        let (member, tasks) = join(&log);
        assert_eq!(tasks[0].positions[&input(0)], Offset(0));
        for round in 1..=2_u8 {
            let mut change = commit_of(&tasks[0]);
            let row = |value: &'static [u8]| StateChange {
                operator: operator.clone(),
                key: Bytes::from_static(b"k"),
                value: Some(Bytes::from_static(value)),
            };
            change.state = vec![row(b"wrong"), row(if round == 1 { b"1" } else { b"2" })];
            change.positions = vec![(input(0), Offset(u64::from(round)))];
            change.order = Some(order(u64::from(round)));
            change.records = vec![new_record(1, event("out", "out"))];
            commit(&*member, change).unwrap();
        }
        assert_eq!(tasks[0].state.get(&operator, b"k").unwrap().unwrap(), "2");
        assert_eq!(tasks[1].state.get(&operator, b"k").unwrap(), None);
    }
    let log = open(folder.path());
    let (_member, tasks) = join(&log);
    assert_eq!(tasks[0].positions[&input(0)], Offset(2));
    assert_eq!(tasks[0].state.get(&operator, b"k").unwrap().unwrap(), "2");
    assert_eq!(log.orders(&group(), TaskId(0), 0, 10).unwrap(), [(0, order(1)), (1, order(2))]);
    assert_eq!(log.orders(&group(), TaskId(0), 1, 10).unwrap(), [(1, order(2))]);
    assert_eq!(ids(&log, 1, 0), ["out", "out"], "outputs are not deduplicated");
}

#[test]
fn a_locked_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _log = open(folder.path());
    let Err(error) = LocalLog::open(folder.path(), Options::default()) else { panic!("it opened twice") };
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert_eq!(error.code(), "RR0201");
}

#[test]
fn a_newer_directory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let newer = riverrun_log_local::schema::FORMAT_VERSION + 1;
    std::fs::write(folder.path().join("format"), format!("riverrun local log, format {newer}\n")).unwrap();
    let Err(error) = LocalLog::open(folder.path(), Options::default()) else { panic!("it opened") };
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
}

#[test]
fn a_directory_whose_format_is_no_text_any_more_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    std::fs::write(folder.path().join("format"), b"r\xe9verrun local log, format 1\n").unwrap();
    let Err(error) = LocalLog::open(folder.path(), Options::default()) else { panic!("it opened") };
    assert!(matches!(&error, OpenError::Damaged { detail, .. } if detail.contains("`format`")), "{error}");
}

#[test]
fn unknown_places_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    assert!(matches!(log.describe(&topic("u")), Err(ReadError::UnknownTopic(_))));
    assert!(matches!(log.read(&at(7, 0), 1), Err(ReadError::UnknownPartition(_))));
    assert!(log.read(&at(0, 7), 1).unwrap().is_empty());
}
