//! Every error of the HTTP doors as a problem document (RFC 9457), in one place: code, status, title and what the document says.
//!
//! Each code has a page in docs/errors; a code never changes its meaning.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use riverrun_event::Position;
use riverrun_log::{AppendError, ReadError};
use serde::Serialize;

use super::access::AccessError;
use super::body::BodyError;
use super::cursor::QueryError;
use crate::accept::AcceptError;
use crate::cloudevents::batch::BatchError;
use crate::cloudevents::{self, DecodeError};
use crate::consumers::ConsumerError;
use crate::json::JsonError;

/// Media type of a problem document.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When to try again after a refusal that passes by itself soon: one second, the smallest the header can say.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// When to try again after the log stopped: it needs a restart.
const RETRY_AFTER_RESTART: Duration = Duration::from_secs(5);

/// Everything a request can fail with.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The caller may not call.
    #[error("{}{}", in_batch(*index), error)]
    Access {
        /// Which event of a batch.
        index: Option<usize>,
        /// Why.
        error: AccessError,
    },
    /// A route gave an answer without having asked what the caller may do; a defect of Riverrun's.
    #[error("{0} did not ask whether you may have its answer, so it is not given out")]
    NotAsked(String),
    /// The path is no route.
    #[error("there is nothing at {0}")]
    NotFound(String),
    /// The route has other methods.
    #[error("{0} has no such method")]
    Method(String),
    /// The body's media type is none a door reads.
    #[error("{0}")]
    MediaType(String),
    /// The body could not be received.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is no event, or no batch.
    #[error("{}{}", in_batch(*index), error)]
    Decode {
        /// Which event of a batch.
        index: Option<usize>,
        /// Why.
        error: DecodeError,
    },
    /// An event was not accepted.
    #[error("{}{}", in_batch(*index), error)]
    Accept {
        /// Which event of a batch.
        index: Option<usize>,
        /// Why.
        error: AcceptError,
    },
    /// The log did not store the events.
    #[error("{}", append_detail(.0))]
    Append(#[from] AppendError),
    /// The log takes no writes; nothing was tried.
    #[error("the log has stopped and takes nothing until the server is restarted; nothing was stored: {0}")]
    Stopped(String),
    /// A parameter of a read is wrong.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A consumer could not be read, committed or changed.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// The body of a request that carries no events is not what the route expects.
    #[error("the request is not as expected: {error}; send for example {example}")]
    Request {
        /// What is wrong.
        error: String,
        /// What would be right.
        example: &'static str,
    },
    /// It is not sent as JSON, as any page in a browser could send it.
    #[error("send the request with `Content-Type: application/json`")]
    NotJson,
    /// As many readers as the server serves are connected.
    #[error("{0} readers are connected already; try again later")]
    TooManyReaders(usize),
}

fn in_batch(index: Option<usize>) -> String {
    index.map(|index| format!("event {index} of the batch: ")).unwrap_or_default()
}

fn append_detail(error: &AppendError) -> String {
    match error {
        AppendError::Failed(reason) => format!(
            "whether the events were stored is unknown: {reason}. Send them again with the same ids once the server is back: \
             those that were stored are recognised"
        ),
        stated => stated.to_string(),
    }
}

impl From<AccessError> for DoorError {
    fn from(error: AccessError) -> Self {
        Self::Access { index: None, error }
    }
}

impl From<BatchError> for DoorError {
    fn from(BatchError { index, error }: BatchError) -> Self {
        Self::Decode { index, error }
    }
}

/// What an error is called, and how it is answered.
struct Kind(&'static str, StatusCode, &'static str);

