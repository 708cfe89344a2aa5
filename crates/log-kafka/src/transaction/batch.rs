//! Records as Kafka keeps them: batches of format v2, compressed as a whole.
//!
//! The format is described in Kafka's documentation under "Record Batch". A batch is built as its records come, so that nothing is made for
//! a record that does not stand on the wire; who writes it, and as which in the order, is put in when it is sent.

use std::io::{self, Write};

use bytes::{BufMut, Bytes};
use lz4_flex::frame::FrameEncoder;

use crate::options::Compression;

/// Bytes of a batch before compression. Even what does not shrink fits into what a topic takes (`max.message.bytes`, 1,048,588 by default).
const BATCH_BYTES: usize = 960 * 1024;
/// From the base offset to the count of records.
const HEADER_BYTES: usize = 61;
/// Where the batch's length begins to count, and where its checksum does.
const LENGTH_FROM: usize = 12;
const CHECKSUM_FROM: usize = 21;
const MAGIC: u8 = 2;
/// With the time that a record was made, in a transaction.
const ATTRIBUTES: i16 = 0b1_0000;
const LZ4: i16 = 0b11;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer: i64,
    pub(super) epoch: i16,
}

/// Records of one partition on their way into batches.
#[derive(Default)]
pub(super) struct Batches {
    compression: Compression,
    done: Vec<Batch>,
    open: Vec<u8>,
    count: i32,
    /// The record that is being written, whose length stands before it.
    record: Vec<u8>,
    headers: Vec<u8>,
}

/// A batch that lacks only who writes it.
pub(super) struct Batch {
    /// With room for the header.
    bytes: Vec<u8>,
    compression: Compression,
    pub(super) count: i32,
}

/// Where the headers of a record are written.
pub(crate) struct Headers<'b> {
    bytes: &'b mut Vec<u8>,
    count: i64,
}

impl Headers<'_> {
    /// Adds one; its name comes in two parts.
    pub(crate) fn add(&mut self, prefix: &str, name: &str, value: &str) {
        put_varint(self.bytes, length(prefix.len() + name.len()));
        self.bytes.extend_from_slice(prefix.as_bytes());
        self.bytes.extend_from_slice(name.as_bytes());
        put_bytes(self.bytes, Some(value.as_bytes()));
        self.count += 1;
    }
}

impl Batches {
    pub(super) fn compressed(compression: Compression) -> Self {
        Self { compression, ..Self::default() }
    }

    /// Adds a record.
    pub(super) fn add(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl FnOnce(&mut Headers<'_>),
    ) -> io::Result<()> {
        self.headers.clear();
        let mut written = Headers { bytes: &mut self.headers, count: 0 };
        headers(&mut written);
        let count = written.count;
        self.record.clear();
        put_bytes(&mut self.record, key);
        put_bytes(&mut self.record, value);
        put_varint(&mut self.record, count);
        self.record.extend_from_slice(&self.headers);
        if self.count > 0 && self.open.len() + self.record.len() > BATCH_BYTES {
            self.close()?;
        }
        // Attributes, of which there are none, and the distances from the batch's time and first offset.
        let mut place = [0; 2 + VARINT_BYTES_MAX];
        let place_bytes = 2 + varint(i64::from(self.count), place.get_mut(2..).unwrap_or_default());
        put_varint(&mut self.open, length(place_bytes + self.record.len()));
        self.open.extend_from_slice(place.get(..place_bytes).unwrap_or_default());
        self.open.extend_from_slice(&self.record);
        self.count += 1;
        Ok(())
    }

    /// All batches, in order.
    pub(super) fn finish(mut self) -> io::Result<Vec<Batch>> {
        if self.count > 0 {
            self.close()?;
        }
        Ok(self.done)
    }

    fn close(&mut self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.open.len() / 2);
        bytes.resize(HEADER_BYTES, 0);
        match self.compression {
            Compression::None => bytes.extend_from_slice(&self.open),
            Compression::Lz4 => {
                let mut encoder = FrameEncoder::new(bytes);
                encoder.write_all(&self.open)?;
                bytes = encoder.finish().map_err(io::Error::other)?;
            }
        }
        self.done.push(Batch { bytes, compression: self.compression, count: self.count });
        self.open.clear();
        self.count = 0;
        Ok(())
    }
}

impl Batch {
    /// The batch as it is sent: written by `identity`, its first record the one with this number in the partition, made at `now`
    /// (milliseconds since 1970).
    pub(super) fn seal(mut self, identity: Identity, sequence: i32, now: i64) -> Bytes {
        let mut checked = Vec::with_capacity(HEADER_BYTES - CHECKSUM_FROM);
        checked.put_i16(match self.compression {
            Compression::Lz4 => ATTRIBUTES | LZ4,
            Compression::None => ATTRIBUTES,
        });
        checked.put_i32(self.count - 1);
        checked.put_i64(now);
        checked.put_i64(now);
        checked.put_i64(identity.producer);
        checked.put_i16(identity.epoch);
        checked.put_i32(sequence);
        checked.put_i32(self.count);
        let records = self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&checked), records);
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.put_i64(0);
        header.put_i32(i32::try_from(self.bytes.len() - LENGTH_FROM).unwrap_or(i32::MAX));
        // The leader's epoch is for brokers to fill in.
        header.put_i32(-1);
        header.put_u8(MAGIC);
        header.put_u32(checksum);
        header.extend_from_slice(&checked);
        self.bytes.iter_mut().zip(header).for_each(|(byte, of_header)| *byte = of_header);
        self.bytes.into()
    }
}

