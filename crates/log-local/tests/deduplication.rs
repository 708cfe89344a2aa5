//! One identity is stored once within the window: within a batch, across batches, days and restarts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use riverrun_log::{AppendBatch, AppendError, Log, Logged};
use riverrun_log_local::{LocalLog, Options};
use support::*;

/// What became of each event: `+offset` stored, `=offset` a repetition of that one.
fn outcomes(log: &LocalLog, partition: u32, events: &[(&str, &str)]) -> String {
    match append(log, partition, events) {
        Ok(logged) => {
            let one = |logged: &Logged| {
                let sign = if logged.is_duplicate() { '=' } else { '+' };
                format!("{sign}{}", logged.position().offset)
            };
            logged.iter().map(one).collect::<Vec<_>>().join(" ")
        }
        Err(AppendError::Conflict { index, existing }) => format!("conflict of {index} with {}", existing.offset),
        Err(error) => error.to_string(),
    }
}

#[test]
fn repetitions_are_found_and_conflicts_reject_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = open(folder.path());
    assert_eq!(outcomes(&log, 0, &[("a", "1"), ("b", "2"), ("a", "1")]), "+0 +1 =0");
    assert_eq!(outcomes(&log, 0, &[("c", "3"), ("a", "1"), ("d", "4")]), "+2 =0 +3");
    assert_eq!(outcomes(&log, 0, &[("e", "5"), ("b", "other"), ("f", "6")]), "conflict of 1 with 1");
    assert_eq!(outcomes(&log, 0, &[("g", "1"), ("g", "2")]), "conflict of 1 with 4");
    log = {
        drop(log);
        open(folder.path())
    };
    assert_eq!(
        outcomes(&log, 0, &[("e", "5"), ("g", "2"), ("a", "1")]),
        "+4 +5 =0",
        "the refused batches left nothing"
    );
    assert_eq!(outcomes(&log, 0, &[("a", "other")]), "conflict of 0 with 0");
    assert_eq!(ids(&log, 0, 0), ["a", "b", "c", "d", "e", "g"]);
}

#[test]
fn identities_are_remembered_for_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(1_000 * DAY + DAY - 1);
    let options = || Options { deduplication_days: 2, ..hand.options() };
    let mut log = open_with(folder.path(), options());
    assert_eq!(outcomes(&log, 0, &[("a", "1")]), "+0");
    hand.turn(1);
    assert_eq!(outcomes(&log, 0, &[("a", "1"), ("b", "1")]), "=0 +1", "the next day");
    hand.turn(DAY);
    assert_eq!(outcomes(&log, 0, &[("a", "1")]), "=0", "two days later");
    hand.turn(DAY);
    assert_eq!(outcomes(&log, 0, &[("a", "1"), ("b", "1")]), "+2 =1", "out of the window");
    std::thread::sleep(std::time::Duration::from_millis(20));
    let days = || std::fs::read_dir(folder.path().join("store/keyspaces")).unwrap().count() - 5;
    log = {
        drop(log);
        open_with(folder.path(), options())
    };
    assert_eq!(days(), 1, "the first day's identities were deleted, the last day's wait to be moved");
    assert_eq!(outcomes(&log, 0, &[("a", "1"), ("b", "1")]), "=2 =1");
}

#[test]
fn the_clock_may_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(1_000 * DAY);
    let log = open_with(folder.path(), hand.options());
    append(&log, 0, &[("a", "1")]).unwrap();
    hand.turn(-100 * DAY);
    append(&log, 0, &[("b", "1")]).unwrap();
    let records = read(&log, 0, 0);
    assert_eq!(records[0].accepted, records[1].accepted);
    assert!(append(&log, 0, &[("a", "1")]).unwrap()[0].is_duplicate());
}

#[test]
fn without_a_window_nothing_is_claimed() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(folder.path(), Options { deduplication_days: 0, ..Options::default() });
    assert_eq!(append(&log, 0, &[("a", "1")]).unwrap(), [Logged::Unverified(at(0, 0))]);
    assert_eq!(append(&log, 0, &[("a", "2")]).unwrap(), [Logged::Unverified(at(0, 1))]);
}

#[test]
fn repetitions_that_arrive_together_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let answers: Vec<_> = (0..50)
        .map(|round| {
            let records = (0..20).map(|id| new_record(0, event(&format!("{}", id + round / 10), "x"))).collect();
            log.append(AppendBatch { records })
        })
        .collect();
    let stored = answers.into_iter().flat_map(|answer| wait(answer).unwrap()).filter(|logged| !logged.is_duplicate());
    assert_eq!(stored.count(), 24);
    assert_eq!(ids(&log, 0, 0).len(), 24);
}

/// More than one table of recent identities holds, so that some are moved to their day while others come in.
#[test]
fn repetitions_are_found_while_identities_move_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<String> = (0..150_000).map(|id| id.to_string()).collect();
    let mut log = open(folder.path());
    let batch = |ids: &[String]| ids.iter().map(|id| (id.clone(), "x".to_owned())).collect::<Vec<_>>();
    let duplicates = |log: &LocalLog, ids: &[String]| {
        let batch = batch(ids);
        let events: Vec<(&str, &str)> = batch.iter().map(|(id, data)| (id.as_str(), data.as_str())).collect();
        append(log, 0, &events).unwrap().iter().filter(|logged| logged.is_duplicate()).count()
    };
    for ids in all.chunks(1_000) {
        assert_eq!(duplicates(&log, ids), 0);
    }
    for _ in 0..2 {
        for ids in all.chunks(1_000).step_by(7) {
            assert_eq!(duplicates(&log, ids), 1_000);
        }
        drop(log);
        assert_eq!(riverrun_log_local::verify(folder.path()).unwrap().problems, []);
        log = open(folder.path());
    }
}

#[test]
fn repetitions_are_found_before_and_after_the_filters_are_filled() {
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<String> = (0..3_000).map(|id| id.to_string()).collect();
    let batches: Vec<Vec<(&str, &str)>> =
        all.chunks(500).map(|ids| ids.iter().map(|id| (id.as_str(), "x")).collect()).collect();
    for round in 0..2 {
        let log = open(folder.path());
        for batch in &batches {
            let logged = append(&log, 0, batch).unwrap();
            assert!(logged.iter().all(|logged| logged.is_duplicate() == (round > 0)), "round {round}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
