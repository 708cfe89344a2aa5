//! GraphQL over a WebSocket, in the protocol `graphql-transport-ws`.
//!
//! A page of any origin can open a WebSocket to this machine, since browsers do not ask first; so the `Origin` that browsers
//! send must be this server's own or a configured host. Who calls is known from the request's `Authorization`, or from
//! `authorization` in the payload of `connection_init`, as browsers cannot set headers here.
//!
//! One task serves a connection. It reads events only when the socket has taken the ones before, so a slow client slows
//! itself alone, and one that takes nothing at all for a minute is let go.

mod connection;
mod message;

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};

use super::{Door, GraphqlError};
use crate::http::admission::SOCKETS_MAX;
use crate::http::caller::Caller;
use crate::http::problem::DoorError;
use crate::http::server;

/// The name of the protocol, as the handshake has it.
const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes read ahead, and gathered before they are written: a page's worth is not needed.
const BUFFER_BYTES: usize = 16 * 1024;
/// Longest message of a client: all sockets together may hold as much unfinished as the bodies of requests may.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Answers the handshake; `caller` is known where the request showed a token, or none is needed.
pub(super) fn upgrade(
    door: Arc<Door>,
    caller: Option<Caller>,
    held: Option<server::Connection>,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if let Err(origin) = door.shared.doors.access.check_origin(headers) {
        return DoorError::from(GraphqlError::Origin(origin)).into_response();
    }
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let message = format!("the WebSocket does not offer the protocol {PROTOCOL}");
        return DoorError::from(GraphqlError::Request(message)).into_response();
    }
    let Some(place) = door.shared.admission.socket() else {
        return DoorError::TooManyReaders(SOCKETS_MAX).into_response();
    };
    upgrade
        .max_message_size(MESSAGE_BYTES_MAX)
        .max_frame_size(MESSAGE_BYTES_MAX)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .on_upgrade(async move |socket| {
            connection::serve(socket, door, caller).await;
            drop((place, held));
        })
}
