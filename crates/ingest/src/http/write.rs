//! The write door: a request becomes records in the log, and the sender is answered only once they are durable.
//!
//! The stages are the spans `receive`, `accept` and `append`. A batch is stored whole or not at all. A 2xx is only ever sent
//! after the log answered; after a 5xx the sender does not know, and sends again with the same ids.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use riverrun_event::event::is_json_media_type;
use riverrun_event::{Time, Verb};
use riverrun_log::{AppendBatch, AppendError, Health, Logged, NewRecord};
use tracing::Instrument as _;

use super::caller::Caller;
use super::problem::{self, DoorError};
use super::{Shared, body};
use crate::cloudevents::{self, Received, batch, binary, plain, structured};
use crate::metrics::TopicLabels;
use riverrun_accept::{Target, to_entrances};

/// `POST /topics/{topic}/events`.
pub(super) async fn to_topic(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    topic: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, DoorError> {
    match &topic {
        Ok(Path(topic)) => publish(&shared, &caller, Some(topic), request).await,
        Err(_) => Err(DoorError::NotFound(request.uri().path().to_owned())),
    }
}

/// `POST /events`.
pub(super) async fn by_type(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, DoorError> {
    publish(&shared, &caller, None, request).await
}

async fn publish(
    shared: &Shared,
    caller: &Caller,
    topic: Option<&str>,
    request: Request,
) -> Result<Response, DoorError> {
    let doors = &shared.doors;
    let (parts, body) = request.into_parts();
    let target = match topic.map(|name| doors.acceptor.topic(name)).transpose() {
        Ok(topic) => topic.map_or(Target::ByType, Target::Topic),
        Err(error) => return Err(DoorError::Accept { index: None, error }),
    };
    let mode = Mode::of(&parts.headers)?;
    if let Health::Stopped { reason } = doors.log.health() {
        return Err(DoorError::Stopped(reason));
    }
    let span = tracing::debug_span!("receive", topic, mode = ?mode);
    let receiving = body::receive(&parts.headers, body, doors.limits.body_bytes_max, shared.admission.room());
    let received = receiving.instrument(span).await?;
    doors.metrics.bytes_in.inc_by(received.sent as u64);

    let records = accept(shared, caller, target, mode, &parts.headers, &received.bytes)?;
    let logged = append(shared, records).await?;
    Ok(acknowledge(&logged, mode))
}

/// How the events of a request are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Structured,
    Batch,
    Binary,
    Plain,
}

impl Mode {
    fn of(headers: &HeaderMap) -> Result<Self, DoorError> {
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let refused = || problem::media_type(media_type.map(|text| text.get(..200).unwrap_or(text)));
        if headers.get_all(CONTENT_TYPE).iter().nth(1).is_some() {
            return Err(problem::media_type(Some("several")));
        }
        let (essence, is_utf8) = media_type.map_or((String::new(), true), parse_media_type);
        let mode = match essence.as_str() {
            cloudevents::STRUCTURED => Self::Structured,
            cloudevents::BATCH => Self::Batch,
            other if other.starts_with("application/cloudevents") => return Err(refused()),
            _ if binary::is_binary(headers) => return Ok(Self::Binary),
            other if is_json_media_type(other) => Self::Plain,
            _ => return Err(refused()),
        };
        if is_utf8 { Ok(mode) } else { Err(refused()) }
    }
}

/// The media type without parameters, in lower case, and whether its charset, if stated, is UTF-8.
pub(crate) fn parse_media_type(text: &str) -> (String, bool) {
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        let value = value.trim_matches('"');
        !name.eq_ignore_ascii_case("charset")
            || value.eq_ignore_ascii_case("utf-8")
            || value.eq_ignore_ascii_case("us-ascii")
    });
    (essence, is_utf8)
}

