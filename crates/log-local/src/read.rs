//! Reading records: through a snapshot, up to the durable end, each batch's CRC checked.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Offset, Position, Record, Time, TopicPartition};
use riverrun_log::{CallAnswer, GroupName, InputRange, ModelFrontier, Order, ReadError, TaskId};
use riverrun_store::{Row, Snapshot};

use crate::directory::Topic;
use crate::local::Inner;
use crate::record::{self, Placed};
use crate::retention;
use crate::stored::batch::{self, BatchKey, Header};
use crate::stored::{GroupTask, PartitionId, Undecodable, order};
use crate::tail::TailBatch;

impl Inner {
    pub(crate) fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let (topic, id) = self.partition(&from.topic_partition())?;
        let Some(bounds) = topic.bounds(id.partition) else { return Ok(Vec::new()) };
        let end = self.visible.ends(|| bounds.end());
        if from.offset.0 >= end {
            return Ok(Vec::new());
        }
        if from.offset.0 < bounds.start() {
            return Err(below_start(from, bounds.start()));
        }
        self.metrics.reads.inc();
        let reading = Reading { topic: &topic, from: from.offset.0, end, bytes_left: bytes_max, records: Vec::new() };
        if let Some(batches) = self.tail.from(id, from.offset.0, bytes_max) {
            self.metrics.tail_reads.inc();
            return reading.at_the_end(&batches);
        }
        self.read_stored(id, reading)
    }

    fn read_stored(&self, id: PartitionId, mut reading: Reading<'_>) -> Result<Vec<Record>, ReadError> {
        let (topic, end) = (reading.topic, reading.end);
        let snapshot = self.store.snapshot();
        let damaged =
            |offset, detail: String| ReadError::Damaged { position: topic.position(id.partition, offset), detail };

        let mut offset = reading.from;
        let mut base = self.batch_with(&snapshot, topic, id, offset)?;
        let last = batch::encode_key(BatchKey { partition: id, base: end });
        let first = batch::encode_key(BatchKey { partition: id, base });
        let range = (Bound::Included(&first[..]), Bound::Excluded(&last[..]));
        for row in snapshot.scan::<&[u8]>(&self.keyspaces.records, range) {
            let row = row.map_err(|error| damaged(offset, error.to_string()))?;
            let key = batch::decode_key(&row.key).map_err(|error| damaged(offset, error.to_string()))?;
            if key.base != base {
                return Err(damaged(base, format!("the batch is missing; the next one is at offset {}", key.base)));
            }
            let header = reading.take(key, &row).map_err(|error| damaged(base, error.to_string()))?;
            base += u64::from(header.count);
            offset = base;
            if reading.bytes_left == 0 {
                break;
            }
        }
        Ok(reading.records)
    }

    /// Base offset of the batch that holds `offset`.
    fn batch_with(&self, snapshot: &Snapshot, topic: &Topic, id: PartitionId, offset: u64) -> Result<u64, ReadError> {
        let position = topic.position(id.partition, offset);
        match self.last_batch_at(snapshot, id, offset) {
            Ok(Some((key, header))) if key.base + u64::from(header.count) > offset => Ok(key.base),
            Ok(_) => {
                // Retention may have taken it since the bounds were looked at.
                let start = retention::start_in(snapshot, &self.keyspaces.meta, id).ok().flatten();
                match start.filter(|start| *start > offset) {
                    Some(start) => Err(below_start(&position, start)),
                    None => Err(ReadError::Damaged { position, detail: "its batch is missing".to_owned() }),
                }
            }
            Err(detail) => Err(ReadError::Damaged { position, detail }),
        }
    }

    /// The last batch that starts at `offset` or before it.
    pub(crate) fn last_batch_at(
        &self,
        snapshot: &Snapshot,
        id: PartitionId,
        offset: u64,
    ) -> Result<Option<(BatchKey, Header)>, String> {
        let first = batch::encode_key(BatchKey { partition: id, base: 0 });
        let last = batch::encode_key(BatchKey { partition: id, base: offset });
        let Some(row) = snapshot.scan(&self.keyspaces.records, &first[..]..=&last[..]).next_back() else {
            return Ok(None);
        };
        let row = row.map_err(|error| error.to_string())?;
        let key = batch::decode_key(&row.key).map_err(|error| error.to_string())?;
        let (header, _) = batch::decode_value(&row.key, &row.value).map_err(|error| error.to_string())?;
        Ok(Some((key, header)))
    }

    /// Halves the range of offsets until one batch is left: accept times never decrease within a partition.
    pub(crate) fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        let (topic, id) = self.partition(partition)?;
        let snapshot = self.store.snapshot();
        let Some(bounds) = topic.bounds(id.partition) else { return Ok(Offset(0)) };
        let (mut low, mut high) = (bounds.start(), bounds.end());
        let mut found_in = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self
                .last_batch_at(&snapshot, id, middle)
                .map_err(|detail| ReadError::Damaged { position: topic.position(id.partition, middle), detail })?;
            match found {
                Some((key, header)) if header.accepted >= time => (high, found_in) = (key.base, Some(key)),
                Some((key, header)) => low = key.base + u64::from(header.count),
                // Removed by retention meanwhile: what is kept begins after it.
                None => low = middle + 1,
            }
        }
        let inside = found_in.map_or(Ok(None), |key| self.first_accepted(&snapshot, key, time));
        let inside =
            inside.map_err(|detail| ReadError::Damaged { position: topic.position(id.partition, low), detail })?;
        Ok(Offset(inside.unwrap_or(low).max(bounds.start())))
    }

    /// The first record of a compacted batch accepted at `time` or later: its records were accepted at different times.
    fn first_accepted(&self, snapshot: &Snapshot, key: BatchKey, time: Time) -> Result<Option<u64>, String> {
        let row = batch::encode_key(key);
        let value = snapshot.get(&self.keyspaces.records, &row).map_err(|error| error.to_string())?;
        let Some(value) = value else { return Ok(None) };
        let (header, body) = batch::decode_value(&row, &value).map_err(|error| error.to_string())?;
        if !header.compacted {
            return Ok(None);
        }
        let raw = batch::records(&header, body).map_err(|error| error.to_string())?;
        for placed in Placed::new(key.base, &header, &raw) {
            let (offset, accepted, _) = placed.map_err(|error| error.to_string())?;
            if accepted >= time {
                return Ok(Some(offset));
            }
        }
        Ok(None)
    }

    pub(crate) fn orders(
        &self,
        group: &GroupName,
        task: TaskId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Order)>, ReadError> {
        let Some(group) = self.directory.group(group) else { return Ok(Vec::new()) };
        let task = GroupTask { group, task: task.0 };
        let (first, last) = (order::encode_key(task, from), order::encode_key(task, u64::MAX));
        let snapshot = self.store.snapshot();
        let rows = snapshot.scan(&self.keyspaces.state, first..=last).take(limit);
        let failed = |error: String| ReadError::Failed(format!("an order record of task {} : {error}", task.task));
        rows.map(|row| {
            let row = row.map_err(|error| failed(error.to_string()))?;
            let (_, sequence) = order::decode_key(&row.key).map_err(|error| failed(error.to_string()))?;
            let stored = order::decode_value(&row.value).map_err(|error| failed(error.to_string()))?;
            Ok((sequence, self.order(stored).ok_or_else(|| failed("it names an unknown topic".to_owned()))?))
        })
        .collect()
    }

    /// An order record with names for numbers.
    fn order(&self, stored: order::OrderRow) -> Option<Order> {
        let range = |(input, from, to): (PartitionId, u64, u64)| {
            let topic = self.directory.topic_by_id(input.topic)?;
            let input = TopicPartition::new(topic.name.clone(), riverrun_event::Partition(input.partition));
            Some(InputRange { input, from: Offset(from), to: Offset(to) })
        };
        let ranges = stored.ranges.into_iter().map(range).collect::<Option<Vec<_>>>()?;
        let frontier = |(model, partition, next)| ModelFrontier {
            model,
            partition: riverrun_event::Partition(partition),
            next: Offset(next),
        };
        let answer = |(call, answer): (Vec<u8>, Vec<u8>)| CallAnswer { call: call.into(), answer: answer.into() };
        Some(Order {
            tick: stored.tick,
            ranges,
            frontiers: stored.frontiers.into_iter().map(frontier).collect(),
            answers: stored.answers.into_iter().map(answer).collect(),
        })
    }

    pub(crate) fn partition(&self, partition: &TopicPartition) -> Result<(Arc<Topic>, PartitionId), ReadError> {
        let topic =
            self.directory.topic(&partition.topic).ok_or_else(|| ReadError::UnknownTopic(partition.topic.clone()))?;
        if topic.bounds(partition.partition.0).is_none() {
            return Err(ReadError::UnknownPartition(partition.clone()));
        }
        let id = topic.partition_id(partition.partition);
        Ok((topic, id))
    }
}

