//! Every error of the doors, and the problem document (RFC 9457) that says it: what it is about and when to try again. What
//! each is called is in [`kind`]; each code has a page in docs/errors.

mod kind;

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use riverrun_accept::AcceptError;
use riverrun_event::{ContextError, Position};
use riverrun_log::{AppendError, ReadError};
use serde::Serialize;

use self::kind::Kind;
use super::access::AccessError;
use super::body::BodyError;
use super::cursor::QueryError;
use crate::cloudevents::batch::BatchError;
use crate::cloudevents::{self, DecodeError};
use crate::consumers::ConsumerError;
use crate::graphql::GraphqlError;

/// The media type of a problem document.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When to try again after a refusal that passes by itself soon: one second, the smallest the header can say.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// When to try again after the log stopped: it needs a restart.
const RETRY_AFTER_RESTART: Duration = Duration::from_secs(5);

/// Everything a request can fail with.
#[derive(Clone, Debug, thiserror::Error)]
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
    /// The request is refused by the GraphQL door.
    #[error(transparent)]
    Graphql(#[from] GraphqlError),
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

impl DoorError {
    /// The error's stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind().0
    }

    /// The document, as it is sent.
    pub(crate) fn document(&self) -> Vec<u8> {
        // Text and numbers only: it can always be written.
        serde_json::to_vec(&self.problem()).unwrap_or_default()
    }

    /// What the document says.
    pub(crate) fn problem(&self) -> Problem {
        let Kind(code, status, title) = self.kind();
        Problem {
            kind: format!("/errors/{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            code,
            index: self.index(),
            attribute: self.attribute(),
            position: self.position().map(ToString::to_string),
        }
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
                AcceptError::Context(ContextError::Missing(attribute) | ContextError::Attribute { attribute, .. })
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
            Self::Append(AppendError::Overloaded { retry_after } | AppendError::Unreachable { retry_after, .. }) => {
                Some(*retry_after)
            }
            Self::Body(BodyError::NoRoom)
            | Self::Graphql(GraphqlError::NoRoom)
            | Self::TooManyReaders(_)
            | Self::Consumer(ConsumerError::TooMany(_)) => Some(RETRY_SOON),
            Self::Stopped(_) => Some(RETRY_AFTER_RESTART),
            _ => None,
        }
    }

    /// The header counts whole seconds; rounded up, so that nobody comes too early.
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after().map(|after| (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1))
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(2);
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
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

#[derive(Serialize)]
pub(crate) struct Problem {
    /// Relative to the server: the same path under docs/ has the page.
    #[serde(rename = "type")]
    kind: String,
    pub(crate) title: &'static str,
    pub(crate) status: u16,
    detail: String,
    pub(crate) code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attribute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<String>,
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
