//! Plain JSON: the body is the data and the sender knows nothing of CloudEvents.
//!
//! What the event lacks is filled in when it is accepted:
//! - `id`: the header `Idempotency-Key`, else the topic's `id:` expression, else a new unique id (then a repeated request is
//!   a new event).
//! - `source`: [`riverrun_accept::SOURCE_DEFAULT`]; `type`: the topic's name; `time`: the topic's `time:` expression, else none.
//! - `datacontenttype`: the header `Content-Type` as it was sent.

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;

use super::{DecodeError, Received};

/// Names the header that makes a plain request repeatable without effect.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Decodes a request with bare JSON data; the JSON itself is checked when the event is accepted.
///
/// # Errors
/// [`DecodeError`] when a header is at fault.
pub fn decode(headers: &HeaderMap, body: Bytes) -> Result<Received, DecodeError> {
    let mut received = Received { bare: true, ..Received::new() };
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    if let Some(key) = keys.next() {
        let invalid = || DecodeError::invalid("id", "the header Idempotency-Key must be a non-empty ASCII text");
        let text = key.to_str().map_err(|_| invalid())?;
        // Some clients send the quoted string of the header's draft standard, others the bare text: both mean the same id.
        let id = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        if id.is_empty() {
            return Err(invalid());
        }
        received.event.id = id.into();
    }
    if keys.next().is_some() {
        return Err(DecodeError::Repeated(IDEMPOTENCY_KEY.to_owned()));
    }
    received.event.content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(Into::into);
    received.event.data = Some(body);
    Ok(received)
}
