//! A partition as its only writer sees it: the next offset, the end of its chain, and records waiting to be cut into a batch.

use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::Time;
use riverrun_store::{Batch, Keyspace};

use crate::directory::Topic;
use crate::options::Compression;
use crate::prepare::{BATCH_BYTES_MAX, Part};
use crate::stored::batch::{self, BatchKey, Codec, Header};
use crate::stored::partition::PartitionRow;
use crate::stored::{PartitionId, partition};
use crate::tail::TailBatch;

/// Below this LZ4 saves nothing worth its time.
const COMPRESS_BYTES_MIN: usize = 256;

/// A partition and what the running cycle adds to it.
pub(crate) struct PartitionState {
    pub(crate) id: PartitionId,
    pub(crate) topic: Arc<Topic>,
    pub(crate) row: PartitionRow,
    /// Records of small requests, not cut yet.
    loose: Vec<u8>,
    loose_count: u32,
    /// Whether this cycle changed it.
    pub(crate) touched: bool,
}

/// Where a cycle writes to, with the buffer all batches are built in.
pub(crate) struct Writer<'a> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) records: &'a Keyspace,
    pub(crate) buffer: &'a mut Vec<u8>,
    pub(crate) accepted: Time,
    pub(crate) compression: Compression,
    pub(crate) stored_bytes: &'a mut u64,
    /// What was cut, for whoever reads at the end.
    pub(crate) cut: &'a mut Vec<TailBatch>,
}

impl PartitionState {
    pub(crate) fn new(id: PartitionId, topic: Arc<Topic>, row: PartitionRow) -> Self {
        Self { id, topic, row, loose: Vec::new(), loose_count: 0, touched: false }
    }

    /// The offset the next record gets.
    pub(crate) fn next(&self) -> u64 {
        self.row.end + u64::from(self.loose_count)
    }

    /// Adds encoded records, in order: large parts are batches already, small ones wait for their neighbours.
    pub(crate) fn add(&mut self, writer: &mut Writer<'_>, part: &Part) {
        if let Some(compressed) = &part.compressed {
            self.cut_loose(writer);
            self.cut(writer, part.count, &part.raw, Some(compressed));
            return;
        }
        self.loose.extend_from_slice(&part.raw);
        self.loose_count += part.count;
        if self.loose.len() >= BATCH_BYTES_MAX {
            self.cut_loose(writer);
        }
    }

    /// Cuts what waits into a batch.
    pub(crate) fn cut_loose(&mut self, writer: &mut Writer<'_>) {
        if self.loose_count == 0 {
            return;
        }
        let loose = std::mem::take(&mut self.loose);
        let count = std::mem::take(&mut self.loose_count);
        let compressed = if loose.len() < COMPRESS_BYTES_MIN { None } else { writer.compression.compress(&loose) };
        self.cut(writer, count, &loose, compressed.as_deref());
        // The allocation serves the next cycle, unless one large cycle blew it up.
        if loose.capacity() <= BATCH_BYTES_MAX {
            self.loose = loose;
            self.loose.clear();
        }
    }

    fn cut(&mut self, writer: &mut Writer<'_>, count: u32, raw: &[u8], compressed: Option<&[u8]>) {
        let (codec, body) = match compressed {
            Some(compressed) => (Codec::Lz4, compressed),
            None => (Codec::Raw, raw),
        };
        let header = Header {
            codec,
            count,
            accepted: writer.accepted.max(self.row.accepted),
            compacted: false,
            previous: self.row.last,
            // Parts are cut far below 4 GiB.
            raw_bytes: u32::try_from(raw.len()).unwrap_or(u32::MAX),
        };
        let key = batch::encode_key(BatchKey { partition: self.id, base: self.row.end });
        batch::encode_value(writer.buffer, &key, &header, body);
        writer.batch.put(writer.records, &key, writer.buffer);
        let records = Bytes::copy_from_slice(raw);
        writer.cut.push(TailBatch { partition: self.id, base: self.row.end, header, records });
        let bytes = writer.buffer.len() as u64;
        *writer.stored_bytes += bytes;
        self.row.end += u64::from(count);
        self.row.last = batch::hash(&key, writer.buffer);
        self.row.accepted = header.accepted;
        self.row.bytes += bytes;
    }

    /// Puts the partition's row, as it is after the cycle.
    pub(crate) fn put_row(&self, batch: &mut Batch, meta: &Keyspace) {
        batch.put(meta, &partition::encode_key(self.id), &partition::encode_value(&self.row));
    }
}
