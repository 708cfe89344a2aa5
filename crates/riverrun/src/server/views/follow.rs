//! Answers that go on with the rows that change, here and at the instances that have the other tasks.
//!
//! Nothing is lost without a word: when a task moves to another instance, or a reader is too slow, the answer is broken off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::try_join_all;
use futures_util::stream::{self, SelectAll, Stream, StreamExt as _};
use riverrun_log::TaskId;
use riverrun_runtime::views::{Places, ViewChange, ViewEvent};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, sleep, sleep_until, timeout};

use super::super::Parts;
use super::super::problem::RouteError;
use super::gather::{ANSWER_TIME, Question, TRY_AGAIN, has_all};
use super::others::{Lines, Part};
use super::wire::Row;

/// How often a stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often is looked whether the tasks are where they were.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Every row asked for, then every row that changes.
pub(super) async fn follow(
    parts: &Arc<Parts>,
    question: Question,
    headers: &HeaderMap,
) -> Result<Response, RouteError> {
    let server_sent = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == b"text/event-stream");
    // What changes while the rows are read comes twice rather than not at all.
    let following = Following::begin(parts, &question, server_sent).await?;
    let mut first = Vec::new();
    let mut next = question;
    loop {
        let answer = next.answer(parts).await?;
        answer.entries.iter().for_each(|entry| write(&entry.row.to_json(), server_sent, &mut first));
        match answer.next {
            Some(after) => next.query.after = Some(after),
            None => break,
        }
    }
    Ok(following.respond(first))
}

/// Every row that changes in tasks that are here, for an instance that puts several such answers together.
pub(super) fn changes_of(parts: &Arc<Parts>, question: Question, part: &Part) -> Result<Response, RouteError> {
    let changes = question.view.follow();
    // After the changes are listened to: one that moves from now on is told.
    let tasks = part.tasks();
    has_all(parts, &question.view, &tasks)?;
    let places = parts.runtime.places(&question.view, &tasks);
    Ok(Following::new(parts, question, false, changes, places, SelectAll::new()).respond(Vec::new()))
}

type Others = SelectAll<Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>>;

struct Following {
    parts: Arc<Parts>,
    question: Question,
    server_sent: bool,
    changes: broadcast::Receiver<ViewEvent>,
    /// Where the tasks are that are followed.
    places: Places,
    /// The changes of other instances, as JSON.
    others: Others,
    closing: watch::Receiver<bool>,
    look: Interval,
}

/// What a stream goes on with.
enum Heard {
    Event(Result<ViewEvent, RecvError>),
    /// A changed row of another instance.
    Other(io::Result<Bytes>),
    Look,
    Silence,
    Closing,
}

impl Following {
    /// Listens to all tasks, wherever they are.
    async fn begin(parts: &Arc<Parts>, question: &Question, server_sent: bool) -> Result<Self, RouteError> {
        let until = Instant::now() + question.patience;
        loop {
            match Self::attempt(parts, question, server_sent, until).await {
                Err(error) if error.may_pass() && Instant::now() < until => sleep(TRY_AGAIN).await,
                following => return following,
            }
        }
    }

    async fn attempt(
        parts: &Arc<Parts>,
        question: &Question,
        server_sent: bool,
        until: Instant,
    ) -> Result<Self, RouteError> {
        let changes = question.view.follow();
        let mut places = parts.runtime.places(&question.view, &question.tasks());
        if let Some(missing) = places.missing.take() {
            return Err(missing.into());
        }
        let left = until.saturating_duration_since(Instant::now());
        let listened = places.elsewhere.iter().map(async |(address, tasks)| {
            let part = Part { changes: true, ..Part::new(tasks, left) };
            let silent = |_| RouteError::Instance { address: address.clone(), reason: "it does not answer".to_owned() };
            timeout(left + ANSWER_TIME, parts.others.changes(address, &question.way, &part)).await.map_err(silent)?
        });
        let others = try_join_all(listened).await?.into_iter().map(changes_from).collect();
        Ok(Self::new(parts, question.clone(), server_sent, changes, places, others))
    }

