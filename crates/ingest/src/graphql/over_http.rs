//! GraphQL over HTTP: requests by POST, queries by GET too, and the upgrade to a WebSocket.

use std::sync::Arc;

use async_graphql::ServerError;
use async_graphql::parser::types::OperationType;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Query, Request, State};
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;

use super::answer::{Answer, refusal};
use super::media::{self, Media};
use super::request::Asked;
use super::session::Session;
use super::{Door, GraphqlError, scan, socket};
use crate::http::body;
use crate::http::caller::Caller;
use crate::http::problem::DoorError;
use crate::http::server::Connection;

/// Bytes of an answer handed to the connection at once: what it has not taken stays counted.
const PIECE_BYTES: usize = 64 * 1024;

/// `POST /graphql`.
pub(super) async fn post(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let media = match Media::of(&parts.headers) {
        Ok(media) => media,
        Err(error) => return door.refuse(Media::Json, error),
    };
    let received = async {
        media::check_sent(&parts.headers)?;
        let (limits, room) = (&door.shared.doors.limits, door.shared.admission.room());
        let mut received = body::receive(&parts.headers, body, limits.body_bytes_max, room).await?;
        door.shared.doors.metrics.bytes_in.inc_by(received.sent as u64);
        received.room.grow_by(scan::parsed_bytes(&received.bytes)?).map_err(|_| GraphqlError::NoRoom)?;
        Ok::<_, DoorError>((Asked::from_body(&received.bytes)?, received.room))
    };
    match received.await {
        Err(error) => door.refuse(media, error),
        Ok((asked, room)) => {
            let session = Session::new(Arc::clone(&door.shared), caller, parts.headers, room);
            let answer = door.answer(asked, &session, |kind| kind != OperationType::Subscription).await;
            respond(media, &answer, Some(session))
        }
    }
}

/// `GET /graphql`: a query, or the upgrade to a WebSocket.
pub(super) async fn get(
    State(door): State<Arc<Door>>,
    caller: Option<Extension<Caller>>,
    connection: Option<Extension<Connection>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    parameters: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let caller = caller.map(|Extension(caller)| caller);
    let caller = match (upgrade, caller) {
        (Ok(upgrade), caller) => {
            let connection = connection.map(|Extension(connection)| connection);
            return socket::upgrade(door, caller, connection, &headers, upgrade);
        }
        (Err(_), Some(caller)) => caller,
        // A socket's request that is none after all; its caller is not known.
        (Err(rejection), None) => return rejection.into_response(),
    };
    let media = match Media::of(&headers) {
        Ok(media) => media,
        Err(error) => return door.refuse(Media::Json, error),
    };
    let parameters = parameters.map_err(|_| GraphqlError::Request("the query string is not valid".to_owned()));
    match parameters.and_then(|Query(parameters)| Asked::from_parameters(parameters)) {
        Err(error) => door.refuse(media, error),
        Ok(asked) => {
            let session = Session::new(Arc::clone(&door.shared), caller, headers, door.shared.admission.room());
            let answer = door.answer(asked, &session, |kind| kind == OperationType::Query).await;
            respond(media, &answer, Some(session))
        }
    }
}

impl Door {
    /// Runs what is asked for.
    async fn answer(&self, asked: Asked, session: &Arc<Session>, may_run: fn(OperationType) -> bool) -> Answer {
        let metrics = &self.shared.doors.metrics;
        match asked.prepare(may_run) {
            Ok(request) => Answer::new(self.schema.execute(request.data(Arc::clone(session))).await, metrics),
            Err(error) => Answer::refused(error, metrics),
        }
    }

    fn refuse(&self, media: Media, error: impl Into<DoorError>) -> Response {
        let error: ServerError = refusal(error);
        respond(media, &Answer::refused(error, &self.shared.doors.metrics), None)
    }
}

/// The response to an answer; what the session holds is given back when its last piece is taken.
fn respond(media: Media, answer: &Answer, session: Option<Arc<Session>>) -> Response {
    let status = match answer.refused {
        Some(refused) if !(refused.of_document && media == Media::Json) => refused.status,
        _ => StatusCode::OK,
    };
    let pieces = unfold((Bytes::from(answer.json()), session), |(mut rest, session)| async move {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        (!piece.is_empty()).then_some((Ok::<_, std::convert::Infallible>(piece), (rest, session)))
    });
    let headers = [(CONTENT_TYPE, media.content_type()), (CACHE_CONTROL, "no-store"), (VARY, "Accept")];
    let mut response = (status, headers, Body::from_stream(pieces)).into_response();
    if let Some(seconds) = answer.refused.and_then(|refused| refused.retry_after) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}
