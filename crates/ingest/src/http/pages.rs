//! Reading a topic page by page, its partitions in turn, so that none starves another.
//!
//! Everything here blocks for the log and runs on blocking threads. A reader holds at most one page. One that does not follow
//! ends at the durable ends it found when it was opened.

use std::sync::Arc;

use riverrun_event::{Offset, Partition, Position, Record, TopicName, TopicPartition};
use riverrun_log::{Log, ReadError};

use super::cursor::{From, write_vector};
use crate::cloudevents::encode;

/// Stored bytes per page: large enough that one read of the log costs little per event, small enough to hold for every reader.
const PAGE_BYTES: usize = 128 * 1024;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    Lines,
    /// Server-sent events whose id is the cursor after the event.
    ServerSent,
}

/// What a reader found.
pub(super) enum Page {
    /// Events, written down.
    Events {
        /// The text.
        text: Vec<u8>,
        /// How many.
        events: u64,
    },
    /// Nothing now; more may come.
    CaughtUp,
    /// Nothing, and nothing will come: the limit or the end is reached.
    End,
}

/// A reader of one topic.
pub(super) struct Pages {
    log: Arc<dyn Log>,
    topic: TopicName,
    partitions: Vec<Place>,
    /// The partition whose turn it is.
    turn: usize,
    left: Option<u64>,
    follow: bool,
    format: Format,
}

/// How far one partition was read.
struct Place {
    next: Offset,
    end: Offset,
}

impl Pages {
    /// Opens a reader. Fails when some partition no longer keeps what is asked for.
    pub(super) fn open(log: Arc<dyn Log>, topic: TopicName, from: &From, format: Format) -> Result<Self, ReadError> {
        let description = log.describe(&topic)?;
        let mut partitions = Vec::with_capacity(description.offsets.len());
        for (partition, kept) in (0..).map(Partition).zip(&description.offsets) {
            let place = TopicPartition::new(topic.clone(), partition);
            let next = match from {
                From::Beginning => kept.start,
                From::Latest => kept.end,
                From::Time(time) => log.offset_at(&place, *time)?,
                From::Offsets(offsets) => {
                    let named = offsets.iter().find(|(named, _)| *named == partition);
                    named.map_or(kept.start, |(_, offset)| *offset)
                }
            };
            if next < kept.start {
                return Err(ReadError::BelowStart { asked: place.at(next), start: place.at(kept.start) });
            }
            partitions.push(Place { next, end: kept.end });
        }
        if let From::Offsets(offsets) = from
            && let Some((partition, _)) = offsets.iter().find(|(named, _)| description.offsets_of(*named).is_none())
        {
            return Err(ReadError::UnknownPartition(TopicPartition::new(topic, *partition)));
        }
        Ok(Self { log, topic, partitions, turn: 0, left: None, follow: false, format })
    }

    /// The same reader, ending after `limit` events, and waiting at the end if it is to `follow`.
    pub(super) fn bounded(self, limit: Option<u64>, follow: bool) -> Self {
        Self { left: limit, follow, ..self }
    }

    /// The next page.
    pub(super) fn next(&mut self) -> Result<Page, ReadError> {
        if self.left == Some(0) {
            return Ok(Page::End);
        }
        if let Some(page) = self.page_of_next_partition()? {
            return Ok(page);
        }
        if !self.follow {
            return Ok(Page::End);
        }
        let description = self.log.describe(&self.topic)?;
        for (place, kept) in self.partitions.iter_mut().zip(&description.offsets) {
            place.end = kept.end;
        }
        Ok(self.page_of_next_partition()?.unwrap_or(Page::CaughtUp))
    }

    /// A page of the first partition, from the one whose turn it is on, that has records below its known end.
    fn page_of_next_partition(&mut self) -> Result<Option<Page>, ReadError> {
        for _ in 0..self.partitions.len() {
            let at = self.turn;
            self.turn = (at + 1) % self.partitions.len();
            let Some((next, end)) = self.partitions.get(at).map(|place| (place.next, place.end)) else { continue };
            if next >= end {
                continue;
            }
            let position = Position { topic: self.topic.clone(), partition: partition(at), offset: next };
            let records = self.log.read(&position, PAGE_BYTES)?;
            let page = self.write(at, &records, end);
            if page.is_some() {
                return Ok(page);
            }
        }
        Ok(None)
    }

    /// Writes the records below `end` down and moves the partition's place behind them; `None` when there are none.
    fn write(&mut self, at: usize, records: &[Record], end: Offset) -> Option<Page> {
        let (mut text, mut events) = (Vec::new(), 0);
        for record in records {
            if record.position.offset >= end || self.left == Some(0) {
                break;
            }
            self.move_to(at, record.position.offset.next());
            match self.format {
                Format::Lines => encode::line(record, &mut text),
                Format::ServerSent => self.server_sent(record, &mut text),
            }
            events += 1;
            self.left = self.left.map(|left| left - 1);
        }
        if events == 0 {
            // Below a durable end without records: the log has a gap there.
            self.move_to(at, end);
            return None;
        }
        Some(Page::Events { text, events })
    }

    fn move_to(&mut self, at: usize, next: Offset) {
        if let Some(place) = self.partitions.get_mut(at) {
            place.next = next;
        }
    }

    fn server_sent(&self, record: &Record, out: &mut Vec<u8>) {
        let mut id = String::with_capacity(8 * self.partitions.len());
        write_vector(self.partitions.iter().map(|place| place.next), &mut id);
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        encode::object(record, out);
        out.extend_from_slice(b"\n\n");
    }
}

/// Partition counts fit 32 bits: the log says so.
fn partition(at: usize) -> Partition {
    Partition(u32::try_from(at).unwrap_or(u32::MAX))
}