impl DoorError {
    fn kind(&self) -> Kind {
        use StatusCode as S;
        match self {
            Self::Access { error, .. } => access_kind(error),
            Self::NotAsked(_) => Kind("RR0198", S::INTERNAL_SERVER_ERROR, "The route did not ask who may use it"),
            Self::NotFound(_) => Kind("RR0103", S::NOT_FOUND, "No such route"),
            Self::Method(_) => Kind("RR0104", S::METHOD_NOT_ALLOWED, "No such method on this route"),
            Self::MediaType(_) => Kind("RR0113", S::UNSUPPORTED_MEDIA_TYPE, "The media type is not one of events"),
            Self::Body(error) => body_kind(error),
            Self::Decode { error, .. } => decode_kind(error),
            Self::Accept { error, .. } => accept_kind(error),
            Self::Append(error) => append_kind(error),
            Self::Stopped(_) => Kind("RR0152", S::SERVICE_UNAVAILABLE, "The log has stopped"),
            Self::Query(_) => Kind("RR0160", S::BAD_REQUEST, "A parameter of the read is wrong"),
            Self::Read(error) => read_kind(error),
            Self::Consumer(error) => consumer_kind(error),
            Self::Request { .. } => Kind("RR0193", S::BAD_REQUEST, "The request is not as expected"),
            Self::NotJson => Kind("RR0194", S::UNSUPPORTED_MEDIA_TYPE, "The request is not sent as JSON"),
            Self::TooManyReaders(_) => Kind("RR0164", S::TOO_MANY_REQUESTS, "Too many readers"),
        }
    }

    /// The error's stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind().0
    }

    /// The document, as it is sent.
    pub(crate) fn document(&self) -> Vec<u8> {
        let Kind(code, status, title) = self.kind();
        let problem = Problem {
            kind: format!("/errors/{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            index: self.index(),
            attribute: self.attribute(),
            position: self.position().map(ToString::to_string),
        };
        // Text and numbers only: it can always be written.
        serde_json::to_vec(&problem).unwrap_or_default()
    }

    /// Which event of a batch is at fault.
    fn index(&self) -> Option<usize> {
        match self {
            Self::Access { index, .. } | Self::Decode { index, .. } | Self::Accept { index, .. } => *index,
            Self::Append(AppendError::Conflict { index, .. }) => Some(*index),
            _ => None,
        }
    }

    /// The attribute at fault.
    fn attribute(&self) -> Option<String> {
        match self {
            Self::Decode { error: DecodeError::NoSpecVersion, .. } => Some("specversion".to_owned()),
            Self::Decode {
                error: DecodeError::Attribute { attribute, .. } | DecodeError::Repeated(attribute), ..
            } => Some(attribute.clone()),
            Self::Accept { error, .. } => match error {
                AcceptError::Missing(attribute)
                | AcceptError::Attribute { attribute, .. }
                | AcceptError::Expression { attribute, .. } => Some((*attribute).to_owned()),
                AcceptError::TimeAhead { .. } => Some("time".to_owned()),
                AcceptError::Data(_) => Some("data".to_owned()),
                _ => None,
            },
            _ => None,
        }
    }

    /// The position the error is about: of the stored event, of the first kept record, of the damage.
    fn position(&self) -> Option<&Position> {
        match self {
            Self::Append(AppendError::Conflict { existing, .. }) => Some(existing),
            Self::Read(ReadError::BelowStart { start, .. })
            | Self::Consumer(ConsumerError::Removed { error: ReadError::BelowStart { start, .. }, .. }) => Some(start),
            Self::Read(ReadError::Damaged { position, .. }) => Some(position),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Append(AppendError::Overloaded { retry_after }) => Some(*retry_after),
            Self::Body(BodyError::NoRoom) | Self::TooManyReaders(_) | Self::Consumer(ConsumerError::TooMany(_)) => {
                Some(RETRY_SOON)
            }
            Self::Stopped(_) => Some(RETRY_AFTER_RESTART),
            _ => None,
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(after) = self.retry_after() {
            // The header counts whole seconds; rounded up, so that nobody comes too early.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        match self {
            Self::Access { error: AccessError::Token, .. } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::MediaType(_) => {
                headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
            }
            Self::Body(BodyError::Coding(_)) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate"));
            }
            _ => {}
        }
        headers
    }
}

/// The media types a write door names when it refuses one.
const ACCEPTED: &str = "application/cloudevents+json, application/cloudevents-batch+json, application/json";

