//! A reader's call: it waits for partitions and events, and is given one page.

use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Offset, TopicName, TopicPartition};
use riverrun_log::{Log, ReadError};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::consumer::Consumer;
use super::cursor::{CURSOR_PARTITIONS_MAX, Cursor};
use super::error::ConsumerError;
use super::sharing::{Place, READERS_MAX, ReaderName};
use crate::cloudevents::encode;
use crate::http::pages::PAGE_BYTES;

/// What a reader asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadRequest {
    pub(crate) reader: ReaderName,
    /// How long it may stay away until others get its partitions.
    pub(crate) session: Duration,
    /// How long to wait for events.
    pub(crate) wait: Duration,
    pub(crate) events_max: u64,
    /// What was handed to it before and is not committed yet; what lies behind it comes next.
    pub(crate) after: Cursor,
}

/// What a reader is given.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Events, one line each.
    pub(crate) lines: Vec<u8>,
    /// How many of each topic.
    pub(crate) events: Vec<(TopicName, u64)>,
    /// Commits these events, and those before `after`.
    pub(crate) cursor: Cursor,
    /// The partitions it has now.
    pub(crate) partitions: Vec<TopicPartition>,
}

/// Events of one partition.
struct Chunk {
    /// Behind them.
    place: Place,
    lines: Vec<u8>,
    events: u64,
}

/// A call that is over when dropped, also when the caller hung up.
struct Call<'a> {
    consumer: &'a Consumer,
    reader: &'a ReaderName,
    number: u64,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.consumer.sharing().exit(self.reader, self.number, Instant::now());
    }
}

impl Consumer {
    /// The reader's next page. Empty when there was nothing for it, when the server closes, or when it has called again meanwhile.
    pub(crate) async fn read(
        &self,
        request: &ReadRequest,
        mut closing: watch::Receiver<bool>,
    ) -> Result<Page, ConsumerError> {
        let deadline = Instant::now() + request.wait;
        // Watched from before anything is looked up, so that no change is missed.
        let (mut moved, mut changed) = (self.log.moved(), self.changed.subscribe());
        let call = self.enter(request)?;
        loop {
            moved.borrow_and_update();
            changed.borrow_and_update();
            let (places, expiry) = self.settle(request);
            if let Some(page) = self.page(request, &call, places).await? {
                return Ok(page);
            }
            let until = expiry.map_or(deadline, |expiry| expiry.min(deadline));
            tokio::select! {
                grown = moved.changed() => if grown.is_err() { return Ok(self.nothing(request)) },
                _ = changed.changed() => {}
                () = tokio::time::sleep_until(until) => {}
                _ = closing.wait_for(|closing| *closing) => return Ok(self.nothing(request)),
            }
            if Instant::now() >= deadline || !self.sharing().is_inside(&request.reader, call.number) {
                return Ok(self.nothing(request));
            }
        }
    }

    fn enter<'a>(&'a self, request: &'a ReadRequest) -> Result<Call<'a>, ConsumerError> {
        let mut sharing = self.sharing();
        let is_second = sharing.has_call(&request.reader);
        let entered = sharing.enter(&request.reader, request.session, Instant::now());
        drop(sharing);
        if is_second {
            // The first call learns that it is over.
            self.announce();
        }
        let too_many = |_| ConsumerError::TooMany(format!("{READERS_MAX} readers of consumer {}", self.name));
        Ok(Call { consumer: self, reader: &request.reader, number: entered.map_err(too_many)? })
    }

    /// Shares the partitions anew; where the reader goes on, and when to look again.
    fn settle(&self, request: &ReadRequest) -> (Vec<Place>, Option<Instant>) {
        let now = Instant::now();
        let mut sharing = self.sharing();
        let moved = sharing.settle(now);
        let found = (sharing.places(&request.reader, &request.after), sharing.next_expiry(now));
        drop(sharing);
        if moved {
            self.announce();
        }
        found
    }

