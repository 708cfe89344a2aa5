//! Topics: made, deleted, and read from their beginning to their end.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use krafka::Kafka;
use krafka::admin::{CreateTopicsOptions, ListOffsetsOptions, NewTopic, OffsetSpec, TopicPartition};
use krafka::consumer::{AutoOffsetReset, ConsumerRecord, IsolationLevel};
use riverrun_bare::Outcome;

use super::{PARTITIONS, POLL};

/// Bytes asked of a partition at once.
pub(super) const FETCH_BYTES: i32 = 4 * 1024 * 1024;
/// Records taken out of what was fetched at once.
pub(super) const POLL_RECORDS: i32 = 5_000;

/// A new topic is known everywhere long before.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// Makes topics, each with so many partitions, and waits until they can be used. Their records happened in 2013, so none may go by its age.
pub(super) async fn create(kafka: &Kafka, topics: &[(&str, i32)]) -> Outcome<()> {
    let new =
        |(name, partitions): &(&str, i32)| Ok(NewTopic::new(*name, *partitions, -1)?.with_config("retention.ms", "-1"));
    let made = topics.iter().map(new).collect::<krafka::Result<Vec<_>>>()?;
    for created in kafka.admin().create_topics(made, CreateTopicsOptions::default()).await?.into_values() {
        created?;
    }
    let deadline = Instant::now() + KNOWN_WITHIN;
    for (topic, partitions) in topics {
        while let Err(error) = ends(kafka, topic, *partitions).await {
            if Instant::now() > deadline {
                return Err(error);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

/// Where the partitions of a topic end; for readers of what is committed, if so.
pub(super) async fn ends(kafka: &Kafka, topic: &str, partitions: i32) -> Outcome<HashMap<TopicPartition, i64>> {
    let asked: Vec<_> =
        (0..partitions).map(|number| (TopicPartition::new(topic, number), OffsetSpec::Latest)).collect();
    let listed = kafka.admin().list_offsets(asked, ListOffsetsOptions::default().read_committed(true)).await?;
    listed.into_iter().map(|(partition, listed)| Ok((partition, listed?.offset))).collect()
}

/// Shows every committed record of a topic to `see`.
pub(super) async fn read(
    kafka: &Kafka,
    topic: &str,
    partitions: i32,
    mut see: impl FnMut(ConsumerRecord) -> Outcome<()>,
) -> Outcome<()> {
    let ends = ends(kafka, topic, partitions).await?;
    let consumer = kafka
        .consumer_without_group()
        .isolation_level(IsolationLevel::ReadCommitted)
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .max_partition_fetch_bytes(FETCH_BYTES)
        .max_poll_records(POLL_RECORDS)
        .max_buffered_records(PARTITIONS * POLL_RECORDS)
        .fetch_max_wait(POLL)
        .build()
        .await?;
    consumer.assign(topic, (0..partitions).collect()).await?;
    loop {
        let records = consumer.poll(POLL).await?;
        if records.is_empty() {
            let mut is_read = true;
            for (partition, end) in &ends {
                // The last offset may be that of a transaction's mark, which nobody is given.
                let next = consumer.fetch_position(topic, partition.partition).await.unwrap_or_default();
                is_read &= next >= *end;
            }
            if is_read {
                return Ok(());
            }
        }
        records.into_iter().try_for_each(&mut see)?;
    }
}
