//! Records: copied in the order of their offsets, and compared.

use std::collections::VecDeque;
use std::ops::Range;

use riverrun_event::{Offset, Partition, Position, Record, TopicPartition};
use riverrun_log::{Fingerprint, Log as _, ReadError};
use riverrun_log_kafka::import::{Found, Import};

use super::report::{PartitionReport, Phase, Progress};
use super::{MigrateError, Mover, Sides, Topic, Watch};

/// Bytes of records that are on their way at once.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Counts what is done for whoever watches.
struct Tally<'a> {
    watch: &'a Watch<'a>,
    progress: Progress,
}

impl Tally<'_> {
    fn add(&mut self, done: u64) -> Result<(), MigrateError> {
        self.progress.done += done;
        if (self.watch)(self.progress).is_break() { Err(MigrateError::Stopped) } else { Ok(()) }
    }
}

impl Mover<'_> {
    /// Brings every topic that is no finished copy to its end; gives how many records were written.
    pub(super) fn copy_records(&self, topics: &[Topic], watch: &Watch<'_>) -> Result<u64, MigrateError> {
        let mut left = Vec::new();
        for topic in topics.iter().filter(|topic| topic.found != Found::InUse) {
            self.import.begin(topic.spec(), topic.found)?;
            let here = self.described(topic)?.offsets;
            let there = self.import.describe(topic.spec())?.offsets;
            for ((number, here), there) in (0..).map(Partition).zip(here).zip(there) {
                let partition = TopicPartition::new(topic.spec().name.clone(), number);
                if there.end > here.end || !self.ends_as_here(&partition, &here, &there)? {
                    return Err(MigrateError::InUse { name: topic.spec().name.to_string() });
                }
                left.push((partition, here, there));
            }
        }
        let total = left.iter().map(|(_, here, there)| here.end.0.saturating_sub(there.end.max(here.start).0)).sum();
        let mut tally = Tally { watch, progress: Progress { phase: Phase::Copying, done: 0, total } };
        for (partition, here, there) in left {
            self.copy_partition(&partition, &here, &there, &mut tally)?;
        }
        Ok(tally.progress.done)
    }

    /// Whether the last record of a partition is the one that is here: what others have there is not written to.
    fn ends_as_here(
        &self,
        partition: &TopicPartition,
        here: &Range<Offset>,
        there: &Range<Offset>,
    ) -> Result<bool, MigrateError> {
        let last = partition.at(Offset(there.end.0.saturating_sub(1)));
        if there.is_empty() || last.offset < here.start {
            return Ok(true);
        }
        // Where a gap ends it, the first copy of what comes next is looked at when both sides are compared.
        let Some(found) = self.import.read(&last, 1)?.into_iter().next() else { return Ok(true) };
        let known = self.log.read(&last, 1)?.into_iter().next();
        let fingerprint = |record: &Record| {
            let mut fingerprint = Fingerprint::default();
            fingerprint.record(record);
            fingerprint
        };
        let taken_since = known.as_ref().is_some_and(|known| known.position.offset > found.position.offset);
        Ok(taken_since || known.as_ref().map(fingerprint) == Some(fingerprint(&found)))
    }

    fn copy_partition(
        &self,
        partition: &TopicPartition,
        here: &Range<Offset>,
        there: &Range<Offset>,
        tally: &mut Tally<'_>,
    ) -> Result<(), MigrateError> {
        let mut next = there.end;
        if there.start < here.start {
            next = self.begin_at(partition, next, here.start)?;
        }
        while next < here.end {
            match self.log.read(&partition.at(next), READ_BYTES) {
                Ok(records) if records.is_empty() => next = self.skip(partition, next, here.end)?,
                Ok(records) => next = self.write(partition, next, records, tally)?,
                // Retention has gone on meanwhile.
                Err(ReadError::BelowStart { start, .. }) => next = self.begin_at(partition, next, start.offset)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Writes records from `next` on, each at its offset; gives the offset after them.
    fn write(
        &self,
        partition: &TopicPartition,
        mut next: Offset,
        records: Vec<Record>,
        tally: &mut Tally<'_>,
    ) -> Result<Offset, MigrateError> {
        for run in records.chunk_by(|one, other| one.position.offset.next() == other.position.offset) {
            let Some((first, last)) = run.first().zip(run.last()) else { continue };
            self.skip(partition, next, first.position.offset)?;
            let end = last.position.offset.next();
            self.import.write(run.to_vec())?;
            tally.add(end.0 - next.0)?;
            next = end;
        }
        Ok(next)
    }

    fn skip(&self, partition: &TopicPartition, next: Offset, to: Offset) -> Result<Offset, MigrateError> {
        if next < to {
            self.import.skip(&partition.at(next), to)?;
        }
        Ok(to)
    }

    fn begin_at(&self, partition: &TopicPartition, end: Offset, start: Offset) -> Result<Offset, MigrateError> {
        self.import.start_at(end, &partition.at(start))?;
        Ok(end.max(start))
    }

    /// Reads both sides of every partition.
    pub(super) fn compare_records(
        &self,
        topics: &[Topic],
        sides: Sides,
        watch: &Watch<'_>,
    ) -> Result<Vec<PartitionReport>, MigrateError> {
        let mut left = Vec::new();
        for topic in topics {
            let (here, there) = (self.described(topic)?.offsets, self.import.describe(topic.spec())?.offsets);
            for ((number, here), there) in (0..).map(Partition).zip(here).zip(there) {
                let partition = TopicPartition::new(topic.spec().name.clone(), number);
                let from = self.compared.up_to(&partition).unwrap_or_default().max(here.start);
                let to = if sides == Sides::Both { here.end } else { there.end };
                left.push((topic, partition, from..to, sides == Sides::Both && here != there));
            }
        }
        let total = left.iter().map(|(_, _, range, _)| range.end.0.saturating_sub(range.start.0)).sum();
        let mut tally = Tally { watch, progress: Progress { phase: Phase::Comparing, done: 0, total } };
        let mut reports = Vec::new();
        for (topic, partition, range, has_other_bounds) in left {
            let mut report = self.compare(topic, partition, range, &mut tally)?;
            if has_other_bounds && report.differs_at.is_none() {
                // Equal records at other bounds would give what comes next other offsets.
                report.differs_at = Some(report.partition.at(report.next));
            }
            reports.push(report);
        }
        Ok(reports)
    }

    fn compare(
        &self,
        topic: &Topic,
        partition: TopicPartition,
        range: Range<Offset>,
        tally: &mut Tally<'_>,
    ) -> Result<PartitionReport, MigrateError> {
        let may_hold_more = topic.spec().retention.compaction.is_some();
        let mut there = Ahead { import: &self.import, next: partition.at(range.start), read: VecDeque::new() };
        let mut ours = self.compared.fingerprint(&partition);
        let mut theirs = ours.clone();
        let mut differs_at = None;
        let mut next = range.start;
        while next < range.end && differs_at.is_none() {
            let mut records = match self.log.read(&partition.at(next), READ_BYTES) {
                // Retention has gone on meanwhile; what it took need not be compared.
                Err(ReadError::BelowStart { start, .. }) => {
                    (next, there.next, there.read) = (start.offset, start, VecDeque::new());
                    continue;
                }
                records => records?,
            };
            records.retain(|record| record.position.offset < range.end);
            let end = records.last().map_or(range.end, |last| last.position.offset.next());
            for record in records {
                ours.record(&record);
                let found = there.take(record.position.offset, may_hold_more)?;
                if let Some(found) = &found {
                    theirs.record(found);
                }
                if ours != theirs {
                    differs_at = Some(record.position);
                    break;
                }
            }
            tally.add(end.0 - next.0)?;
            next = end;
        }
        if differs_at.is_none() && !may_hold_more {
            differs_at = there.peek()?.map(|record| record.position.clone());
        }
        Ok(PartitionReport { partition, here: ours, there: theirs, differs_at, next })
    }
}

/// Records of the cluster in their order.
struct Ahead<'a> {
    import: &'a Import,
    next: Position,
    read: VecDeque<Record>,
}

impl Ahead<'_> {
    fn peek(&mut self) -> Result<Option<&Record>, MigrateError> {
        if self.read.is_empty() {
            self.read = self.import.read(&self.next, READ_BYTES)?.into();
            if let Some(last) = self.read.back() {
                self.next.offset = last.position.offset.next();
            }
        }
        Ok(self.read.front())
    }

    /// The record at this offset, or where none is there the next one. Those before it are passed over where compaction has taken them
    /// here since they were copied.
    fn take(&mut self, offset: Offset, may_hold_more: bool) -> Result<Option<Record>, MigrateError> {
        while may_hold_more && self.peek()?.is_some_and(|record| record.position.offset < offset) {
            self.read.pop_front();
        }
        self.peek()?;
        Ok(self.read.pop_front())
    }
}

/// Offsets from the starts to the ends.
pub(super) fn held(offsets: &[Range<Offset>]) -> u64 {
    offsets.iter().map(|offsets| offsets.end.0.saturating_sub(offsets.start.0)).sum()
}
