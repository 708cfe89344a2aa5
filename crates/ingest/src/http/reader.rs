//! A reader of a topic for callers that wait: its place among all readers, its pages read on blocking threads, and word of
//! the log's growth. Every door that gives events out stands on it.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use riverrun_event::{Record, TopicName};
use riverrun_log::ReadError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_blocking;

use super::Shared;
use super::admission::READERS_MAX;
use super::cursor::From;
use super::pages::{Page, Pages, Places};
use super::problem::DoorError;
use crate::metrics::TopicLabels;

/// What is to be read.
pub(crate) struct Reading {
    /// Where to start.
    pub(crate) from: From,
    /// How many events at most.
    pub(crate) limit: Option<u64>,
    /// Whether to go on when the end is reached.
    pub(crate) follow: bool,
}

/// Reads one topic.
pub(crate) struct Reader {
    /// Away while a blocking thread has it, gone after an error.
    pages: Option<Pages>,
    moved: watch::Receiver<u64>,
    events_out: Counter,
    _place: Place,
}

/// A reader's permit, and its mark in the metrics; both are given back when dropped.
pub(super) struct Place {
    readers: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Takes a place, if one is free.
    pub(super) fn take(shared: &Shared) -> Result<Self, DoorError> {
        let permit = shared.admission.reader().ok_or(DoorError::TooManyReaders(READERS_MAX))?;
        let readers = shared.doors.metrics.readers.clone();
        readers.inc();
        Ok(Self { readers, _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

/// The name of a topic that may be read: Riverrun's own are among them.
pub(crate) fn readable(shared: &Shared, topic: &str) -> Result<TopicName, DoorError> {
    TopicName::internal(topic).map_err(|_| unknown(shared, topic))
}

fn unknown(shared: &Shared, topic: &str) -> DoorError {
    DoorError::Accept { index: None, error: shared.doors.acceptor.unknown_topic(topic) }
}

impl Reader {
    /// Takes a reader's place and opens the topic.
    pub(crate) async fn open(shared: &Shared, topic: TopicName, reading: Reading) -> Result<Self, DoorError> {
        let doors = &shared.doors;
        let place = Place::take(shared)?;
        // Watched from before the ends are looked up, so that no growth is missed.
        let moved = doors.log.moved();
        let log = Arc::clone(&doors.log);
        let name = topic.clone();
        let opened = spawn_blocking(move || {
            let Reading { from, limit, follow } = reading;
            Pages::open(log, name, &from).map(|pages| pages.bounded(limit, follow))
        });
        let pages = match opened.await.map_err(|error| ReadError::Failed(error.to_string()))? {
            Err(ReadError::UnknownTopic(_)) => return Err(unknown(shared, topic.as_str())),
            opened => Some(opened?),
        };
        // Only now: a label for each name that callers think of would have no bound.
        let events_out = doors.metrics.events_out.get_or_create(&TopicLabels { topic }).clone();
        Ok(Self { pages, moved, events_out, _place: place })
    }

    /// The next page, its records added to `taken` by `take`.
    pub(crate) async fn page<T: Send + 'static>(
        &mut self,
        mut taken: T,
        take: fn(&Record, &Places, &mut T),
    ) -> Result<(Page, T), ReadError> {
        // Marked before the log is looked at, so that what comes after the look wakes the reader.
        self.moved.borrow_and_update();
        let Some(mut pages) = self.pages.take() else { return Ok((Page::End, taken)) };
        let read = spawn_blocking(move || {
            let page = pages.next(|record, places| take(record, places, &mut taken));
            (pages, page, taken)
        });
        let (pages, page, taken) = read.await.map_err(|error| ReadError::Failed(error.to_string()))?;
        let page = page?;
        if let Page::Events(events) = page {
            self.events_out.inc_by(events);
        }
        self.pages = Some(pages);
        Ok((page, taken))
    }

    /// The cursor from which a further read goes on.
    pub(crate) fn cursor(&self) -> String {
        self.pages.as_ref().map(|pages| pages.places().cursor()).unwrap_or_default()
    }

    /// Resolves when the log has grown since the last page; false when it will not any more.
    pub(crate) async fn grown(&mut self) -> bool {
        self.moved.changed().await.is_ok()
    }
}
