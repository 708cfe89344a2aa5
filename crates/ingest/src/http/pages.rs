//! Reading a topic page by page, its partitions in turn, so that none starves another.
//!
//! Everything here blocks for the log and runs on blocking threads. A reader holds at most one page. One that does not follow
//! ends at the durable ends it found when it was opened.

use std::sync::Arc;

use riverrun_event::{Offset, Partition, Position, Record, TopicName, TopicPartition};
use riverrun_log::{Log, ReadError};

use super::cursor::{From, write_vector};

/// Stored bytes per page: large enough that one read of the log costs little per event, small enough to hold for every reader.
pub(crate) const PAGE_BYTES: usize = 128 * 1024;

/// What a reader found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// So many events.
    Events(u64),
    /// Nothing now; more may come.
    CaughtUp,
    /// Nothing, and nothing will come: the limit or the end is reached.
    End,
}

/// A reader of one topic.
pub(crate) struct Pages {
    log: Arc<dyn Log>,
    topic: TopicName,
    places: Places,
    /// The partition whose turn it is.
    turn: usize,
    left: Option<u64>,
    follow: bool,
}

/// How far each partition was read.
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// The cursor from which a further read goes on.
    pub(crate) fn cursor(&self) -> String {
        let mut cursor = String::with_capacity(8 * self.0.len());
        write_vector(self.0.iter().map(|place| place.next), &mut cursor);
        cursor
    }
}

/// How far one partition was read.
struct Place {
    next: Offset,
    end: Offset,
}

impl Pages {
    /// Opens a reader. Fails when some partition no longer keeps what is asked for.
    pub(crate) fn open(log: Arc<dyn Log>, topic: TopicName, from: &From) -> Result<Self, ReadError> {
        let description = log.describe(&topic)?;
        let mut partitions = Vec::with_capacity(description.offsets.len());
        for (partition, kept) in (0..).map(Partition).zip(&description.offsets) {
            let place = TopicPartition::new(topic.clone(), partition);
            let next = from.offset(&*log, &place, kept)?;
            partitions.push(Place { next, end: kept.end });
        }
        let mut named = from.offsets().iter();
        if let Some((partition, _)) = named.find(|(named, _)| description.offsets_of(*named).is_none()) {
            return Err(ReadError::UnknownPartition(TopicPartition::new(topic, *partition)));
        }
        Ok(Self { log, topic, places: Places(partitions), turn: 0, left: None, follow: false })
    }

    /// The same reader, ending after `limit` events, and waiting at the end if it is to `follow`.
    pub(crate) fn bounded(self, limit: Option<u64>, follow: bool) -> Self {
        Self { left: limit, follow, ..self }
    }

    /// How far it has read.
    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// The next page: each of its records goes to `take`, with the places after it.
    pub(crate) fn next(&mut self, mut take: impl FnMut(&Record, &Places)) -> Result<Page, ReadError> {
        if self.left == Some(0) {
            return Ok(Page::End);
        }
        if let Some(page) = self.page_of_next_partition(&mut take)? {
            return Ok(page);
        }
        if !self.follow {
            return Ok(Page::End);
        }
        let description = self.log.describe(&self.topic)?;
        for (place, kept) in self.places.0.iter_mut().zip(&description.offsets) {
            place.end = kept.end;
        }
        Ok(self.page_of_next_partition(&mut take)?.unwrap_or(Page::CaughtUp))
    }

    /// A page of the first partition, from the one whose turn it is on, that has records below its known end.
    fn page_of_next_partition(&mut self, take: &mut impl FnMut(&Record, &Places)) -> Result<Option<Page>, ReadError> {
        for _ in 0..self.places.0.len() {
            let at = self.turn;
            self.turn = (at + 1) % self.places.0.len();
            let Some((next, end)) = self.places.0.get(at).map(|place| (place.next, place.end)) else { continue };
            if next >= end {
                continue;
            }
            let position = Position { topic: self.topic.clone(), partition: partition(at), offset: next };
            let records = self.log.read(&position, PAGE_BYTES)?;
            let page = self.give(at, &records, end, take);
            if page.is_some() {
                return Ok(page);
            }
        }
        Ok(None)
    }

    /// Gives the records below `end` out and moves the partition's place behind them; `None` when there are none.
    fn give(
        &mut self,
        at: usize,
        records: &[Record],
        end: Offset,
        take: &mut impl FnMut(&Record, &Places),
    ) -> Option<Page> {
        let mut events = 0;
        for record in records {
            if record.position.offset >= end || self.left == Some(0) {
                break;
            }
            self.move_to(at, record.position.offset.next());
            take(record, &self.places);
            events += 1;
            self.left = self.left.map(|left| left - 1);
        }
        if events == 0 {
            // Below a durable end without records: the log has a gap there.
            self.move_to(at, end);
            return None;
        }
        Some(Page::Events(events))
    }

    fn move_to(&mut self, at: usize, next: Offset) {
        if let Some(place) = self.places.0.get_mut(at) {
            place.next = next;
        }
    }
}

/// Partition counts fit 32 bits: the log says so.
fn partition(at: usize) -> Partition {
    Partition(u32::try_from(at).unwrap_or(u32::MAX))
}
