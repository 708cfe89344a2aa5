//! `Batch`: records of one partition that were stored together, with what proves them whole and in their place.
//!
//! The hash of a batch covers its key and its value, and the value names the hash of the batch before it: a batch can be
//! neither changed, nor moved, nor taken out without its successor saying so. The CRC-32C is checked on every read; the chain
//! when opening (last batch) and verifying (all).
//!
//! A compacted batch stands for the ones it was made from: it takes their offsets, names the batch before the first of them, and
//! carries the hash of the last, which the next batch names. Its records carry their offsets and accept times, and its own bytes
//! are covered by the CRC. So the chain holds across it, and its records can be counted but no longer proven by the chain.

use bytes::Bytes;
use riverrun_event::Time;

use super::codec::{Cursor, Undecodable, put_time};
use super::{PartitionId, TopicId};

/// BLAKE3 of a stored batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChainHash(pub(crate) [u8; 32]);

impl ChainHash {
    /// What the first batch of a partition names.
    pub(crate) const BEGINNING: Self = Self([0; 32]);
}

impl std::fmt::Debug for ChainHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Eight bytes tell hashes apart in a message.
        self.0.iter().take(8).try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// How the records follow the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As they are.
    Raw,
    /// One LZ4 block.
    Lz4,
    /// There are none: the records were lost and the loss was accepted. The body is the hash the next batch names.
    Lost,
}

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchKey {
    pub(crate) partition: PartitionId,
    /// Offset of the first record.
    pub(crate) base: u64,
}

/// What is known of a batch without its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) codec: Codec,
    /// How many offsets it takes.
    pub(crate) count: u32,
    /// When its records were accepted; one commit cycle, one time. Of a compacted one, its latest.
    pub(crate) accepted: Time,
    /// Whether compaction took records out of it.
    pub(crate) compacted: bool,
    /// Hash of the batch before.
    pub(crate) previous: ChainHash,
    /// Bytes of the records once decompressed.
    pub(crate) raw_bytes: u32,
}

/// Bytes before the body: codec, count, time, hash, raw length, CRC.
pub(crate) const HEADER_BYTES: usize = 1 + 4 + 12 + 32 + 4 + 4;

pub(crate) fn encode_key(key: BatchKey) -> [u8; 16] {
    let mut out = [0; 16];
    let parts = key.partition.topic.0.to_be_bytes().into_iter().chain(key.partition.partition.to_be_bytes());
    out.iter_mut().zip(parts.chain(key.base.to_be_bytes())).for_each(|(byte, part)| *byte = part);
    out
}

pub(crate) fn decode_key(bytes: &[u8]) -> Result<BatchKey, Undecodable> {
    let mut cursor = Cursor::new("batch", bytes);
    let partition = PartitionId { topic: TopicId(cursor.u32()?), partition: cursor.u32()? };
    let key = BatchKey { partition, base: cursor.u64()? };
    cursor.end().map(|()| key)
}

/// Writes the value into `out`, emptying it first: the committer reuses one buffer for all.
pub(crate) fn encode_value(out: &mut Vec<u8>, key: &[u8; 16], header: &Header, body: &[u8]) {
    out.clear();
    out.reserve(HEADER_BYTES + body.len());
    out.push(match (header.codec, header.compacted) {
        (Codec::Raw, false) => 0,
        (Codec::Lz4, false) => 1,
        (Codec::Lost, _) => 2,
        (Codec::Raw, true) => 3,
        (Codec::Lz4, true) => 4,
    });
    out.extend(header.count.to_be_bytes());
    put_time(out, header.accepted);
    out.extend(header.previous.0);
    out.extend(header.raw_bytes.to_be_bytes());
    let crc = crc(key, out, body);
    out.extend(crc.to_be_bytes());
    out.extend_from_slice(body);
}

/// The same for a compacted batch with these records, of which the next batch names `resume`.
pub(crate) fn encode_compacted(
    out: &mut Vec<u8>,
    key: &[u8; 16],
    header: &Header,
    resume: ChainHash,
    raw: &[u8],
    compressed: Option<&[u8]>,
) {
    let (codec, records) = compressed.map_or((Codec::Raw, raw), |compressed| (Codec::Lz4, compressed));
    let header = Header { codec, compacted: true, raw_bytes: u32::try_from(raw.len()).unwrap_or(u32::MAX), ..*header };
    encode_value(out, key, &header, &[&resume.0, records].concat());
}

