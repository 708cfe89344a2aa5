//! The stored row of one version of an entity.
//!
//! Key: entity length (u32), entity, time (seconds with flipped sign, i64; nanoseconds, u32), origin (u64), revision (u64), all
//! big-endian, so that rows of an entity are ordered by time. `origin` is the offset of the event the version stands for;
//! `revision` the offset of the event that made the row: the same, unless a late merge recomputed a later version.
//! Value: one tag byte, the length of the data (u32), the data, then the patch of a merged version.

use bytes::{BufMut, Bytes, BytesMut};
use riverrun_event::{Offset, Time};

/// One version of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// From when on it is in force.
    pub time: Time,
    /// The event it stands for.
    pub origin: Offset,
    /// The event that made this row.
    pub revision: Offset,
    /// The entity's data; `None`: deleted.
    pub data: Option<Bytes>,
    /// Of a merged version, what its event contributed; `None` inside: it deleted the entity.
    pub patch: Option<Option<Bytes>>,
}

const DELETED: u8 = 0;
const DATA: u8 = 1;
const MERGED: u8 = 2;
const MERGED_DELETION: u8 = 3;

/// Everything of `entity` starts with this.
#[must_use]
pub fn prefix(entity: &[u8]) -> BytesMut {
    let mut key = BytesMut::with_capacity(entity.len() + 32);
    key.put_u32(u32::try_from(entity.len()).unwrap_or(u32::MAX));
    key.put_slice(entity);
    key
}

/// The first key of `entity` that is not before `time`.
#[must_use]
pub fn key_from(entity: &[u8], time: Time) -> Bytes {
    let mut key = prefix(entity);
    put_time(&mut key, time);
    key.freeze()
}

/// The first key of `entity` that is after `time`, whatever its origin.
#[must_use]
pub fn key_after(entity: &[u8], time: Time) -> Bytes {
    let mut key = prefix(entity);
    put_time(&mut key, time);
    key.put_bytes(0xff, 17); // one byte longer than origin and revision: behind all of them
    key.freeze()
}

/// Behind every key of `entity`.
#[must_use]
pub fn key_end(entity: &[u8]) -> Bytes {
    let mut key = prefix(entity);
    key.put_bytes(0xff, 29); // one byte longer than time, origin and revision
    key.freeze()
}

fn put_time(key: &mut BytesMut, time: Time) {
    key.put_i64(time.unix_seconds() ^ i64::MIN);
    key.put_u32(time.subsecond_nanoseconds());
}

impl Version {
    /// The row's key.
    #[must_use]
    pub fn key(&self, entity: &[u8]) -> Bytes {
        let mut key = prefix(entity);
        put_time(&mut key, self.time);
        key.put_u64(self.origin.0);
        key.put_u64(self.revision.0);
        key.freeze()
    }

    /// The row's value.
    #[must_use]
    pub fn value(&self) -> Bytes {
        let data = self.data.as_deref().unwrap_or_default();
        let patch = self.patch.as_ref().and_then(|patch| patch.as_deref()).unwrap_or_default();
        let mut value = BytesMut::with_capacity(6 + data.len() + patch.len());
        value.put_u8(match (&self.data, &self.patch) {
            (_, Some(Some(_))) => MERGED,
            (_, Some(None)) => MERGED_DELETION,
            (Some(_), None) => DATA,
            (None, None) => DELETED,
        });
        // A merged version can be a deletion too; a length of u32::MAX tells it from empty data.
        value.put_u32(match &self.data {
            Some(data) => u32::try_from(data.len()).unwrap_or(u32::MAX - 1),
            None => u32::MAX,
        });
        value.put_slice(data);
        value.put_slice(patch);
        value.freeze()
    }

    /// Reads a row back; `None` when it is no version row.
    #[must_use]
    pub fn decode(key: &Bytes, value: &Bytes) -> Option<Self> {
        let fixed = key.len().checked_sub(28)?;
        let number = |from: usize, to: usize| {
            key.get(fixed + from..fixed + to)
                .map(|bytes| bytes.iter().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte)))
        };
        let seconds = number(0, 8)?.cast_signed() ^ i64::MIN;
        let (tag, rest) = value.split_first()?;
        let (length, _) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        let (data, behind) = match length {
            u32::MAX => (None, 5),
            length => {
                let end = 5 + usize::try_from(length).ok()?;
                (Some(value.get(5..end).map(|_| value.slice(5..end))?), end)
            }
        };
        let patch = match *tag {
            DELETED | DATA => None,
            MERGED => Some(Some(value.slice(behind..))),
            MERGED_DELETION => Some(None),
            _ => return None,
        };
        Some(Self {
            time: Time::from_unix(seconds, u32::try_from(number(8, 12)?).ok()?),
            origin: Offset(number(12, 20)?),
            revision: Offset(number(20, 28)?),
            data,
            patch,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn versions_are_read_as_written(
            entity in prop::collection::vec(any::<u8>(), 0..20),
            seconds in -100_000_000_000_i64..100_000_000_000,
            nanoseconds in 0_u32..1_000_000_000,
            origin in any::<u64>(),
            revision in any::<u64>(),
            data in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            patch in prop::option::of(prop::option::of(prop::collection::vec(any::<u8>(), 0..20))),
        ) {
            let version = Version {
                time: Time::from_unix(seconds, nanoseconds),
                origin: Offset(origin),
                revision: Offset(revision),
                data: data.map(Bytes::from),
                patch: patch.map(|patch| patch.map(Bytes::from)),
            };
            let key = version.key(&entity);
            prop_assert_eq!(Version::decode(&key, &version.value()), Some(version.clone()));
            prop_assert!(key_from(&entity, version.time) <= key);
            prop_assert!(key < key_after(&entity, version.time));
            prop_assert!(key < key_end(&entity));
        }

        #[test]
        fn rows_of_an_entity_are_ordered_by_time(a in any::<i64>(), b in any::<i64>()) {
            prop_assume!(a < b);
            let (a, b) = (Time::from_unix(a, 0), Time::from_unix(b, 0));
            prop_assert!(key_after(b"x", a) <= key_from(b"x", b));
        }
    }
}
