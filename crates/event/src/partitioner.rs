//! Which partition an event goes to: Kafka's murmur2, so that a key lands on the same number on both logs and from any client.

use crate::{Event, Partition};

/// The partition of `event` among `partitions` (at least 1): by its key, else by source and id, which spreads keyless events
/// and keeps a repeated event on the partition of its first copy.
#[must_use]
pub fn partition_of(event: &Event, partitions: u32) -> Partition {
    match &event.key {
        Some(key) => partition_of_key(key.as_bytes(), partitions),
        None => {
            let identity = [event.source.as_bytes(), b"\0", event.id.as_bytes()].concat();
            partition_of_key(&identity, partitions)
        }
    }
}

/// The partition of a key among `partitions` (at least 1), as Kafka's default partitioner gives it.
#[must_use]
pub fn partition_of_key(key: &[u8], partitions: u32) -> Partition {
    Partition((murmur2(key) & 0x7fff_ffff) % partitions.max(1))
}

/// MurmurHash2, 32 bit, with Kafka's seed (`org.apache.kafka.common.utils.Utils.murmur2`).
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    // Kafka's lengths are 32-bit; keys are at most 64 KiB.
    let mut hash = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut chunks = data.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = chunk.iter().rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        k = k.wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ k;
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        hash ^= tail.iter().rev().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_sign_loss, reason = "Kafka states its vectors as signed numbers")]
    fn murmur2_is_kafkas() {
        // The vectors of Kafka's UtilsTest.testMurmur2.
        for (key, expected) in [
            ("21", -973_932_308_i32),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), expected as u32, "{key}");
        }
    }
}
