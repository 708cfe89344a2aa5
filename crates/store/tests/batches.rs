//! What users of the store rely on in the engine beneath it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use riverrun_store::{Durability, OpenError, Shape, Store, Tuning};

fn open(path: &std::path::Path) -> Store {
    Store::open(path, Tuning::default()).unwrap()
}

#[test]
fn of_two_changes_to_a_row_the_later_one_counts() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let store = open(folder.path());
        let rows = store.keyspace("rows", Shape::Rows).unwrap();
        if round == 0 {
            let mut batch = store.batch();
            batch.put(&rows, b"a", b"1");
            batch.put(&rows, b"a", b"2");
            batch.put(&rows, b"b", b"1");
            batch.delete(&rows, b"b");
            batch.delete(&rows, b"c");
            batch.put(&rows, b"c", b"3");
            batch.commit(Durability::Synced).unwrap();
        }
        // In the second round the journal was read back.
        let snapshot = store.snapshot();
        let all: Vec<_> = snapshot.scan::<&[u8]>(&rows, ..).map(|row| row.unwrap()).collect();
        let all: Vec<_> = all.iter().map(|row| (&*row.key, &*row.value)).collect();
        assert_eq!(all, vec![(&b"a"[..], &b"2"[..]), (&b"c"[..], &b"3"[..])], "round {round}");
    }
}

#[test]
fn snapshots_do_not_move() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let rows = store.keyspace("rows", Shape::Lookups).unwrap();
    let before = store.snapshot();
    let mut batch = store.batch();
    batch.put(&rows, b"a", b"1");
    batch.commit(Durability::Synced).unwrap();
    assert!(before.get(&rows, b"a").unwrap().is_none());
    assert_eq!(store.snapshot().get(&rows, b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_second_opening_is_told_about_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    assert!(matches!(Store::open(folder.path(), Tuning::default()), Err(OpenError::Locked)));
}

#[test]
fn a_vanished_catalogue_is_damage_and_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).keyspace("rows", Shape::LargeValues).unwrap());
    std::fs::remove_dir_all(folder.path().join("keyspaces/0")).unwrap();
    assert!(matches!(Store::open(folder.path(), Tuning::default()), Err(OpenError::Damaged(_))));
    assert!(folder.path().join("keyspaces/1").exists());
}

/// A store with rows in tables and values apart, closed.
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for (name, shape) in [("rows", Shape::Rows), ("values", Shape::LargeValues)] {
        let keyspace = store.keyspace(name, shape).unwrap();
        let mut batch = store.batch();
        for number in 0..64_u32 {
            // No two bytes alike enough to be compressed away.
            let value: Vec<u8> =
                (0..40_000_u32).map(|at| (at.wrapping_mul(2_654_435_761 + number) >> 11) as u8).collect();
            batch.put(&keyspace, &number.to_be_bytes(), &value);
        }
        batch.commit(Durability::Synced).unwrap();
        store.flush([&keyspace]).unwrap();
    }
    drop(store);
    // Opened once more, so that journals of what lies in tables by now are gone.
    drop(open(folder.path()));
    folder
}

/// Files below `folder` whose path has `part` in it, largest last.
fn files(folder: &Path, part: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, part));
        } else if path.to_string_lossy().contains(part) {
            found.push(path);
        }
    }
    found.sort_by_key(|path| fs::metadata(path).unwrap().len());
    found
}

/// The largest of the files, damaged in each way, is named by the refusal, which changes nothing.
fn check_damage_is_placed(part: &str, damages: &[fn(&Path)]) {
    let folder = written();
    let file = files(folder.path(), part).pop().unwrap();
    let good = fs::read(&file).unwrap();
    for damage in damages {
        damage(&file);
        let error = Store::open(folder.path(), Tuning::default()).err().unwrap().to_string();
        let place = file.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
        assert!(error.contains(&place), "{place}: {error}");
        fs::write(&file, &good).unwrap();
    }
    let store = open(folder.path());
    let rows = store.keyspace("values", Shape::LargeValues).unwrap();
    assert_eq!(store.snapshot().scan::<&[u8]>(&rows, ..).filter(Result::is_ok).count(), 64);
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(file, bytes).unwrap();
}

fn lose_the_end(file: &Path) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - 200]).unwrap();
}

fn lose_all(file: &Path) {
    fs::remove_file(file).unwrap();
}

#[test]
fn a_damaged_list_of_tables_is_named() {
    check_damage_is_placed("keyspaces/1/v", &[flip_a_bit, lose_the_end, lose_all]);
}

#[test]
fn a_damaged_catalogue_is_named() {
    check_damage_is_placed("keyspaces/0/v", &[flip_a_bit, lose_the_end, lose_all]);
}

#[test]
fn a_damaged_table_is_named() {
    check_damage_is_placed("keyspaces/1/tables/", &[lose_the_end, lose_all]);
}

#[test]
fn lost_values_are_named() {
    check_damage_is_placed("keyspaces/2/blobs/", &[lose_all]);
}

#[test]
fn deleted_keyspaces_stay_deleted() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(folder.path());
        let day = store.keyspace("day", Shape::Lookups).unwrap();
        let mut batch = store.batch();
        batch.put(&day, b"a", b"1");
        batch.commit(Durability::Synced).unwrap();
        store.delete_keyspace(day).unwrap();
        assert!(store.keyspaces().is_empty());
    }
    let store = open(folder.path());
    assert!(store.keyspaces().is_empty());
    let day = store.keyspace("day", Shape::Lookups).unwrap();
    assert!(store.snapshot().get(&day, b"a").unwrap().is_none());
}