/// The header and the body, once the CRC was found right.
pub(crate) fn decode_value<'a>(key: &[u8], value: &'a [u8]) -> Result<(Header, &'a [u8]), Undecodable> {
    let mut cursor = Cursor::new("batch", value);
    let (codec, compacted) = match cursor.u8()? {
        0 => (Codec::Raw, false),
        1 => (Codec::Lz4, false),
        2 => (Codec::Lost, false),
        3 => (Codec::Raw, true),
        4 => (Codec::Lz4, true),
        _ => return Err(cursor.error("an unknown codec")),
    };
    let header = Header {
        codec,
        compacted,
        count: cursor.u32()?,
        accepted: cursor.time()?,
        previous: ChainHash(cursor.array()?),
        raw_bytes: cursor.u32()?,
    };
    let stored = cursor.u32()?;
    let body = cursor.rest();
    let before_crc = value.get(..HEADER_BYTES - 4).unwrap_or_default();
    if crc(key, before_crc, body) != stored {
        return Err(cursor.error("its CRC does not match: bytes have changed since they were written"));
    }
    Ok((header, body))
}

fn crc(key: &[u8], header: &[u8], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(key), header), body)
}

/// What the next batch must name as the one before it.
pub(crate) fn hash(key: &[u8], value: &[u8]) -> ChainHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    ChainHash(*hasher.finalize().as_bytes())
}

/// What the batch after this one must name: the hash of this one, or what a lost or compacted one carries.
pub(crate) fn next_previous(key: &[u8], value: &[u8], header: &Header, body: &[u8]) -> ChainHash {
    match body.first_chunk::<32>() {
        Some(resume) if header.compacted || header.codec == Codec::Lost => ChainHash(*resume),
        _ => hash(key, value),
    }
}

/// Most raw bytes a decompressed batch may have. Batches are cut far below; a larger number is damage, not a reason to
/// allocate.
const RAW_BYTES_MAX: u32 = 256 * 1024 * 1024;

/// The records of a batch, decompressed.
pub(crate) fn records(header: &Header, body: &[u8]) -> Result<Bytes, Undecodable> {
    let undecodable = |detail| Undecodable { row: "batch", detail };
    let carried = if header.compacted { 32 } else { 0 };
    let body = body.get(carried..).ok_or(undecodable("it ends early"))?;
    match header.codec {
        Codec::Raw => Ok(Bytes::copy_from_slice(body)),
        Codec::Lost => Ok(Bytes::new()),
        Codec::Lz4 if header.raw_bytes > RAW_BYTES_MAX => Err(undecodable("its length is impossible")),
        Codec::Lz4 => {
            let length = usize::try_from(header.raw_bytes).map_err(|_| undecodable("its length is impossible"))?;
            let raw =
                lz4_flex::block::decompress(body, length).map_err(|_| undecodable("it cannot be decompressed"))?;
            if raw.len() == length { Ok(raw.into()) } else { Err(undecodable("it has another length than it says")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back_as_it_went(
            key: (u32, u32, u64), count: u32, time in (any::<i64>(), 0..1_000_000_000_u32), previous: [u8; 32], body: Vec<u8>,
            compress: bool, compacted: bool, flip: (usize, u8),
        ) {
            let key = BatchKey { partition: PartitionId { topic: TopicId(key.0), partition: key.1 }, base: key.2 };
            let mut stored = if compacted { vec![7; 32] } else { Vec::new() };
            stored.extend(if compress { lz4_flex::block::compress(&body) } else { body.clone() });
            let header = Header {
                codec: if compress { Codec::Lz4 } else { Codec::Raw }, count, accepted: Time::from_unix(time.0, time.1), compacted,
                previous: ChainHash(previous), raw_bytes: body.len() as u32,
            };
            let key_bytes = encode_key(key);
            let mut value = vec![1, 2, 3];
            encode_value(&mut value, &key_bytes, &header, &stored);
            prop_assert_eq!(decode_key(&key_bytes), Ok(key));
            prop_assert_eq!(decode_value(&key_bytes, &value), Ok((header, &stored[..])));
            prop_assert_eq!(records(&header, &stored).unwrap(), body);

            let place = flip.0 % value.len();
            value[place] ^= flip.1 | 1;
            prop_assert!(decode_value(&key_bytes, &value).is_err(), "a flipped byte is seen");
        }
    }
}
