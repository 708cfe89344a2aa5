//! Whoever was replaced commits no more; and a log whose durability is in doubt acknowledges nothing more, but is still read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use riverrun_event::{Offset, Time};
use riverrun_log::{AppendBatch, AppendError, CommitError, EnsureError, Health, Log, Observe, TaskId, Topics};
use riverrun_log_local::{Clock, Options};
use support::*;

#[test]
fn a_replaced_member_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let (old, old_tasks) = join(&log);
    let (new, new_tasks) = join(&log);
    let mut change = commit_of(&old_tasks[0]);
    change.records = vec![new_record(0, event("zombie", "x"))];
    change.positions = vec![(input(0), Offset(9))];
    assert_eq!(commit(&*old, change), Err(CommitError::Fenced { task: TaskId(0) }));
    let mut change = commit_of(&new_tasks[0]);
    change.records = vec![new_record(0, event("living", "x"))];
    commit(&*new, change).unwrap();
    assert_eq!(ids(&log, 0, 0), ["living"]);
    assert_eq!(join(&log).1[0].positions[&input(0)], Offset(0));
}

#[test]
fn epochs_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = join(&open(folder.path())).1[0].epoch;
    let second = join(&open(folder.path())).1[0].epoch;
    assert!(second > first);
}

#[test]
fn after_a_failure_nothing_is_acknowledged_and_reading_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(&folder.path().join("data"));
    fill(&log, 0, 0..3);
    let (member, tasks) = join(&log);
    // The head cannot be written any more: its folder is gone.
    std::fs::rename(folder.path().join("data"), folder.path().join("elsewhere")).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    let mut id = 100;
    while log.health() == Health::Serving && Instant::now() < until {
        let _ = append(&log, 0, &[(&id.to_string(), "x")]);
        id += 1;
    }
    assert!(matches!(log.health(), Health::Stopped { reason } if reason.contains("head")));
    assert!(matches!(append(&log, 0, &[("late", "x")]), Err(AppendError::Failed(_))));
    assert!(matches!(commit(&*member, commit_of(&tasks[0])), Err(CommitError::Failed(_))));
    assert!(matches!(wait(log.ensure(&[spec("u", 1)])), Err(EnsureError::Failed(_))));
    assert_eq!(ids(&log, 0, 0)[..3], ["0-0", "0-1", "0-2"]);
}

#[test]
fn a_panic_of_the_committer_stops_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let clock = Clock::new(move || {
        assert!(!switch.load(Ordering::SeqCst), "a broken clock");
        Time::from_unix(0, 0)
    });
    let log = open_with(folder.path(), Options { clock, ..Options::default() });
    fill(&log, 0, 0..1);
    broken.store(true, Ordering::SeqCst);
    assert!(matches!(append(&log, 0, &[("a", "x")]), Err(AppendError::Failed(_))));
    let until = Instant::now() + Duration::from_secs(10);
    while log.health() == Health::Serving {
        assert!(Instant::now() < until, "it goes on");
    }
    assert_eq!(ids(&log, 0, 0), ["0-0"]);
}

#[test]
fn a_full_queue_of_doors_is_answered_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_with(folder.path(), Options { door_permit_bytes: 100_000, ..Options::default() });
    let batch = || AppendBatch { records: vec![new_record(0, event("big", &"x".repeat(60_000)))] };
    let waiting: Vec<_> = (0..200).map(|_| log.append(batch())).collect();
    let answers: Vec<_> = waiting.into_iter().map(wait).collect();
    assert!(answers.iter().any(|answer| matches!(answer, Err(AppendError::Overloaded { .. }))));
    assert!(answers[0].is_ok());
    let huge = AppendBatch { records: vec![new_record(0, event("huge", &"x".repeat(600_000)))] };
    assert!(wait(log.append(huge)).is_ok(), "a batch beyond all permits takes them all");
}

#[test]
fn what_waits_is_committed_on_closing() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let waiting: Vec<_> = (0..100)
        .map(|id| log.append(AppendBatch { records: vec![new_record(0, event(&id.to_string(), "x"))] }))
        .collect();
    log.close();
    waiting.into_iter().for_each(|answer| drop(wait(answer).unwrap()));
    assert!(matches!(append(&log, 0, &[("late", "x")]), Err(AppendError::Failed(_))));
    drop(log);
    assert_eq!(ids(&open(folder.path()), 0, 0).len(), 100);
}
