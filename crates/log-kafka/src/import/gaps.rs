//! Offsets without records: what compaction or an accepted loss took out of the log that is copied.
//!
//! A record of a transaction that was given up takes an offset, and so does the mark that says so; no reader of what is committed sees
//! either. So a gap is filled by such a transaction, all but its last offset with records. The last one is the mark, also when the
//! copy is interrupted within the gap: whoever goes on gives the transaction up. A gap of one is a transaction without records.

use std::time::Duration;

use bytes::Bytes;
use krafka::producer::{DeliveryHandle, TransactionalProducer};
use riverrun_event::{Offset, Position};

use super::marks::Marks;
use super::{ImportError, Target};
use crate::cluster::Cluster;
use crate::options::REQUEST_TIMEOUT;

/// Records of one transaction, and records that are waited for at once.
const FILLED_MAX: u64 = 50_000;

/// Bytes of them that are sent at once.
const FILLED_BYTES: usize = 256 * 1024;

pub(super) struct Gaps {
    producer: TransactionalProducer,
    marks: Marks,
}

impl Gaps {
    /// Both ways to fill a gap. What a copy before this one left open is given up with it.
    pub(super) async fn open(cluster: &Cluster) -> Result<Self, ImportError> {
        let name = |part: &str| format!("{}{part}", cluster.transactions());
        let producer = cluster.connection().await?.producer().batch_size(FILLED_BYTES).linger(Duration::ZERO);
        let producer = producer.delivery_timeout(REQUEST_TIMEOUT).build_transactional(name("gaps")).await?;
        Ok(Self { producer, marks: Marks::open(cluster, name("marks")).await? })
    }

    pub(super) async fn close(&self) {
        drop(self.producer.close().await);
    }

    pub(super) async fn skip(&mut self, target: &Target, from: &Position, to: Offset) -> Result<(), ImportError> {
        let partition = from.topic_partition();
        let mut next = from.offset;
        while next < to {
            let filled = (to.0 - next.0 - 1).min(FILLED_MAX);
            if filled == 0 {
                self.marks.put(&target.cluster, &partition).await?;
            } else {
                self.give_up(target, from, filled).await?;
            }
            next = Offset(next.0 + filled + 1);
            target.check_end(&partition, next).await?;
        }
        Ok(())
    }

    /// So many records and a mark.
    async fn give_up(&self, target: &Target, place: &Position, records: u64) -> Result<(), ImportError> {
        self.producer.begin()?;
        let mut sent = Vec::new();
        for _ in 0..records {
            sent.push(self.producer.enqueue(filler(&target.cluster, place)).await?);
        }
        written(sent).await?;
        Ok(self.producer.abort().await?)
    }
}

/// Fills a partition that ends at `end` up to an offset with records that are to be deleted.
pub(super) async fn fill(target: &Target, end: &Position, to: Offset) -> Result<(), ImportError> {
    let mut next = end.offset;
    while next < to {
        let filled = (to.0 - next.0).min(FILLED_MAX);
        let mut sent = Vec::new();
        for _ in 0..filled {
            sent.push(target.records.enqueue(filler(&target.cluster, end)).await?);
        }
        written(sent).await?;
        next = Offset(next.0 + filled);
        target.check_end(&end.topic_partition(), next).await?;
    }
    Ok(())
}

/// Waits until all of them are there.
pub(super) async fn written(sent: Vec<DeliveryHandle>) -> Result<(), ImportError> {
    for handle in sent {
        drop(handle.await?);
    }
    Ok(())
}

fn filler(cluster: &Cluster, place: &Position) -> krafka::Record {
    let mut record = krafka::Record::new(cluster.topic(&place.topic), Bytes::new());
    record.partition = i32::try_from(place.partition.0).ok();
    record
}