fn below_start(asked: &Position, start: u64) -> ReadError {
    ReadError::BelowStart { asked: asked.clone(), start: Position { offset: Offset(start), ..asked.clone() } }
}

/// Records gathered so far.
struct Reading<'a> {
    topic: &'a Topic,
    from: u64,
    end: u64,
    bytes_left: usize,
    records: Vec<Record>,
}

impl Reading<'_> {
    /// Takes the records of one batch that are asked for, while there is room.
    fn take(&mut self, key: BatchKey, row: &Row) -> Result<Header, Undecodable> {
        let (header, body) = batch::decode_value(&row.key, &row.value)?;
        let raw = batch::records(&header, body)?;
        self.gather(key, &header, &raw)?;
        Ok(header)
    }

    /// Takes what is asked for of batches that follow each other.
    fn at_the_end(mut self, batches: &[TailBatch]) -> Result<Vec<Record>, ReadError> {
        for TailBatch { partition, base, header, records } in batches {
            let key = BatchKey { partition: *partition, base: *base };
            self.gather(key, header, records).map_err(|error| ReadError::Damaged {
                position: self.topic.position(partition.partition, *base),
                detail: error.to_string(),
            })?;
            if self.bytes_left == 0 {
                break;
            }
        }
        Ok(self.records)
    }

    fn gather(&mut self, key: BatchKey, header: &Header, raw: &Bytes) -> Result<(), Undecodable> {
        for placed in Placed::new(key.base, header, raw) {
            let (offset, accepted, encoded) = placed?;
            if offset < self.from {
                continue;
            }
            if offset >= self.end || (encoded.len() > self.bytes_left && !self.records.is_empty()) {
                self.bytes_left = 0;
                break;
            }
            self.bytes_left = self.bytes_left.saturating_sub(encoded.len());
            let position = self.topic.position(key.partition.partition, offset);
            self.records.push(Record { position, accepted, event: record::decode(raw, encoded)? });
        }
        Ok(())
    }
}
