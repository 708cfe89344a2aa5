//! A consumer of the topic: which numbers can be read by now.

use std::time::Duration;

use krafka::Kafka;
use krafka::consumer::{AutoOffsetReset, Consumer, IsolationLevel};
use riverrun_bare::Outcome;

use super::PARTITIONS;

/// Bytes asked of a partition at once, and records taken out of them.
const FETCH_BYTES: i32 = 4 * 1024 * 1024;
const POLL_RECORDS: i32 = 5_000;
/// The broker answers as soon as it has anything; this is how long it waits when it has nothing.
const FETCH_WAIT: Duration = Duration::from_millis(10);
const POLL: Duration = Duration::from_millis(200);

/// A consumer of committed records, from the beginning.
pub(super) struct Watcher(Consumer);

impl Watcher {
    /// Begins to read a topic.
    pub(super) async fn open(kafka: &Kafka, topic: &str) -> Outcome<Self> {
        let consumer = kafka
            .consumer_without_group()
            .isolation_level(IsolationLevel::ReadCommitted)
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .fetch_min_bytes(1)
            .max_partition_fetch_bytes(FETCH_BYTES)
            .max_poll_records(POLL_RECORDS)
            .max_buffered_records(PARTITIONS * POLL_RECORDS)
            .fetch_max_wait(FETCH_WAIT)
            .build()
            .await?;
        consumer.assign(topic, (0..PARTITIONS).collect()).await?;
        Ok(Self(consumer))
    }

    /// The numbers of the records that came; none when a while nothing did.
    pub(super) async fn next(&self) -> Outcome<Vec<u64>> {
        let records = self.0.poll(POLL).await?;
        let number = |value: &[u8]| number(value).ok_or_else(|| "a record without a number".into());
        records.iter().map(|record| number(record.value.as_deref().unwrap_or_default())).collect()
    }
}

/// Which of so many numbers were seen.
pub(super) struct Seen {
    seen: Vec<bool>,
    pub(super) count: u64,
    /// How many came more than once.
    pub(super) repeated: u64,
}

impl Seen {
    pub(super) fn none_of(numbers: u64) -> Outcome<Self> {
        Ok(Self { seen: vec![false; usize::try_from(numbers)?], count: 0, repeated: 0 })
    }

    pub(super) fn see(&mut self, number: u64) -> Outcome<()> {
        let seen = self.seen.get_mut(usize::try_from(number)?).ok_or("a number that was not stored")?;
        if std::mem::replace(seen, true) {
            self.repeated += 1;
        } else {
            self.count += 1;
        }
        Ok(())
    }
}

/// The first digits of a payload.
fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    digits.map(|digit| u64::from(digit - b'0')).try_fold(None, |number: Option<u64>, digit| {
        Some(Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?))
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        assert_eq!(number(br#"{"n": 1734, "total": 5}"#), Some(1_734));
        assert_eq!(number(br#"{"n":0}"#), Some(0));
        assert_eq!(number(b"{}"), None);
    }
}
