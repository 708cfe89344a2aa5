//! What an output holds, in one number that does not depend on the order: sides that do the same have the same.

use std::hash::{DefaultHasher, Hash, Hasher};

use krafka::Kafka;
use riverrun_bare::Outcome;

use super::{PARTITIONS, topics};

/// Keys and data of a topic.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// How many records it has.
    pub(super) records: u64,
    /// The sum of the hashes of each.
    pub(super) sum: u64,
}

/// Reads all that is committed.
pub(super) async fn of(kafka: &Kafka, topic: &str) -> Outcome<Digest> {
    let mut digest = Digest::default();
    topics::read(kafka, topic, PARTITIONS, |record| {
        let mut hasher = DefaultHasher::new();
        (record.key, record.value).hash(&mut hasher);
        digest.records += 1;
        digest.sum = digest.sum.wrapping_add(hasher.finish());
        Ok(())
    })
    .await?;
    Ok(digest)
}
