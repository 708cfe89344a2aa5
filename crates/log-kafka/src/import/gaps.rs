//! Offsets without records: what compaction or an accepted loss took out of the log that is copied.
//!
//! A record of a transaction that was given up takes an offset, and so does the mark that says so; no reader of what is committed sees
//! either. So a gap is filled by such a transaction, all but its last offset with records. The last one is the mark, also when the
//! copy is interrupted within the gap: whoever goes on gives the transaction up. A gap of one is a transaction without records.

use bytes::Bytes;
use krafka::producer::DeliveryHandle;
use riverrun_event::{Offset, Position};

use super::{ImportError, Target};
use crate::cluster::Cluster;
use crate::transaction::Transactions;

/// Records of one transaction, and records that are waited for at once.
const FILLED_MAX: u64 = 50_000;

pub(super) struct Gaps(Transactions);

impl Gaps {
    /// What a copy before this one left open is given up with it.
    pub(super) async fn open(cluster: &Cluster) -> Result<Self, ImportError> {
        Ok(Self(Transactions::open(cluster, format!("{}gaps", cluster.transactions())).await?))
    }

    pub(super) async fn skip(&mut self, target: &Target, from: &Position, to: Offset) -> Result<(), ImportError> {
        let partition = from.topic_partition();
        let place = target.cluster.partition(&partition);
        let mut next = from.offset;
        while next < to {
            let filled = (to.0 - next.0 - 1).min(FILLED_MAX);
            self.0.give_up(&place.topic, place.partition, filled).await?;
            next = Offset(next.0 + filled + 1);
            target.check_end(&partition, next).await?;
        }
        Ok(())
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