fn access_kind(error: &AccessError) -> Kind {
    use StatusCode as S;
    match error {
        AccessError::Token => Kind("RR0101", S::UNAUTHORIZED, "A valid token is needed"),
        AccessError::Host(_) => Kind("RR0102", S::FORBIDDEN, "This server is not known by that name"),
        AccessError::Verb { .. } => Kind("RR0196", S::FORBIDDEN, "The token has not the verb"),
        AccessError::Topic { .. } => Kind("RR0197", S::FORBIDDEN, "The token does not hold for the topic"),
    }
}

fn body_kind(error: &BodyError) -> Kind {
    use StatusCode as S;
    match error {
        BodyError::TooLarge { .. } => Kind("RR0110", S::PAYLOAD_TOO_LARGE, "The body is too large"),
        BodyError::Slow { .. } => Kind("RR0111", S::REQUEST_TIMEOUT, "The body came too slowly"),
        BodyError::Broken(_) => Kind("RR0112", S::BAD_REQUEST, "The body broke off"),
        BodyError::Coding(_) => Kind("RR0114", S::UNSUPPORTED_MEDIA_TYPE, "The content encoding is not supported"),
        BodyError::Compressed(_) => Kind("RR0115", S::BAD_REQUEST, "The compressed body is damaged"),
        BodyError::NoRoom => Kind("RR0116", S::TOO_MANY_REQUESTS, "Too many bodies at once"),
    }
}

fn json_kind(error: &JsonError) -> Kind {
    match error {
        JsonError::Syntax { .. } => Kind("RR0120", StatusCode::BAD_REQUEST, "No valid JSON"),
        JsonError::Utf8 { .. } => Kind("RR0121", StatusCode::BAD_REQUEST, "No valid UTF-8"),
        JsonError::TooDeep { .. } => Kind("RR0122", StatusCode::BAD_REQUEST, "JSON nested too deeply"),
    }
}

fn decode_kind(error: &DecodeError) -> Kind {
    use StatusCode as S;
    match error {
        DecodeError::Json(error) => json_kind(error),
        DecodeError::TooMany(_) => Kind("RR0123", S::PAYLOAD_TOO_LARGE, "Too many events in one batch"),
        DecodeError::Repeated(_) => Kind("RR0124", S::BAD_REQUEST, "An attribute is stated twice"),
        DecodeError::NoSpecVersion => MISSING,
        DecodeError::Attribute { .. } => INVALID,
        DecodeError::Extension(_) => Kind("RR0132", S::BAD_REQUEST, "An extension attribute breaks a rule"),
    }
}

const MISSING: Kind = Kind("RR0130", StatusCode::BAD_REQUEST, "A required attribute is missing");
const INVALID: Kind = Kind("RR0131", StatusCode::BAD_REQUEST, "An attribute has a value it cannot have");

fn accept_kind(error: &AcceptError) -> Kind {
    use StatusCode as S;
    match error {
        AcceptError::UnknownTopic { .. } => Kind("RR0140", S::NOT_FOUND, "No such topic"),
        AcceptError::NoRoute { .. } => Kind("RR0141", S::NOT_FOUND, "No topic for events of this type"),
        AcceptError::InternalTopic(_) => Kind("RR0143", S::FORBIDDEN, "The topic is Riverrun's own"),
        AcceptError::Missing(_) => MISSING,
        AcceptError::Attribute { .. } => INVALID,
        AcceptError::TimeAhead { .. } => Kind("RR0133", S::BAD_REQUEST, "The event is from the future"),
        AcceptError::Expression { .. } => {
            Kind("RR0134", S::BAD_REQUEST, "The topic's expression does not fit the event")
        }
        AcceptError::Data(error) => json_kind(error),
    }
}

fn append_kind(error: &AppendError) -> Kind {
    use StatusCode as S;
    match error {
        AppendError::Conflict { .. } => Kind("RR0142", S::CONFLICT, "The id was used for another event"),
        AppendError::Overloaded { .. } => Kind("RR0150", S::TOO_MANY_REQUESTS, "The log is busy"),
        AppendError::UnknownTopic { .. } => Kind("RR0140", S::NOT_FOUND, "No such topic"),
        AppendError::Failed(_) => Kind("RR0151", S::INTERNAL_SERVER_ERROR, "Whether the events were stored is unknown"),
    }
}

