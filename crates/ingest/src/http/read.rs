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

use super::Shared;
use super::cursor::{From, Query, QueryError};
use super::problem::DoorError;
use super::reader::{Reader, Reading, readable};
use super::stream::{Format, Streaming};

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
) -> Result<Response, DoorError> {
    let Path(topic) = topic.map_err(|_| DoorError::NotFound("this path".to_owned()))?;
    let UrlQuery(parameters) = parameters.map_err(|_| QueryError::new("query", "it is no valid query string"))?;
    answer(&shared, &topic, &parameters, &headers).await
}

async fn answer(
    shared: &Shared,
    topic: &str,
    parameters: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response, DoorError> {
    let topic = readable(shared, topic)?;
    let format = format_of(headers);
    let mut query = Query::parse(parameters)?;
    if format == Format::ServerSent
        && let Some(cursor) = headers.get(LAST_EVENT_ID)
    {
        query.from = From::cursor(cursor.to_str().unwrap_or_default())?;
    }
    let follow = query.follow.unwrap_or(format == Format::ServerSent);
    let reading = Reading { from: query.from, limit: query.limit, follow };
    let reader = Reader::open(shared, topic, reading).await?;
    let mut streaming = Streaming { reader, format, closing: shared.doors.closing.clone() };
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
