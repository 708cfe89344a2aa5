//! With syncs at intervals a crash of the process loses nothing, and a power cut the latest commits only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun_log_local::{LocalLog, Options, Syncing, verify};
use support::*;

fn journal(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "jnl")).max().unwrap()
}

/// A log that syncs after a long time only, with 20 events that were answered and not synced.
fn unsynced(folder: &Path) -> LocalLog {
    drop(open_with(folder, Options::default()));
    let options = Options { sync: Syncing::Every(Duration::from_secs(3_600)), ..Options::default() };
    let log = open_with(folder, options);
    fill(&log, 0, 0..20);
    log
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|id| format!("0-{id}")).collect()
}

#[test]
fn the_end_of_the_process_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = unsynced(folder.path());
    let crashed = tempfile::tempdir().unwrap();
    copy(folder.path(), crashed.path());
    assert_eq!(ids(&open(crashed.path()), 0, 0), names(20));
    drop(log);
    assert_eq!(ids(&open(folder.path()), 0, 0), names(20));
}

#[test]
fn a_power_cut_leaves_a_prefix_that_opens_without_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let synced = {
        drop(open_with(folder.path(), Options::default()));
        let bytes = std::fs::read(journal(folder.path())).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
    };
    let _log = unsynced(folder.path());
    let written = std::fs::read(journal(folder.path())).unwrap();
    let end = written.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut left = Vec::new();
    for tenth in 0..=10 {
        let crashed = tempfile::tempdir().unwrap();
        copy(folder.path(), crashed.path());
        let cut = synced + (end - synced) * tenth / 10;
        let mut bytes = written.clone();
        bytes[cut..].fill(0);
        std::fs::write(journal(crashed.path()), bytes).unwrap();
        let log = open(crashed.path());
        let found = ids(&log, 0, 0);
        assert_eq!(found, names(found.len()), "a prefix");
        left.push(found.len());
        // What is gone can be sent again, what is there is known.
        let all: Vec<(String, String)> = (0..20).map(|id| (format!("0-{id}"), format!("data of {id}"))).collect();
        let all: Vec<(&str, &str)> = all.iter().map(|(id, data)| (id.as_str(), data.as_str())).collect();
        let again = append(&log, 0, &all).unwrap();
        assert_eq!(again.iter().filter(|logged| logged.is_duplicate()).count(), found.len());
        drop(log);
        assert_eq!(verify(crashed.path()).unwrap().problems, []);
    }
    assert_eq!((left.first(), left.last()), (Some(&0), Some(&20)), "{left:?}");
}