    fn new(
        parts: &Arc<Parts>,
        question: Question,
        server_sent: bool,
        changes: broadcast::Receiver<ViewEvent>,
        places: Places,
        others: Others,
    ) -> Self {
        let (parts, closing, look) = (Arc::clone(parts), parts.closing.clone(), tokio::time::interval(LOOK_EVERY));
        Self { parts, question, server_sent, changes, places, others, closing, look }
    }

    /// Begins with `first`; an error breaks the answer off, so that a reader does not take it for whole.
    fn respond(self, first: Vec<u8>) -> Response {
        let kind = if self.server_sent { "text/event-stream" } else { "application/x-ndjson" };
        let lines = stream::unfold((Some(self), Some(first)), |(following, first)| async move {
            if let Some(first) = first {
                return Some((Ok::<_, io::Error>(first), (following, None)));
            }
            let mut following = following?;
            let piece = following.next().await?;
            Some(match piece {
                Ok(text) => (Ok(text), (Some(following), None)),
                Err(error) => (Err(error), (None, None)),
            })
        });
        ([(CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response()
    }

    /// The next change as text.
    async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        let alive_until = Instant::now() + KEEP_ALIVE;
        loop {
            match self.hear(alive_until).await {
                Heard::Event(Ok(ViewEvent::Changed(change))) if self.wants(&change) => {
                    let row = change.row.as_ref().map_or_else(|| Row::gone(&change.key), Row::from);
                    return Some(Ok(self.text(&row.to_json())));
                }
                Heard::Event(Ok(ViewEvent::Moved(task))) if self.may_miss(task) => return Some(Err(moved())),
                Heard::Event(Ok(_)) => {}
                Heard::Event(Err(RecvError::Lagged(missed))) => {
                    return Some(Err(io::Error::other(format!("{missed} changes were missed; read the view anew"))));
                }
                Heard::Other(row) => return Some(row.map(|row| self.text(&row))),
                Heard::Look if self.has_moved() => return Some(Err(moved())),
                Heard::Look => {}
                Heard::Silence => return Some(Ok(b": keep-alive\n\n".to_vec())),
                Heard::Event(Err(RecvError::Closed)) | Heard::Closing => return None,
            }
        }
    }

    async fn hear(&mut self, alive_until: Instant) -> Heard {
        tokio::select! {
            event = self.changes.recv() => Heard::Event(event),
            Some(row) = self.others.next() => Heard::Other(row),
            _ = self.look.tick() => Heard::Look,
            _ = self.closing.wait_for(|closing| *closing) => Heard::Closing,
            () = sleep_until(alive_until), if self.server_sent => Heard::Silence,
        }
    }

    fn wants(&self, change: &ViewChange) -> bool {
        self.places.here.contains(&change.task) && self.question.wants(&change.key)
    }

    /// Where no other process can have a task, the next worker that has it tells its changes here as well.
    fn may_miss(&self, task: TaskId) -> bool {
        self.places.here.contains(&task) && self.parts.runtime.shares_tasks(&self.question.view)
    }

    /// Whether a task is not where it was. One that was lost without a word is found so.
    fn has_moved(&self) -> bool {
        let view = &self.question.view;
        if !self.parts.runtime.shares_tasks(view) {
            return false;
        }
        let followed = self.places.here.iter().chain(self.places.elsewhere.values().flatten());
        let mut followed: Vec<TaskId> = followed.copied().collect();
        followed.sort_unstable();
        let places = self.parts.runtime.places(view, &followed);
        (&places.here, &places.elsewhere) != (&self.places.here, &self.places.elsewhere)
    }

    fn text(&self, json: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(json.len() + 8);
        write(json, self.server_sent, &mut text);
        text
    }
}

fn moved() -> io::Error {
    io::Error::other("a partition of the view moves to another instance; read the view anew")
}

fn changes_from(lines: Lines) -> Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>> {
    let lines = stream::unfold(Some(lines), |lines| async move {
        let mut lines = lines?;
        Some(match lines.next().await {
            Ok(line) => (Ok(line), Some(lines)),
            Err(error) => (Err(io::Error::other(error.to_string())), None),
        })
    });
    Box::pin(lines)
}

fn write(json: &[u8], server_sent: bool, out: &mut Vec<u8>) {
    if server_sent {
        out.extend_from_slice(b"data: ");
    }
    out.extend_from_slice(json);
    out.extend_from_slice(if server_sent { b"\n\n" } else { b"\n" });
}
