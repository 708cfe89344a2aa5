//! A log that holds less than it acknowledged is refused with the place, and goes on only where the loss is accepted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use riverrun_event::Offset;
use riverrun_log::{Log, Topics};
use riverrun_log_local::{LocalLog, OpenError, Options, verify};
use support::*;

/// A closed log with some of everything.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    fill(&log, 0, 0..20);
    fill(&log, 1, 0..5);
    let (member, tasks) = join(&log);
    let mut change = commit_of(&tasks[0]);
    change.positions = vec![(input(0), Offset(10))];
    change.state = vec![riverrun_log::StateChange {
        operator: riverrun_event::OperatorName::new("count").unwrap(),
        key: "k".into(),
        value: Some("1".into()),
    }];
    commit(&*member, change).unwrap();
    drop(member);
    folder
}

fn refused(folder: &Path) -> OpenError {
    match LocalLog::open(folder, Options::default()) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// Refused with every word in its message; the refusal changes nothing; opens when the loss is accepted, and is sound then.
fn check(folder: &Path, words: &[&str]) -> LocalLog {
    for _ in 0..2 {
        let error = refused(folder);
        assert!(matches!(error, OpenError::BelowHead { .. }), "{error}");
        for word in words {
            assert!(error.to_string().contains(word), "{word:?} in {error}");
        }
    }
    assert!(!verify(folder).unwrap().problems.is_empty());
    let options = Options { accept_data_loss: true, ..Options::default() };
    let log = LocalLog::open(folder, options.clone()).unwrap();
    assert!(!log.losses().is_empty());
    drop(log);
    assert_eq!(verify(folder).unwrap().problems, []);
    let log = LocalLog::open(folder, options).unwrap();
    assert!(log.losses().is_empty(), "{:?}", log.losses());
    log
}

/// Folder of the keyspace, told by its number: meta, records, state and recent are created in that order, then days.
fn keyspace(folder: &Path, number: u32) -> PathBuf {
    folder.join("store/keyspaces").join(number.to_string())
}

#[test]
fn a_vanished_records_keyspace_is_seen() {
    let folder = filled();
    fs::remove_dir_all(keyspace(folder.path(), 2)).unwrap();
    let log = check(folder.path(), &["keyspace records", "no such keyspace"]);
    assert_eq!(log.describe(&topic("t")).unwrap().offsets[0].end, Offset(20), "offsets are not given out again");
    assert!(ids(&log, 0, 0).is_empty());
    let again = append(&log, 0, &[("0-3", "data of 3"), ("new", "1")]).unwrap();
    assert!(!again[0].is_duplicate(), "a lost event can be sent again");
    assert_eq!(again[1].position().offset, Offset(21));
    assert_eq!(ids(&log, 0, 0), ["0-3", "new"]);
}

#[test]
fn a_vanished_state_keyspace_is_seen() {
    let folder = filled();
    fs::remove_dir_all(keyspace(folder.path(), 3)).unwrap();
    let log = check(folder.path(), &["keyspace state"]);
    assert_eq!(ids(&log, 0, 0).len(), 20);
}

#[test]
fn a_vanished_keyspace_of_recent_identities_is_seen() {
    let folder = filled();
    fs::remove_dir_all(keyspace(folder.path(), 4)).unwrap();
    let log = check(folder.path(), &["keyspace recent"]);
    assert_eq!(ids(&log, 0, 0).len(), 20);
}

#[test]
fn a_vanished_day_of_identities_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let hand = Hand::at(1_000 * DAY);
    let log = open_with(folder.path(), hand.options());
    fill(&log, 0, 0..20);
    hand.turn(DAY);
    fill(&log, 1, 0..1);
    drop(log);
    fs::remove_dir_all(keyspace(folder.path(), 5)).unwrap();
    let log = check(folder.path(), &["keyspace identities-1000"]);
    assert_eq!(ids(&log, 0, 0).len(), 20);
}

#[test]
fn a_vanished_meta_keyspace_is_seen() {
    let folder = filled();
    fs::remove_dir_all(keyspace(folder.path(), 1)).unwrap();
    let log = check(folder.path(), &["the log", "no commit", "t".repeat(0).as_str()]);
    assert!(log.describe(&topic("t")).is_err());
}

#[test]
fn a_vanished_store_is_seen() {
    let folder = filled();
    fs::remove_dir_all(folder.path().join("store")).unwrap();
    check(folder.path(), &["the log", "no commit"]);
}

#[test]
fn a_vanished_head_is_seen() {
    let folder = filled();
    fs::remove_file(folder.path().join("head.a")).unwrap();
    fs::remove_file(folder.path().join("head.b")).unwrap();
    let log = check(folder.path(), &["head.a and head.b"]);
    assert_eq!(ids(&log, 0, 0).len(), 20);
}

fn journal(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "jnl")).max().unwrap()
}

/// Where the journal's records end: it is allocated ahead with zeros.
fn written(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
fn a_journal_cut_short_is_seen() {
    let folder = filled();
    let path = journal(folder.path());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..written(&bytes) / 2]).unwrap();
    let log = check(folder.path(), &["the log: expected commit", "t/0: expected records up to offset 20"]);
    let left = ids(&log, 0, 0);
    assert!(!left.is_empty() && left.len() < 20, "{left:?}");
    assert!(append(&log, 0, &[("0-0", "data of 0")]).unwrap()[0].is_duplicate());
    let lost = append(&log, 0, &[("0-19", "data of 19")]).unwrap();
    assert!(!lost[0].is_duplicate());
    assert_eq!(lost[0].position().offset, Offset(20));
    assert_eq!(ids(&log, 0, 0).len(), left.len() + 1, "readers step over the hole");
    assert_eq!(log.read(&at(0, left.len() as u64), usize::MAX).unwrap()[0].position.offset, Offset(20));
}

#[test]
fn damage_in_the_middle_of_the_journal_is_seen() {
    let folder = filled();
    let path = journal(folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let middle = written(&bytes) / 2;
    for byte in &mut bytes[middle..middle + 40] {
        *byte ^= 0x5A;
    }
    fs::write(&path, bytes).unwrap();
    let error = refused(folder.path());
    assert!(matches!(error, OpenError::BelowHead { .. } | OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_missing_format_is_damage() {
    let folder = filled();
    fs::remove_file(folder.path().join("format")).unwrap();
    assert!(matches!(refused(folder.path()), OpenError::Damaged { .. }));
}

#[test]
fn no_log_is_no_log() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(verify(folder.path()).unwrap_err().code(), "RR0206");
}

#[test]
fn a_sound_log_verifies() {
    let folder = filled();
    let report = verify(folder.path()).unwrap();
    assert_eq!(report.problems, []);
    assert_eq!((report.partitions, report.records, report.lost), (2, 25, 0));
    assert!(report.batches == 25 && report.bytes > 0);
}