const VARINT_BYTES_MAX: usize = 10;

/// A number as Kafka's records have it: zigzag, then seven bits a byte. Gives how many bytes it takes.
fn varint(number: i64, bytes: &mut [u8]) -> usize {
    let mut rest = (number << 1 ^ number >> 63).cast_unsigned();
    let mut count = 0;
    for byte in bytes {
        count += 1;
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            *byte = low & 0x7f;
            break;
        }
        *byte = low | 0x80;
    }
    count
}

fn put_varint(to: &mut Vec<u8>, number: i64) {
    let mut bytes = [0; VARINT_BYTES_MAX];
    let count = varint(number, &mut bytes);
    to.extend_from_slice(bytes.get(..count).unwrap_or_default());
}

/// Its length before it, or -1 for null.
fn put_bytes(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    put_varint(to, bytes.map_or(-1, |bytes| length(bytes.len())));
    to.extend_from_slice(bytes.unwrap_or_default());
}

fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Batches as another implementation of the format reads them.

    use std::io::Read;

    use kafka_protocol::records::{Compression, Record, RecordBatchDecoder};

    use super::*;

    pub(crate) fn read(batch: Bytes) -> Vec<Record> {
        let decompress = |bytes: &mut Bytes, compression| {
            if compression == Compression::None {
                return Ok(bytes.clone());
            }
            assert_eq!(compression, Compression::Lz4);
            let mut plain = Vec::new();
            lz4_flex::frame::FrameDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            Ok(Bytes::from(plain))
        };
        RecordBatchDecoder::decode_with_custom_compression(&mut batch.clone(), Some(&decompress)).unwrap().records
    }

    /// The only record of a batch.
    pub(crate) fn written(key: Option<&[u8]>, value: Option<&[u8]>, headers: impl FnOnce(&mut Headers<'_>)) -> Record {
        let mut batches = Batches::default();
        batches.add(key, value, headers).unwrap();
        let batch = batches.finish().unwrap().remove(0).seal(Identity { producer: 1, epoch: 0 }, 0, 0);
        read(batch).remove(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::read;
    use super::*;

    type Written = (Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, String)>);

    fn batches(records: &[Written], compression: Compression) -> Vec<Batch> {
        let mut batches = Batches::compressed(compression);
        for (key, value, headers) in records {
            let add = |to: &mut Headers<'_>| headers.iter().for_each(|(name, value)| to.add("ce_", name, value));
            batches.add(key.as_deref(), value.as_deref(), add).unwrap();
        }
        batches.finish().unwrap()
    }

    #[test]
    fn what_does_not_fit_into_a_batch_begins_the_next() {
        let record = |size: usize| (None, Some(vec![b'a'; size]), Vec::new());
        let sizes = [500, 400, 100, 2048].map(|kibibytes| record(kibibytes * 1024));
        let batches = batches(&sizes, Compression::Lz4);
        assert_eq!(batches.iter().map(|batch| batch.count).collect::<Vec<_>>(), [2, 1, 1]);
        let identity = Identity { producer: 1, epoch: 0 };
        let sizes = batches.into_iter().map(|batch| read(batch.seal(identity, 0, 0)));
        let sizes: Vec<usize> = sizes.flatten().map(|record| record.value.unwrap().len() / 1024).collect();
        assert_eq!(sizes, [500, 400, 100, 2048]);
    }

    proptest! {
        #[test]
        fn another_reader_finds_what_was_written(
            records in proptest::collection::vec(
                (
                    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
                    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
                    proptest::collection::vec(("[a-z]{1,9}", "[ -~é]{0,100}"), 0..80),
                ),
                1..100,
            ),
            sequence in 0..i32::MAX,
            producer in 0..i64::MAX,
            epoch in 0..i16::MAX,
            now in 0_i64..4_000_000_000_000,
            compression in prop_oneof![Just(Compression::Lz4), Just(Compression::None)],
        ) {
            let mut batches = batches(&records, compression);
            prop_assert_eq!(batches.len(), 1);
            let found = read(batches.remove(0).seal(Identity { producer, epoch }, sequence, now));
            prop_assert_eq!(found.len(), records.len());
            for (place, ((key, value, headers), found)) in records.into_iter().zip(found).enumerate() {
                prop_assert!(found.transactional && !found.control);
                prop_assert_eq!(found.offset, i64::try_from(place).unwrap());
                prop_assert_eq!(found.sequence, sequence.wrapping_add(i32::try_from(place).unwrap()));
                prop_assert_eq!((found.producer_id, found.producer_epoch, found.timestamp), (producer, epoch, now));
                prop_assert_eq!((found.key, found.value), (key.map(Bytes::from), value.map(Bytes::from)));
                let expected: std::collections::BTreeMap<_, _> = headers.into_iter().collect();
                let found: std::collections::BTreeMap<_, _> = found
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name.trim_start_matches("ce_").to_owned(), String::from_utf8(value.unwrap().to_vec()).unwrap()))
                    .collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