fn read_kind(error: &ReadError) -> Kind {
    use StatusCode as S;
    match error {
        ReadError::UnknownTopic(_) => Kind("RR0140", S::NOT_FOUND, "No such topic"),
        ReadError::UnknownPartition(_) => Kind("RR0160", S::BAD_REQUEST, "A parameter of the read is wrong"),
        ReadError::BelowStart { .. } => Kind("RR0161", S::GONE, "Retention has removed these records"),
        ReadError::Damaged { .. } => Kind("RR0162", S::INTERNAL_SERVER_ERROR, "The log is damaged"),
        ReadError::Failed(_) => Kind("RR0163", S::INTERNAL_SERVER_ERROR, "The log cannot be read"),
    }
}

fn consumer_kind(error: &ConsumerError) -> Kind {
    use StatusCode as S;
    match error {
        ConsumerError::Lost(_) => Kind("RR0187", S::CONFLICT, "The reader no longer owns the partition"),
        ConsumerError::Cursor(_) | ConsumerError::NotHandedOut(_) => {
            Kind("RR0188", S::BAD_REQUEST, "The cursor was not handed out")
        }
        ConsumerError::Removed { .. } => Kind("RR0189", S::GONE, "Retention has removed what the consumer was to read"),
        ConsumerError::Unknown(_) => Kind("RR0190", S::NOT_FOUND, "No such consumer"),
        ConsumerError::TooMany(_) => Kind("RR0191", S::TOO_MANY_REQUESTS, "Too many consumers, readers or topics"),
        ConsumerError::Read(error) => read_kind(error),
        ConsumerError::Log(_) => Kind("RR0192", S::INTERNAL_SERVER_ERROR, "The consumer's change is not confirmed"),
    }
}

#[derive(Serialize)]
struct Problem {
    /// Relative to the server: the same path under docs/ has the page.
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<String>,
}

/// Lies in the extensions of every problem response, for the metrics.
#[derive(Clone, Copy, Debug)]
pub struct ProblemCode(pub &'static str);

/// The answer to a request to a route beside the doors that failed for a reason of its own.
pub fn problem_response(code: &'static str, status: StatusCode, title: &'static str, detail: String) -> Response {
    let kind = format!("/errors/{code}");
    let problem =
        Problem { kind, title, status: status.as_u16(), detail, code, index: None, attribute: None, position: None };
    // Text and numbers only: it can always be written.
    let document = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = (status, [(CONTENT_TYPE, PROBLEM_JSON)], Body::from(document)).into_response();
    response.extensions_mut().insert(ProblemCode(code));
    response
}

impl IntoResponse for DoorError {
    fn into_response(self) -> Response {
        let Kind(code, status, _) = self.kind();
        if status.is_server_error() {
            tracing::error!(code, error = %self, "request failed");
        }
        let mut response = (status, self.headers(), Body::from(self.document())).into_response();
        response.extensions_mut().insert(ProblemCode(code));
        response
    }
}

/// Answers a request for a path that is no route; for the fallback of the whole server.
pub async fn not_found(uri: Uri) -> Response {
    DoorError::NotFound(shown(&uri)).into_response()
}

/// Answers a request with a method its route does not have.
pub async fn method_not_allowed(uri: Uri) -> Response {
    DoorError::Method(shown(&uri)).into_response()
}

/// The path, cut: a caller chose it.
fn shown(uri: &Uri) -> String {
    uri.path().chars().take(200).collect()
}

/// The refusal of a media type.
pub(crate) fn media_type(found: Option<&str>) -> DoorError {
    let found = found.map_or("no Content-Type".to_owned(), |found| format!("Content-Type {found:?}"));
    DoorError::MediaType(format!(
        "{found} is no form events are sent in; send {}, {}, application/json, or any type with ce- headers, in UTF-8",
        cloudevents::STRUCTURED,
        cloudevents::BATCH,
    ))
}
