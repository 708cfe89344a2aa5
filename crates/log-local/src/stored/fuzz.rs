//! Fuzz target: no bytes in the store make a decoder panic, and what one takes is written and read back as the same.
//!
//! A short run is part of the tests; `cargo bolero test -p riverrun-log-local stored::fuzz::rows` goes on for as long as one likes.

use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{Event, Time};

use super::{batch, commit, group, identity, marker, operator, order, partition, position, recent, state, task, topic};
use crate::record::{self, Placed};

/// How long a run within the tests takes.
const SHORT: Duration = Duration::from_secs(1);

#[test]
fn rows() {
    bolero::check!().with_max_len(256).with_test_time(SHORT).for_each(|bytes: &[u8]| {
        let _ = (
            batch::decode_key(bytes),
            commit::decode_key(bytes),
            group::decode_key(bytes),
            identity::decode_key(bytes),
        );
        let _ = (marker::decode_key(bytes), operator::decode_key(bytes), order::decode_key(bytes));
        let _ = (partition::decode_key(bytes), position::decode_key(bytes), state::decode_key(bytes));
        let _ = (task::decode_key(bytes), topic::decode_key(bytes), recent::decode_key(bytes));
        let _ = (group::decode_value(bytes), identity::decode_value(bytes), marker::decode_value(bytes));
        let _ = (operator::decode_value(bytes), partition::decode_value(bytes), position::decode_value(bytes));
        let _ = (task::decode_value(bytes), topic::decode_value(bytes), recent::decode_value(bytes));
        let owned = Bytes::copy_from_slice(bytes);
        if let Ok(event) = record::decode(&owned, &owned) {
            check_round_trip(&event);
        }
        if let Ok(row) = commit::decode_value(bytes) {
            assert_eq!(commit::decode_value(&commit::encode_value(&row)), Ok(row));
        }
        if let Ok(row) = order::decode_value(bytes) {
            assert_eq!(order::decode_value(&order::encode_value(&row)), Ok(row));
        }
    });
}

/// A batch whose checksum is right reaches what lies behind it: the header and the records.
#[test]
fn batches() {
    bolero::check!().with_max_len(256).with_test_time(SHORT).for_each(|bytes: &[u8]| {
        let key = [7; 16];
        let _ = batch::decode_value(&key, bytes);
        let flags = bytes.first().copied().unwrap_or_default();
        let codec = if flags & 1 == 0 { batch::Codec::Raw } else { batch::Codec::Lz4 };
        let header = batch::Header {
            count: u32::from(bytes.get(1).copied().unwrap_or(0)),
            raw_bytes: u32::from(bytes.get(2).copied().unwrap_or(0)),
            ..header(codec, flags & 2 != 0)
        };
        let mut value = Vec::new();
        batch::encode_value(&mut value, &key, &header, bytes.get(3..).unwrap_or_default());
        let (decoded, body) = batch::decode_value(&key, &value).unwrap();
        assert_eq!(decoded, header);
        let Ok(records) = batch::records(&header, body) else { return };
        for placed in Placed::new(7, &header, &records) {
            let Ok(event) = placed.and_then(|(_, _, record)| record::decode(&records, record)) else { return };
            check_round_trip(&event);
        }
    });
}

fn header(codec: batch::Codec, compacted: bool) -> batch::Header {
    let (accepted, previous) = (Time::EPOCH, batch::ChainHash::BEGINNING);
    batch::Header { codec, count: 0, accepted, compacted, previous, raw_bytes: 0 }
}

fn check_round_trip(event: &Event) {
    let mut encoded = Vec::new();
    record::encode(&mut encoded, event);
    let encoded = Bytes::from(encoded);
    let header = header(batch::Codec::Raw, false);
    let (_, _, record) = Placed::new(0, &header, &encoded).next().unwrap().unwrap();
    assert_eq!(&record::decode(&encoded, record).unwrap(), event);
}
