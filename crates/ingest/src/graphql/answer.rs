//! Answers as they are sent: errors get the code, status and place that the same error has at the HTTP door.
//!
//! Every root field may be null, so `data` is null only where a request was refused before it ran (or a subscription could
//! not go on). Such an answer has no `data` at all.

use std::sync::Arc;

use async_graphql::{Response, ServerError, Value};
use axum::http::StatusCode;
use serde::Serialize;

use super::GraphqlError;
use crate::http::problem::DoorError;
use crate::metrics::{CodeLabels, Metrics};

/// An answer, ready to be sent.
pub(super) struct Answer {
    /// Whether the request was refused as a whole.
    pub(super) refused: Option<Refused>,
    response: Response,
}

/// How a whole request was refused.
#[derive(Clone, Copy)]
pub(super) struct Refused {
    /// The status the error has at every door.
    pub(super) status: StatusCode,
    /// Whether the fault is the document's.
    pub(super) of_document: bool,
    /// When to try again, in seconds.
    pub(super) retry_after: Option<u64>,
}

/// The errors alone.
#[derive(Serialize)]
struct Errors<'a> {
    errors: &'a [ServerError],
}

/// An error as the first and only one of an answer.
pub(super) fn refusal(error: impl Into<DoorError>) -> ServerError {
    let error = error.into();
    let mut server_error = ServerError::new(error.to_string(), None);
    server_error.source = Some(Arc::new(error));
    server_error
}

impl Answer {
    /// Completes what was executed, and counts its errors.
    pub(super) fn new(mut response: Response, metrics: &Metrics) -> Self {
        let mut first = None;
        for error in &mut response.errors {
            let refused = complete(error, metrics);
            first.get_or_insert(refused);
        }
        let refused = first.filter(|_| response.data == Value::Null);
        Self { refused, response }
    }

    /// A request that was refused before it ran.
    pub(super) fn refused(error: ServerError, metrics: &Metrics) -> Self {
        Self::new(Response::from_errors(vec![error]), metrics)
    }

    /// The answer's JSON.
    pub(super) fn json(&self) -> Vec<u8> {
        let written = match self.refused {
            Some(_) => serde_json::to_vec(&Errors { errors: &self.response.errors }),
            None => serde_json::to_vec(&self.response),
        };
        // Text, numbers and lists only: it can always be written.
        written.unwrap_or_default()
    }

    /// The JSON of its errors, as a list.
    pub(super) fn errors_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.response.errors).unwrap_or_default()
    }
}

/// Gives an error its `extensions`.
fn complete(error: &mut ServerError, metrics: &Metrics) -> Refused {
    let unnamed = GraphqlError::Document(error.message.clone()).into();
    let source = error.source.clone();
    let source = source.as_ref().and_then(|source| source.downcast_ref::<DoorError>());
    let door_error = source.unwrap_or(&unnamed);
    let problem = door_error.problem();
    metrics.refused.get_or_create(&CodeLabels { code: problem.code }).inc();
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() {
        tracing::error!(code = problem.code, error = %door_error, "request failed");
    }
    let retry_after = door_error.retry_after_seconds();
    let extensions = error.extensions.get_or_insert_default();
    extensions.set("code", problem.code);
    extensions.set("title", problem.title);
    extensions.set("status", problem.status);
    if let Some(index) = problem.index {
        extensions.set("index", index);
    }
    for (name, value) in [("attribute", problem.attribute), ("position", problem.position)] {
        if let Some(value) = value {
            extensions.set(name, value);
        }
    }
    if let Some(seconds) = retry_after {
        extensions.set("retryAfter", seconds);
    }
    let of_document = matches!(door_error, DoorError::Graphql(error) if error.is_of_document());
    Refused { status, of_document, retry_after }
}
