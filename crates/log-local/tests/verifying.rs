//! A byte that changed on disk is found: by whoever reads it, and by verify.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use riverrun_log::{Log, ReadError};
use riverrun_log_local::verify;
use riverrun_store::{Durability, Shape, Store, Tuning};
use support::*;

/// Changes rows of the records keyspace behind the log's back.
fn tamper(
    folder: &std::path::Path,
    change: impl FnOnce(&Store, &mut riverrun_store::Batch, &riverrun_store::Keyspace),
) {
    let store = Store::open(&folder.join("store"), Tuning::default()).unwrap();
    let records = store.keyspace("records.1", Shape::LargeValues).unwrap();
    let mut batch = store.batch();
    change(&store, &mut batch, &records);
    batch.commit(Durability::Synced).unwrap();
}

fn key(base: u64) -> Vec<u8> {
    [1_u32.to_be_bytes().as_slice(), &0_u32.to_be_bytes(), &base.to_be_bytes()].concat()
}

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fill(&open(folder.path()), 0, 0..10);
    folder
}

#[test]
fn a_flipped_byte_is_found() {
    let folder = filled();
    tamper(folder.path(), |store, batch, records| {
        let mut value = store.snapshot().get(records, &key(4)).unwrap().unwrap().to_vec();
        let last = value.len() - 1;
        value[last] ^= 1;
        batch.put(records, &key(4), &value);
    });
    let report = verify(folder.path()).unwrap();
    assert!(
        report.problems[0].to_string().starts_with("t/0@4: the batch row cannot be decoded: its CRC"),
        "{report:?}"
    );
    let log = open(folder.path());
    assert_eq!(log.read(&at(0, 0), 1).unwrap().len(), 1);
    let Err(ReadError::Damaged { position, .. }) = log.read(&at(0, 4), 1) else { panic!("it was read") };
    assert_eq!(position, at(0, 4));
}

#[test]
fn a_missing_batch_is_found() {
    let folder = filled();
    tamper(folder.path(), |_, batch, records| batch.delete(records, &key(4)));
    let report = verify(folder.path()).unwrap();
    assert!(report.problems[0].to_string().contains("t/0@5: the batch before it ends at offset 4"), "{report:?}");
    assert!(matches!(open(folder.path()).read(&at(0, 0), usize::MAX), Err(ReadError::Damaged { .. })));
}

#[test]
fn an_exchanged_batch_is_found() {
    let folder = filled();
    tamper(folder.path(), |store, batch, records| {
        let value = store.snapshot().get(records, &key(3)).unwrap().unwrap();
        batch.put(records, &key(4), &value);
    });
    let report = verify(folder.path()).unwrap();
    assert!(report.problems[0].to_string().starts_with("t/0@4"), "{report:?}");
}
