//! Reading: a cursor stands where somebody read last, and goes on from there without asking where that is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use krafka::admin::OffsetSpec;
use krafka::consumer::{AutoOffsetReset, Consumer, IsolationLevel};
use riverrun_event::{Offset, Position, Record, Time, TopicPartition};
use riverrun_log::ReadError;

use crate::binding::decode;
use crate::cluster::Cluster;
use crate::sabotage;
use crate::stall::Stall;
use crate::topics::failed_read;

/// Cursors kept of a partition; each has a place of its own, and one that nobody reads on from is of no use.
const CURSORS_MAX: usize = 4;
/// Bytes asked of the cluster at once.
const FETCH_BYTES: i32 = 4 * 1024 * 1024;
/// Records taken out of what was fetched at once.
const POLL_RECORDS: i32 = 5_000;
/// How long the cluster waits for records that are not there. Hardly ever, since only what is there is asked for.
const FETCH_WAIT: Duration = Duration::from_millis(5);
/// How long one look for more records takes at most; the end is then asked for again.
const POLL: Duration = Duration::from_millis(200);

/// The cursors of a log.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<HashMap<TopicPartition, VecDeque<Cursor>>>);

struct Cursor {
    consumer: Consumer,
    /// The offset of the record after the last one that was given out.
    next: Offset,
    /// What was fetched and not given out.
    ahead: VecDeque<Record>,
}

/// What a read gives out.
#[derive(Default)]
struct Given {
    records: Vec<Record>,
    bytes: usize,
}

impl Cursors {
    /// Records from a position on; empty at the end of what is committed.
    pub(crate) async fn read(
        &self,
        cluster: &Cluster,
        from: &Position,
        bytes_max: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let partition = from.topic_partition();
        let mut cursor = match self.take(&partition, from.offset) {
            Some(cursor) => cursor,
            None => match Cursor::open(cluster, from).await? {
                Some(cursor) => cursor,
                None => {
                    // Its end is watched from now on, so that whoever waits for the first record hears of it.
                    self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(partition).or_default();
                    return Ok(Vec::new());
                }
            },
        };
        if cursor.ahead.is_empty() {
            cursor.fetch(cluster, &partition).await?;
        }
        let mut given = Given::default();
        cursor.give(cluster, &mut given, bytes_max);
        if given.bytes < bytes_max && !given.records.is_empty() {
            // More may have been fetched meanwhile; a reader takes less than it asked for as a sign that little is left.
            cursor.poll(cluster, &partition, Duration::ZERO).await?;
            cursor.give(cluster, &mut given, bytes_max);
        }
        self.put(partition, cursor);
        Ok(given.records)
    }

    fn take(&self, partition: &TopicPartition, next: Offset) -> Option<Cursor> {
        let mut cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = cursors.get_mut(partition)?;
        let place = list.iter().position(|cursor| cursor.next == next)?;
        list.remove(place)
    }

    fn put(&self, partition: TopicPartition, cursor: Cursor) {
        let mut cursors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = cursors.entry(partition).or_default();
        list.push_back(cursor);
        if list.len() > CURSORS_MAX {
            list.pop_front();
        }
    }

    /// The partitions somebody reads.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

impl Cursor {
    /// A cursor at a position; none at or beyond the end.
    async fn open(cluster: &Cluster, from: &Position) -> Result<Option<Self>, ReadError> {
        let partition = from.topic_partition();
        cluster.check(&partition).await?;
        let one = std::slice::from_ref(&partition);
        let start = *cluster.offsets(one, OffsetSpec::Earliest).await?.first().unwrap_or(&Offset(0));
        if from.offset < start {
            return Err(ReadError::BelowStart { asked: from.clone(), start: partition.at(start) });
        }
        let end = *cluster.offsets(one, OffsetSpec::Latest).await?.first().unwrap_or(&Offset(0));
        if from.offset >= end {
            return Ok(None);
        }
        let consumer = cluster
            .reading
            .consumer_without_group()
            .isolation_level(if sabotage::reads_uncommitted() {
                IsolationLevel::ReadUncommitted
            } else {
                IsolationLevel::ReadCommitted
            })
            .auto_offset_reset(AutoOffsetReset::None)
            .enable_auto_commit(false)
            .max_partition_fetch_bytes(FETCH_BYTES)
            .max_poll_records(POLL_RECORDS)
            .fetch_max_wait(FETCH_WAIT)
            .initial_offsets([(cluster.partition(&partition), offset_of(from.offset))])
            .build()
            .await
            .map_err(failed_read)?;
        consumer.assign(&cluster.topic(&partition.topic), vec![place_of(&partition)]).await.map_err(failed_read)?;
        Ok(Some(Self { consumer, next: from.offset, ahead: VecDeque::new() }))
    }

    /// Fetches until there is a record, or none is left that is committed: the end may be a mark of a transaction.
    async fn fetch(&mut self, cluster: &Cluster, partition: &TopicPartition) -> Result<(), ReadError> {
        // What was fetched before needs no look at the end.
        self.poll(cluster, partition, Duration::ZERO).await?;
        if !self.ahead.is_empty() {
            return Ok(());
        }
        let one = std::slice::from_ref(partition);
        let end = *cluster.offsets(one, OffsetSpec::Latest).await?.first().unwrap_or(&Offset(0));
        let topic = cluster.topic(&partition.topic);
        let mut stall = Stall::begin();
        while self.ahead.is_empty() && self.next < end {
            // Looked at before polling, since it is ahead of what was given out: of that, nothing is left only if a poll is empty.
            let fetched = self.consumer.fetch_position(&topic, place_of(partition)).await;
            let complete = fetched.is_some_and(|fetched| fetched >= offset_of(end));
            self.poll(cluster, partition, if complete { Duration::ZERO } else { POLL }).await?;
            if complete {
                return Ok(());
            }
            if self.ahead.is_empty() {
                let stalled = stall.check(cluster, &topic, place_of(partition), offset_of(self.next)).await;
                stalled.map_err(ReadError::Failed)?;
            }
        }
        Ok(())
    }

    async fn poll(
        &mut self,
        cluster: &Cluster,
        partition: &TopicPartition,
        patience: Duration,
    ) -> Result<(), ReadError> {
        let polled = self.consumer.poll(patience).await.map_err(|error| {
            if error.protocol_error_kind().is_some() {
                // What is written so stays so; whoever can mend it has to hear of it.
                cluster.refusals.note("readers", &error.to_string());
            }
            failed_read(error)
        });
        for record in polled? {
            let accepted = Time::from_unix_ms(record.timestamp);
            let position = partition.at(Offset(u64::try_from(record.offset).unwrap_or_default()));
            self.ahead.push_back(decode(position, accepted, record.headers, record.key, record.value));
        }
        Ok(())
    }

    /// At least one record where there is one, and no more after so many bytes.
    fn give(&mut self, cluster: &Cluster, given: &mut Given, bytes_max: usize) {
        let Some(last) = self.ahead.back() else { return };
        let end = cluster.visible.end(&last.position.topic_partition(), last.position.offset.next());
        while (given.records.is_empty() || given.bytes < bytes_max)
            && let Some(record) = self.ahead.pop_front_if(|record| record.position.offset < end)
        {
            given.bytes += record.event.bytes();
            self.next = record.position.offset.next();
            given.records.push(record);
        }
    }
}

fn place_of(partition: &TopicPartition) -> i32 {
    i32::try_from(partition.partition.0).unwrap_or(i32::MAX)
}

fn offset_of(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}
