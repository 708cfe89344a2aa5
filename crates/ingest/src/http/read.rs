//! The read door: `GET /topics/{topic}/events`, as lines of JSON or as server-sent events.
//!
//! The first page is read before the answer begins, so that an error known by then has a status. Server-sent events follow the
//! topic unless told not to, since browsers ask again by themselves when such a stream ends.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query as UrlQuery, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use riverrun_event::TopicName;
use riverrun_log::ReadError;
use tokio::task::spawn_blocking;

use super::Shared;
use super::admission::READERS_MAX;
use super::cursor::{From, Query, QueryError};
use super::pages::{Format, Pages};
use super::problem::DoorError;
use super::stream::{Place, Streaming};
use crate::metrics::TopicLabels;

/// Media type of a stream of server-sent events.
const EVENT_STREAM: &str = "text/event-stream";
/// Media type of one JSON object per line.
const LINES: &str = "application/x-ndjson";
/// Tells some reverse proxies not to collect a stream before they pass it on.
const NO_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// Where a client of server-sent events says how far it got.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// `GET /topics/{topic}/events?from=&limit=&follow=`.
pub(super) async fn from_topic(
    State(shared): State<Arc<Shared>>,
    topic: Result<Path<String>, PathRejection>,
    parameters: Result<UrlQuery<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Ok(Path(topic)) = topic else { return DoorError::NotFound("this path".to_owned()).into_response() };
    let parameters = match parameters {
        Ok(UrlQuery(parameters)) => parameters,
        Err(_) => return DoorError::Query(QueryError::new("query", "it is no valid query string")).into_response(),
    };
    answer(&shared, &topic, &parameters, &headers).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(
    shared: &Shared,
    topic: &str,
    parameters: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response, DoorError> {
    let unknown = || DoorError::Accept { index: None, error: shared.doors.acceptor.unknown_topic(topic) };
    // Riverrun's own topics may be read.
    let name = TopicName::internal(topic).map_err(|_| unknown())?;
    let format = format_of(headers);
    let mut query = Query::parse(parameters)?;
    if format == Format::ServerSent
        && let Some(cursor) = headers.get(LAST_EVENT_ID)
    {
        query.from = From::cursor(cursor.to_str().unwrap_or_default())?;
    }
    let mut streaming = open(shared, name, query, format).await.map_err(|error| match error {
        DoorError::Read(ReadError::UnknownTopic(_)) => unknown(),
        other => other,
    })?;
    let first = streaming.page().await?;
    let media_type = if format == Format::Lines { LINES } else { EVENT_STREAM };
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-store"), (NO_BUFFERING, "no")];
    Ok((headers, streaming.body(first)).into_response())
}

/// Server-sent events where the client asks for them, else lines.
fn format_of(headers: &HeaderMap) -> Format {
    let mut asked =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let is_event_stream =
        |media: &str| media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENT_STREAM);
    if asked.any(is_event_stream) { Format::ServerSent } else { Format::Lines }
}

/// Takes a reader's place and opens the topic.
async fn open(shared: &Shared, topic: TopicName, query: Query, format: Format) -> Result<Streaming, DoorError> {
    let doors = &shared.doors;
    let permit = shared.admission.reader().ok_or(DoorError::TooManyReaders(READERS_MAX))?;
    let place = Place::new(permit, doors.metrics.readers.clone());
    // Watched from before the ends are looked up, so that no growth is missed.
    let moved = doors.log.moved();
    let events_out = doors.metrics.events_out.get_or_create(&TopicLabels { topic: topic.clone() }).clone();
    let log = Arc::clone(&doors.log);
    let opened = spawn_blocking(move || Pages::open(log, topic, &query.from, format).map(|pages| (pages, query)));
    let (pages, query) = opened.await.map_err(|error| ReadError::Failed(error.to_string()))??;
    let follow = query.follow.unwrap_or(format == Format::ServerSent);
    let pages = Some(pages.bounded(query.limit, follow));
    Ok(Streaming { pages, format, moved, closing: doors.closing.clone(), events_out, _place: place })
}
