//! The messages of `graphql-transport-ws`, and the ways a connection ends.

use axum::extract::ws::{CloseFrame, Message};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::graphql::request::Asked;

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Incoming {
    /// The first message; its payload may say who calls.
    ConnectionInit {
        #[serde(default)]
        payload: Option<Map<String, Value>>,
    },
    /// Asks for a sign of life.
    Ping {},
    /// Gives one.
    Pong {},
    /// Starts an operation.
    Subscribe { id: String, payload: Asked },
    /// Ends an operation.
    Complete { id: String },
}

/// A connection ends: close code and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End(pub(super) u16, pub(super) String);

impl End {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }

    /// The server stops.
    pub(super) fn going_away() -> Self {
        Self::new(1001, "the server stops; connect again")
    }

    /// Nothing can be sent any more, so nothing is said.
    pub(super) fn silent() -> Self {
        Self::new(0, "")
    }

    pub(super) fn frame(self) -> Option<Message> {
        let Self(code, reason) = self;
        // A close frame holds 125 bytes, two of them the code.
        let reason: String = reason.chars().take(60).collect();
        (code != 0).then(|| Message::Close(Some(CloseFrame { code, reason: reason.into() })))
    }
}

/// `{"type":kind}`, with the operation's id and a payload that is JSON already.
pub(super) fn text(kind: &str, id: Option<&str>, payload: Option<&[u8]>) -> Message {
    let mut text = format!(r#"{{"type":"{kind}""#).into_bytes();
    if let Some(id) = id {
        text.extend_from_slice(b",\"id\":");
        crate::cloudevents::encode::string(id, &mut text);
    }
    if let Some(payload) = payload {
        text.extend_from_slice(b",\"payload\":");
        text.extend_from_slice(payload);
    }
    text.push(b'}');
    // Written from text only.
    Message::Text(String::from_utf8(text).unwrap_or_default().into())
}
