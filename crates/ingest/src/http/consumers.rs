//! The routes of named consumers: read, commit, leave; and list, show, reset, remove for operators.
//!
//! A page of events is whole before its answer begins, so a cursor never covers events that were not sent, and an answer that
//! is lost is asked for again.

mod parameters;
pub(super) mod wire;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query as UrlQuery, Request, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use riverrun_event::event::is_json_media_type;
use riverrun_event::{ConsumerName, TopicName, Verb};
use riverrun_log::ReadError;
use serde::de::DeserializeOwned;

use self::parameters::Parameters;
use super::caller::Caller;
use super::cursor::{From, QueryError};
use super::problem::DoorError;
use super::reader::Place;
use super::{Shared, body};
use crate::consumers::{Consumer, ConsumerError, Cursor, Page, ReadRequest, ReaderName, Target};
use crate::metrics::TopicLabels;

const READER: HeaderName = HeaderName::from_static("riverrun-reader");
const CURSOR: HeaderName = HeaderName::from_static("riverrun-cursor");
const LINES: &str = "application/x-ndjson";
const JSON: &str = "application/json";

type Named = Result<Path<String>, PathRejection>;
type Parts = State<Arc<Shared>>;
type Called = Extension<Caller>;

/// `GET /consumers/{consumer}/events?topic=&reader=&limit=&wait=&session=&from=&after=`.
pub(super) async fn read(
    State(shared): Parts,
    Extension(caller): Called,
    consumer: Named,
    parameters: Result<UrlQuery<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, DoorError> {
    let name = name_of(consumer)?;
    let UrlQuery(parameters) = parameters.map_err(|_| QueryError::new("query", "it is no valid query string"))?;
    let parameters = Parameters::parse(&parameters)?;
    page(&shared, &caller, &name, parameters, wants_json(&headers)).await
}

async fn page(
    shared: &Shared,
    caller: &Caller,
    name: &str,
    parameters: Parameters,
    json: bool,
) -> Result<Response, DoorError> {
    let doors = &shared.doors;
    let _place = Place::take(shared)?;
    let name = ConsumerName::new(name).map_err(|_| ConsumerError::Unknown(name.chars().take(200).collect()))?;
    for topic in &parameters.topics {
        caller.permit(Verb::Read, topic)?;
    }
    if let Ok(known) = doors.consumers.find(name.as_str()).await {
        permit(caller, Verb::Read, &known)?;
    }
    let opened = doors.consumers.open(&name, &parameters.topics, &parameters.from).await;
    let consumer = opened.map_err(|error| unknown_topic(shared, error))?;
    let Parameters { reader, events_max, wait, session, after, .. } = parameters;
    let reader = reader.map_or_else(wire::new_reader_name, Ok)?;
    let request = ReadRequest { reader, session, wait, events_max, after };
    let page = consumer.read(&request, doors.closing.clone()).await?;
    for (topic, events) in &page.events {
        doors.metrics.events_out.get_or_create(&TopicLabels { topic: topic.clone() }).inc_by(*events);
    }
    Ok(if json { as_json(&request, &page) } else { as_lines(&request, page) })
}

fn as_lines(request: &ReadRequest, page: Page) -> Response {
    let mut response = (
        [(CONTENT_TYPE, LINES), (CACHE_CONTROL, "no-store")],
        [(READER, request.reader.to_string())],
        Body::from(page.lines),
    )
        .into_response();
    if !page.cursor.is_empty()
        && let Ok(cursor) = page.cursor.to_string().parse()
    {
        response.headers_mut().insert(CURSOR, cursor);
    }
    response
}

fn as_json(request: &ReadRequest, page: &Page) -> Response {
    ([(CONTENT_TYPE, JSON), (CACHE_CONTROL, "no-store")], wire::page(request, page)).into_response()
}

/// JSON where the client asks for it, else lines.
fn wants_json(headers: &HeaderMap) -> bool {
    let mut asked =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    asked.any(|media| media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(JSON))
}

/// `POST /consumers/{consumer}/commit`.
pub(super) async fn commit(
    State(shared): Parts,
    Extension(caller): Called,
    consumer: Named,
    request: Request,
) -> Result<StatusCode, DoorError> {
    let asked: wire::Commit = received(&shared, request, r#"{"cursor":"orders/0@12~1.1"}"#).await?;
    let cursor: Cursor = asked.cursor.parse().map_err(ConsumerError::Cursor)?;
    let consumer = find(&shared, &caller, Verb::Read, &name_of(consumer)?).await?;
    consumer.commit(cursor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /consumers/{consumer}/readers/{reader}`. Leaving twice is leaving.
pub(super) async fn leave(
    State(shared): Parts,
    Extension(caller): Called,
    names: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, DoorError> {
    let Path((consumer, reader)) = names.map_err(|_| DoorError::NotFound("this path".to_owned()))?;
    let reader: ReaderName = reader.parse().map_err(|error| QueryError::new("reader", format!("{error}")))?;
    find(&shared, &caller, Verb::Read, &consumer).await?.leave(&reader);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /consumers`.
pub(super) async fn list(State(shared): Parts) -> Result<Response, DoorError> {
    let all = shared.doors.consumers.report().await?;
    Ok(axum::Json(all.iter().map(wire::ConsumerStatus::from).collect::<Vec<_>>()).into_response())
}

/// `GET /consumers/{consumer}`.
pub(super) async fn show(
    State(shared): Parts,
    Extension(caller): Called,
    consumer: Named,
) -> Result<Response, DoorError> {
    let name = name_of(consumer)?;
    find(&shared, &caller, Verb::Operate, &name).await?;
    report(&shared, &name).await
}

async fn report(shared: &Shared, name: &str) -> Result<Response, DoorError> {
    let report = shared.doors.consumers.report_of(name).await?;
    Ok(axum::Json(wire::ConsumerStatus::from(&report)).into_response())
}

/// `DELETE /consumers/{consumer}`.
pub(super) async fn remove(
    State(shared): Parts,
    Extension(caller): Called,
    consumer: Named,
) -> Result<StatusCode, DoorError> {
    let name = name_of(consumer)?;
    find(&shared, &caller, Verb::Operate, &name).await?;
    shared.doors.consumers.remove(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /consumers/{consumer}/reset`.
pub(super) async fn reset(
    State(shared): Parts,
    Extension(caller): Called,
    consumer: Named,
    request: Request,
) -> Result<Response, DoorError> {
    let name = name_of(consumer)?;
    let asked: wire::Reset = received(&shared, request, r#"{"to":"beginning"}"#).await?;
    let consumer = find(&shared, &caller, Verb::Operate, &name).await?;
    let topic = asked.topic.map(|topic| topic_of(&shared, &topic)).transpose()?;
    if let Some(topic) = topic.as_ref().filter(|topic| !consumer.topics().contains(topic)) {
        return Err(QueryError::new("topic", format!("the consumer does not read {topic}")).into());
    }
    let target = match asked.to.as_str() {
        "kept" => Target::Kept,
        text => Target::At(From::parse(text).map_err(|error| error.named("to"))?),
    };
    if matches!(target, Target::At(From::Offsets(_))) && topic.is_none() && consumer.topics().len() > 1 {
        return Err(QueryError::new("to", "offsets are of one topic; name it as topic").into());
    }
    consumer.reset(target, topic).await?;
    report(&shared, &name).await
}

/// A consumer whose topics the caller may all use so.
async fn find(shared: &Shared, caller: &Caller, verb: Verb, name: &str) -> Result<Arc<Consumer>, DoorError> {
    let consumer = shared.doors.consumers.find(name).await?;
    permit(caller, verb, &consumer)?;
    Ok(consumer)
}

fn permit(caller: &Caller, verb: Verb, consumer: &Consumer) -> Result<(), DoorError> {
    caller.asks();
    consumer.topics().iter().try_for_each(|topic| Ok(caller.permit(verb, topic)?))
}

fn name_of(path: Named) -> Result<String, DoorError> {
    path.map(|Path(name)| name).map_err(|_| DoorError::NotFound("this path".to_owned()))
}

fn topic_of(shared: &Shared, name: &str) -> Result<TopicName, DoorError> {
    let unknown = |_| DoorError::Accept { index: None, error: shared.doors.acceptor.unknown_topic(name) };
    TopicName::internal(name).map_err(unknown)
}

/// Names the topics there are where one is asked for that is not.
fn unknown_topic(shared: &Shared, error: ConsumerError) -> DoorError {
    match error {
        ConsumerError::Read(ReadError::UnknownTopic(topic)) => {
            DoorError::Accept { index: None, error: shared.doors.acceptor.unknown_topic(topic.as_str()) }
        }
        other => other.into(),
    }
}

/// The JSON body of a request that carries no events.
async fn received<T: DeserializeOwned>(
    shared: &Shared,
    request: Request,
    example: &'static str,
) -> Result<T, DoorError> {
    let (parts, body) = request.into_parts();
    let media_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(is_json_media_type) {
        return Err(DoorError::NotJson);
    }
    let room = shared.admission.room();
    let received = body::receive(&parts.headers, body, shared.doors.limits.body_bytes_max, room).await?;
    serde_json::from_slice(&received.bytes).map_err(|error| DoorError::Request { error: error.to_string(), example })
}
