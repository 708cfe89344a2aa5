//! The newest batches as they were before they were compressed, in bounded memory: who reads at the end of a partition, as
//! pipelines and followers do, needs neither the store nor LZ4.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::stored::PartitionId;
use crate::stored::batch::Header;

/// A batch with its records as `record.rs` lays them out.
#[derive(Clone, Debug)]
pub(crate) struct TailBatch {
    pub(crate) partition: PartitionId,
    /// Offset of the first record.
    pub(crate) base: u64,
    pub(crate) header: Header,
    pub(crate) records: Bytes,
}

/// The newest batches of all partitions. Of each partition those that are kept follow each other without a gap, up to its end.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    partitions: HashMap<PartitionId, VecDeque<TailBatch>>,
    /// Whose oldest batch goes next.
    order: VecDeque<PartitionId>,
}

impl Tail {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    /// Keeps batches, in order; the oldest go when there is no room. They may be about to become durable: whoever reads looks no
    /// further than to the published end.
    pub(crate) fn add(&self, batches: impl Iterator<Item = TailBatch>) {
        let mut kept = self.lock();
        for batch in batches {
            kept.bytes += batch.records.len();
            kept.order.push_back(batch.partition);
            kept.partitions.entry(batch.partition).or_default().push_back(batch);
        }
        while kept.bytes > self.bytes_max && kept.drop_oldest() {}
    }

    /// The batches from the one that holds `offset`, at least `bytes` of them where there are as many; `None` when that one is
    /// not kept.
    pub(crate) fn from(&self, partition: PartitionId, offset: u64, bytes: usize) -> Option<Vec<TailBatch>> {
        let kept = self.lock();
        let batches = kept.partitions.get(&partition)?;
        let first = batches.partition_point(|batch| batch.base <= offset).checked_sub(1)?;
        let mut taken = Vec::new();
        let mut left = bytes;
        for batch in batches.range(first..) {
            taken.push(batch.clone());
            // What lies before `offset` in the first batch is not wanted, so it does not count.
            if taken.len() > 1 {
                left = left.saturating_sub(batch.records.len());
            }
            if left == 0 {
                break;
            }
        }
        Some(taken)
    }

    /// Lets go of a partition whose stored batches are replaced.
    pub(crate) fn forget(&self, partition: PartitionId) {
        let mut kept = self.lock();
        let dropped = kept.partitions.remove(&partition).unwrap_or_default();
        kept.bytes -= dropped.iter().map(|batch| batch.records.len()).sum::<usize>();
        kept.order.retain(|other| *other != partition);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // Nothing in here panics between two changes that belong together.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn drop_oldest(&mut self) -> bool {
        let Some(partition) = self.order.pop_front() else { return false };
        let oldest = self.partitions.get_mut(&partition).and_then(VecDeque::pop_front);
        self.bytes -= oldest.map_or(0, |batch| batch.records.len());
        true
    }
}

#[cfg(test)]
mod tests {
    use riverrun_event::Time;

    use super::*;
    use crate::stored::TopicId;
    use crate::stored::batch::{ChainHash, Codec};

    fn id(partition: u32) -> PartitionId {
        PartitionId { topic: TopicId(1), partition }
    }

    /// A batch of ten records, each of one byte.
    fn batch(partition: u32, base: u64) -> TailBatch {
        let header = Header {
            codec: Codec::Raw,
            count: 10,
            accepted: Time::EPOCH,
            compacted: false,
            previous: ChainHash::BEGINNING,
            raw_bytes: 10,
        };
        TailBatch { partition: id(partition), base, header, records: Bytes::from_static(&[0; 10]) }
    }

    fn bases(tail: &Tail, partition: u32, offset: u64, bytes: usize) -> Option<Vec<u64>> {
        let batches = tail.from(id(partition), offset, bytes)?;
        Some(batches.iter().map(|batch| batch.base).collect())
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let tail = Tail::new(30);
        tail.add([batch(0, 0), batch(0, 10), batch(1, 0)].into_iter());
        assert_eq!(bases(&tail, 0, 0, 1), Some(vec![0, 10]));
        tail.add([batch(1, 10)].into_iter());
        assert_eq!(bases(&tail, 0, 9, 1), None);
        assert_eq!(bases(&tail, 0, 10, 100), Some(vec![10]));
        assert_eq!(bases(&tail, 1, 3, 100), Some(vec![0, 10]));
    }

    #[test]
    fn as_much_is_given_as_is_asked_for() {
        let tail = Tail::new(1000);
        tail.add((0..5).map(|number| batch(0, number * 10)));
        assert_eq!(bases(&tail, 0, 15, 0), Some(vec![10]));
        assert_eq!(bases(&tail, 0, 15, 10), Some(vec![10, 20]));
        assert_eq!(bases(&tail, 0, 19, 11), Some(vec![10, 20, 30]));
        assert_eq!(bases(&tail, 1, 0, 10), None);
    }

    #[test]
    fn what_is_forgotten_takes_no_room() {
        let tail = Tail::new(20);
        tail.add([batch(0, 0), batch(1, 0)].into_iter());
        tail.forget(id(0));
        tail.add([batch(1, 10)].into_iter());
        assert_eq!(bases(&tail, 0, 0, 1), None);
        assert_eq!(bases(&tail, 1, 0, 100), Some(vec![0, 10]));
    }
}