    /// A page without events.
    fn nothing(&self, request: &ReadRequest) -> Page {
        let sharing = self.sharing();
        let places = sharing.places(&request.reader, &request.after);
        Page {
            cursor: sharing.cursor(&request.reader, &request.after, &[]),
            partitions: places.into_iter().map(|place| place.partition).collect(),
            ..Page::default()
        }
    }

    /// The events there are at these places, handed out; `None` where there are none.
    async fn page(
        &self,
        request: &ReadRequest,
        call: &Call<'_>,
        places: Vec<Place>,
    ) -> Result<Option<Page>, ConsumerError> {
        let removed = |error: ReadError| match error {
            ReadError::BelowStart { .. } => ConsumerError::Removed { consumer: self.name.clone(), error },
            other => other.into(),
        };
        let waiting = self.with_events(places).map_err(removed)?;
        if waiting.is_empty() {
            return Ok(None);
        }
        let (log, events_max) = (Arc::clone(&self.log), request.events_max);
        let read = spawn_blocking(move || read(&*log, waiting, events_max)).await;
        let chunks = read.map_err(|error| ReadError::Failed(error.to_string()))?.map_err(removed)?;
        Ok(self.hand_out(request, call, chunks))
    }

    /// The places with events, as few as a cursor names.
    fn with_events(&self, places: Vec<Place>) -> Result<Vec<Place>, ReadError> {
        let mut named = places.iter().filter(|place| place.ahead).count();
        let mut waiting = Vec::new();
        for place in places {
            let description = self.log.describe(&place.partition.topic)?;
            let unknown = || ReadError::UnknownPartition(place.partition.clone());
            let kept = description.offsets_of(place.partition.partition).ok_or_else(unknown)?;
            if place.next < kept.start {
                let (asked, start) = (place.partition.at(place.next), place.partition.at(kept.start));
                return Err(ReadError::BelowStart { asked, start });
            }
            if place.next < kept.end && (place.ahead || named < CURSOR_PARTITIONS_MAX) {
                named += usize::from(!place.ahead);
                waiting.push(place);
            }
        }
        Ok(waiting)
    }

    fn hand_out(&self, request: &ReadRequest, call: &Call<'_>, chunks: Vec<Chunk>) -> Option<Page> {
        let mut sharing = self.sharing();
        if !sharing.is_inside(&request.reader, call.number) {
            return None;
        }
        let mut page = Page::default();
        let mut handed = Vec::with_capacity(chunks.len());
        for Chunk { place, lines, events } in chunks {
            // What moved to another reader while it was read is that reader's.
            if events > 0 && sharing.hand_out(&place.partition, place.grant, place.next) {
                page.lines.extend_from_slice(&lines);
                page.events.push((place.partition.topic.clone(), events));
                handed.push(place);
            }
        }
        if handed.is_empty() {
            return None;
        }
        page.cursor = sharing.cursor(&request.reader, &request.after, &handed);
        let places = sharing.places(&request.reader, &request.after);
        page.partitions = places.into_iter().map(|place| place.partition).collect();
        sharing.turn(&request.reader);
        // In the same breath: from now on the events are in the reader's hand.
        sharing.exit(&request.reader, call.number, Instant::now());
        Some(page)
    }
}

/// Reads the places in turn until the page is full. Blocks for the log.
fn read(log: &dyn Log, places: Vec<Place>, events_max: u64) -> Result<Vec<Chunk>, ReadError> {
    let (mut bytes_left, mut events_left) = (PAGE_BYTES, events_max);
    let mut chunks = Vec::new();
    for place in places {
        if bytes_left == 0 || events_left == 0 {
            break;
        }
        let records = log.read(&place.partition.at(place.next), bytes_left)?;
        let mut chunk = Chunk { place, lines: Vec::new(), events: 0 };
        for record in records {
            if events_left == 0 {
                break;
            }
            encode::line(&record, &mut chunk.lines);
            chunk.place.next = Offset::next(record.position.offset);
            chunk.events += 1;
            events_left -= 1;
        }
        bytes_left = bytes_left.saturating_sub(chunk.lines.len());
        chunks.push(chunk);
    }
    Ok(chunks)
}
