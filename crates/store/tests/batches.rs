//! What users of the store rely on in the engine beneath it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

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
