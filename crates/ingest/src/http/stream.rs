//! A reader's answer as a stream: one page at a time, read only when the client takes it. A slow client slows itself alone.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use riverrun_event::Record;
use riverrun_log::ReadError;
use tokio::sync::watch;

use super::pages::{Page, Places};
use super::problem::DoorError;
use super::reader::Reader;
use crate::cloudevents::encode;

/// How often a waiting stream of server-sent events shows that it is alive: below the minute after which proxies give up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One JSON object per line.
    Lines,
    /// Server-sent events whose id is the cursor after the event.
    ServerSent,
}

/// A reader and what it waits on.
pub(super) struct Streaming {
    /// Reads.
    pub(super) reader: Reader,
    /// How the events are written.
    pub(super) format: Format,
    /// Says that the server stops.
    pub(super) closing: watch::Receiver<bool>,
}

/// A page and its text.
pub(super) type Written = (Page, Vec<u8>);

impl Streaming {
    /// The next page.
    pub(super) async fn page(&mut self) -> Result<Written, ReadError> {
        let write = match self.format {
            Format::Lines => line,
            Format::ServerSent => server_sent,
        };
        self.reader.page(Vec::new(), write).await
    }

    /// The whole answer, `first` being the page that was read before it began.
    pub(super) fn body(self, first: Written) -> Body {
        Body::from_stream(unfold((self, Some(first)), |(mut streaming, mut first)| async move {
            let piece = streaming.piece(first.take()).await?;
            Some((piece, (streaming, None)))
        }))
    }

    /// The next piece of the answer; `None` ends it.
    async fn piece(&mut self, mut first: Option<Written>) -> Option<Result<Bytes, ReadError>> {
        loop {
            let page = match first.take() {
                Some(page) => Ok(page),
                None => self.page().await,
            };
            match page {
                Ok((Page::Events(_), text)) => return Some(Ok(text.into())),
                Ok((Page::End, _)) => return None,
                Ok((Page::CaughtUp, _)) => {
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
            grown = self.reader.grown() => grown.then_some(None),
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

fn line(record: &Record, _: &Places, out: &mut Vec<u8>) {
    encode::line(record, out);
}

fn server_sent(record: &Record, places: &Places, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(places.cursor().as_bytes());
    out.extend_from_slice(b"\ndata: ");
    encode::object(record, out);
    out.extend_from_slice(b"\n\n");
}