/// Decodes the body and accepts its events, all or none: each for a topic its caller may publish to.
fn accept(
    shared: &Shared,
    caller: &Caller,
    target: Target<'_>,
    mode: Mode,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Vec<NewRecord>, DoorError> {
    let _span = tracing::debug_span!("accept", bytes = body.len()).entered();
    let received = decode(shared, mode, headers, body)?;
    let acceptor = &shared.doors.acceptor;
    let now = Time::now();
    caller.asks();
    let one = |(index, event): (usize, Received)| {
        let index = (mode == Mode::Batch).then_some(index);
        let refused = |error| DoorError::Accept { index, error };
        let topic = acceptor.resolve(target, &event).map_err(refused)?;
        caller.permit(Verb::Publish, &topic.name).map_err(|error| DoorError::Access { index, error })?;
        acceptor.accept(Target::Topic(topic), event, now).map_err(refused)
    };
    received.into_iter().enumerate().map(one).collect()
}

/// The events of a body.
fn decode(shared: &Shared, mode: Mode, headers: &HeaderMap, body: &Bytes) -> Result<Vec<Received>, DoorError> {
    let limits = &shared.doors.limits;
    let alone = |error| DoorError::Decode { index: None, error };
    let mut received = match mode {
        Mode::Structured => vec![structured::decode(body, limits.json_depth_max).map_err(alone)?],
        Mode::Batch => batch::decode(body, limits.batch_events_max, limits.json_depth_max)?,
        Mode::Binary => vec![binary::decode(headers, body.clone()).map_err(alone)?],
        Mode::Plain => vec![plain::decode(headers, body.clone()).map_err(alone)?],
    };
    received.iter_mut().for_each(|event| keep_trace(headers, event));
    Ok(received)
}

/// Keeps the request's trace with an event that has none of its own. A header that is no attribute value is left: traces are
/// no reason to refuse an event.
pub(crate) fn keep_trace(headers: &HeaderMap, received: &mut Received) {
    const TRACE: &str = "traceparent";
    if let Some(value) = headers.get(TRACE).and_then(|value| value.to_str().ok())
        && received.event.attributes.get(TRACE).is_none()
    {
        let _untraced = received.event.attributes.add(TRACE, value);
    }
}

/// Stores the records and counts what became of them.
pub(crate) async fn append(shared: &Shared, mut records: Vec<NewRecord>) -> Result<Vec<Logged>, DoorError> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let doors = &shared.doors;
    if doors.entrances {
        to_entrances(&mut records);
    }
    let bytes: usize = records.iter().map(NewRecord::bytes).sum();
    let span = tracing::debug_span!("append", events = records.len(), bytes);
    let logged = doors.log.append(AppendBatch { records }).instrument(span).await;
    if matches!(logged, Err(AppendError::Conflict { .. })) {
        doors.metrics.conflicts.inc();
    }
    let logged = logged?;
    let alike = |one: &Logged, other: &Logged| {
        one.is_duplicate() == other.is_duplicate() && one.position().topic == other.position().topic
    };
    for run in logged.chunk_by(alike) {
        let Some(answer) = run.first() else { continue };
        let counted = if answer.is_duplicate() { &doors.metrics.duplicates } else { &doors.metrics.events_in };
        let written = &answer.position().topic;
        let topic = written.behind_entrance().filter(|_| doors.entrances).unwrap_or_else(|| written.clone());
        counted.get_or_create(&TopicLabels { topic }).inc_by(run.len() as u64);
    }
    Ok(logged)
}

/// About what the answer to one event takes.
const ANSWER_BYTES: usize = 64;

/// The answer to events that are durable: for one event an object, for a batch a list in its order.
fn acknowledge(logged: &[Logged], mode: Mode) -> Response {
    let mut body = String::with_capacity(logged.len() * ANSWER_BYTES);
    let is_batch = mode == Mode::Batch;
    body.push_str(if is_batch { "[" } else { "" });
    for (index, logged) in logged.iter().enumerate() {
        body.push_str(if index == 0 { r#"{"position":""# } else { r#",{"position":""# });
        // A position needs no escapes: names of topics have none of the characters that do. A String takes whatever is written.
        let _ = logged.position().write_to(&mut body);
        body.push_str(if logged.is_duplicate() { r#"","duplicate":true}"# } else { r#"","duplicate":false}"# });
    }
    body.push_str(if is_batch { "]" } else { "" });
    let json = HeaderValue::from_static("application/json");
    (StatusCode::ACCEPTED, [(CONTENT_TYPE, json)], body).into_response()
}
