//! What callers' threads do before they queue: resolve names, encode and compress records, hash identities. The committer is
//! one thread; whatever can be done before it is.

use std::ops::Range;
use std::sync::Arc;

use riverrun_event::{Event, Partition, TopicName};
use riverrun_log::{Content, Identity, NewRecord};

use crate::directory::{Directory, Topic};
use crate::options::Compression;
use crate::record;
use crate::stored::PartitionId;
use crate::stored::identity::identity_of;

/// Records of one partition in the order they are to stand, encoded.
#[derive(Debug)]
pub(crate) struct Part {
    /// Index of the partition in [`Prepared::partitions`].
    pub(crate) partition: usize,
    pub(crate) count: u32,
    /// The records as `record.rs` lays them out.
    pub(crate) raw: Vec<u8>,
    /// The same compressed, where the part is large enough to be a batch of its own.
    pub(crate) compressed: Option<Vec<u8>>,
}

/// Records ready for the committer.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) partitions: Vec<(Arc<Topic>, PartitionId)>,
    pub(crate) parts: Vec<Part>,
    /// Per record: its part, and its bytes there.
    pub(crate) records: Vec<(usize, Range<usize>)>,
}

/// A record names a topic or partition that does not exist.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub(crate) topic: TopicName,
    pub(crate) partition: Partition,
}

/// From this many raw bytes on a part is compressed by its caller and stored as a batch of its own; smaller parts are merged with
/// their neighbours', since one row per tiny request would cost more than it holds.
pub(crate) const OWN_BATCH_BYTES_MIN: usize = 16 * 1024;

/// A batch is cut beyond this many raw bytes: a reader who wants one record decompresses no more than that. LZ4 looks back
/// 64 KiB, so larger batches would hardly be smaller on disk.
pub(crate) const BATCH_BYTES_MAX: usize = 256 * 1024;

impl Prepared {
    pub(crate) fn new<'a>(
        directory: &Directory,
        records: impl Iterator<Item = &'a NewRecord>,
    ) -> Result<Self, Unknown> {
        let mut prepared = Self::default();
        // The last part of each partition, by index in `partitions`.
        let mut open_parts: Vec<Option<usize>> = Vec::new();
        for new in records {
            let partition = prepared.partition(directory, new)?;
            open_parts.resize(prepared.partitions.len(), None);
            prepared.add(&mut open_parts, partition, &new.event);
        }
        for part in &mut prepared.parts {
            part.compress(directory.compression);
        }
        Ok(prepared)
    }

    /// Index of the record's partition. Batches name few partitions, so a linear search is the fastest.
    fn partition(&mut self, directory: &Directory, new: &NewRecord) -> Result<usize, Unknown> {
        let known =
            self.partitions.iter().position(|(topic, id)| id.partition == new.partition.0 && topic.name == new.topic);
        if let Some(index) = known {
            return Ok(index);
        }
        let unknown = || Unknown { topic: new.topic.clone(), partition: new.partition };
        let topic = directory.topic(&new.topic).ok_or_else(unknown)?;
        topic.bounds(new.partition.0).ok_or_else(unknown)?;
        let id = topic.partition_id(new.partition);
        self.partitions.push((topic, id));
        Ok(self.partitions.len() - 1)
    }

    fn add(&mut self, open_parts: &mut [Option<usize>], partition: usize, event: &Event) {
        let open = open_parts.get(partition).copied().flatten();
        let index =
            match open.filter(|index| self.parts.get(*index).is_some_and(|part| part.raw.len() < BATCH_BYTES_MAX)) {
                Some(index) => index,
                None => {
                    self.parts.push(Part { partition, count: 0, raw: Vec::new(), compressed: None });
                    self.parts.len() - 1
                }
            };
        if let Some(slot) = open_parts.get_mut(partition) {
            *slot = Some(index);
        }
        let Some(part) = self.parts.get_mut(index) else { return };
        let from = part.raw.len();
        record::encode(&mut part.raw, event);
        part.count += 1;
        self.records.push((index, from..part.raw.len()));
    }
}

impl Part {
    pub(crate) fn new(partition: usize, count: u32, raw: Vec<u8>, compression: Compression) -> Self {
        let mut part = Self { partition, count, raw, compressed: None };
        part.compress(compression);
        part
    }

    fn compress(&mut self, compression: Compression) {
        if self.raw.len() >= OWN_BATCH_BYTES_MIN {
            self.compressed = compression.compress(&self.raw);
        }
    }
}

/// Identity and content of each record of a door's batch.
pub(crate) fn identities(prepared: &Prepared, records: &[NewRecord]) -> Vec<(Identity, Content)> {
    let topic = |index: usize| {
        let part = prepared.records.get(index).and_then(|(part, _)| prepared.parts.get(*part))?;
        prepared.partitions.get(part.partition).map(|(_, id)| id.topic)
    };
    let mut buffer = Vec::new();
    let identity = |(index, new): (usize, &NewRecord)| {
        let identity = identity_of(topic(index)?, &new.event.source, &new.event.id, &mut buffer);
        Some((identity, Content::of(&new.event, &mut buffer)))
    };
    records.iter().enumerate().filter_map(identity).collect()
}
