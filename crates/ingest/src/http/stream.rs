//! A reader's answer as a stream: one page at a time, read only when the client takes it. A slow client slows itself alone.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use riverrun_log::ReadError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::spawn_blocking;

use super::pages::{Format, Page, Pages};
use super::problem::DoorError;

/// How often a waiting stream of server-sent events shows that it is alive: below the minute after which proxies give up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A reader and what it waits on.
pub(super) struct Streaming {
    /// Reads; away while a blocking thread has it, gone after an error.
    pub(super) pages: Option<Pages>,
    /// How the events are written.
    pub(super) format: Format,
    /// Says that the log has grown.
    pub(super) moved: watch::Receiver<u64>,
    /// Says that the server stops.
    pub(super) closing: watch::Receiver<bool>,
    /// Counts what is given out.
    pub(super) events_out: Counter,
    /// The reader's place among all readers.
    pub(super) _place: Place,
}

/// A reader's permit, and its mark in the metrics; both are given back when dropped.
pub(super) struct Place {
    readers: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    /// Counts a reader.
    pub(super) fn new(permit: OwnedSemaphorePermit, readers: Gauge) -> Self {
        readers.inc();
        Self { readers, _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.readers.dec();
    }
}

impl Streaming {
    /// The next page, read on a blocking thread.
    pub(super) async fn page(&mut self) -> Result<Page, ReadError> {
        // Marked before the log is looked at, so that what comes after the look wakes the reader.
        self.moved.borrow_and_update();
        let Some(mut pages) = self.pages.take() else { return Ok(Page::End) };
        let read = spawn_blocking(move || {
            let page = pages.next();
            (pages, page)
        });
        let (pages, page) = read.await.map_err(|error| ReadError::Failed(error.to_string()))?;
        let page = page?;
        if let Page::Events { events, .. } = page {
            self.events_out.inc_by(events);
        }
        self.pages = Some(pages);
        Ok(page)
    }

    /// The whole answer, `first` being the page that was read before it began.
    pub(super) fn body(self, first: Page) -> Body {
        Body::from_stream(unfold((self, Some(first)), |(mut streaming, mut first)| async move {
            let piece = streaming.piece(first.take()).await?;
            Some((piece, (streaming, None)))
        }))
    }

    /// The next piece of the answer; `None` ends it.
    async fn piece(&mut self, mut first: Option<Page>) -> Option<Result<Bytes, ReadError>> {
        loop {
            let page = match first.take() {
                Some(page) => Ok(page),
                None => self.page().await,
            };
            match page {
                Ok(Page::Events { text, .. }) => return Some(Ok(text.into())),
                Ok(Page::End) => return None,
                Ok(Page::CaughtUp) => {
                    if let Some(piece) = self.wait().await? {
                        return Some(Ok(piece));
                    }
                }
                Err(error) => return Some(self.broken_off(error)),
            }
        }
    }

    /// Waits for the log to grow; gives a sign of life when that takes long, and `None` when the answer is to end.
    async fn wait(&mut self) -> Option<Option<Bytes>> {
        tokio::select! {
            moved = self.moved.changed() => moved.ok().map(|()| None),
            _ = self.closing.wait_for(|closing| *closing) => None,
            () = tokio::time::sleep(KEEP_ALIVE), if self.format == Format::ServerSent => {
                Some(Some(Bytes::from_static(b": keep-alive\n\n")))
            }
        }
    }

    /// The status is sent already: server-sent events end with an event `error`, lines by breaking the connection off, so
    /// that the client cannot take it for the end.
    fn broken_off(&mut self, error: ReadError) -> Result<Bytes, ReadError> {
        tracing::error!(%error, "a reader's answer broke off");
        if self.format == Format::Lines {
            return Err(error);
        }
        let document = DoorError::Read(error).document();
        Ok([b"event: error\ndata: ", &*document, b"\n\n"].concat().into())
    }
}
