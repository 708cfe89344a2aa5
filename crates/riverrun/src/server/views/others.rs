//! Asks other instances of the app for what they have of an answer.
//!
//! The question goes on as it came, path, query and credentials, so that an instance refuses whom it would refuse itself. A header says for
//! which tasks an answer is wanted; whoever is asked so answers for these tasks, all of them, or not at all, and asks nobody else.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use riverrun_log::TaskId;
use serde::{Deserialize, Serialize};

use super::super::problem::RouteError;
use super::wire::{Answer, Page};

/// The header with a [`Part`].
pub(super) const PART: &str = "riverrun-part";
/// How long a connection may take to be made; patience counts besides.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A change with its row; far more than the largest event.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Which part of an answer is wanted.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Part {
    pub(super) tasks: Vec<u32>,
    /// What is left of the patience.
    pub(super) wait_ms: u64,
    /// Behind which row, where that is another than the question says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// Whether the changes from now on are wanted instead of the rows.
    #[serde(default)]
    pub(super) changes: bool,
}

impl Part {
    pub(super) fn new(tasks: &[TaskId], patience: Duration) -> Self {
        let wait_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        Self { tasks: tasks.iter().map(|task| task.0).collect(), wait_ms, after: None, changes: false }
    }

    pub(super) fn tasks(&self) -> Vec<TaskId> {
        self.tasks.iter().copied().map(TaskId).collect()
    }
}

/// A question as it came.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) path: String,
    pub(super) authorization: Option<HeaderValue>,
}

/// The other instances. Connections are kept and used again.
pub(in super::super) struct Others {
    http: Client<HttpConnector, Empty<Bytes>>,
}

impl Others {
    pub(in super::super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self { http: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// The rows that an instance has.
    pub(super) async fn rows(&self, address: &str, way: &Way, part: &Part) -> Result<Answer, RouteError> {
        let response = self.ask(address, way, part).await?;
        let body = response.into_body().collect().await.map_err(|error| failed(address, &error))?.to_bytes();
        let page: Page = serde_json::from_slice(&body).map_err(|error| failed(address, &error))?;
        page.into_answer().map_err(|error| failed(address, &error))
    }

    /// The rows that change at an instance from now on.
    pub(super) async fn changes(&self, address: &str, way: &Way, part: &Part) -> Result<Lines, RouteError> {
        let body = self.ask(address, way, part).await?.into_body();
        Ok(Lines { address: address.to_owned(), body, held: BytesMut::new() })
    }

    async fn ask(&self, address: &str, way: &Way, part: &Part) -> Result<Response<Incoming>, RouteError> {
        let part = serde_json::to_string(part).map_err(|error| failed(address, &error))?;
        let mut request = Request::get(format!("{address}{}", way.path)).header(PART, part);
        if let Some(authorization) = &way.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|error| failed(address, &error))?;
        let response = self.http.request(request).await.map_err(|error| failed(address, &error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(address, response).await) }
    }
}

/// What an instance says about the question is passed on; what it says about itself may pass.
async fn refusal(address: &str, response: Response<Incoming>) -> RouteError {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let status = response.status();
    let body = match response.into_body().collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => return failed(address, &error),
    };
    // One that does not know the view yet, or not any more, will be replaced by one that does.
    if status.is_client_error() && status != StatusCode::NOT_FOUND {
        return RouteError::Refused(status, body);
    }
    let detail = serde_json::from_slice::<Problem>(&body).map(|problem| problem.detail);
    let reason = detail.unwrap_or_else(|_| format!("it answers {status}"));
    RouteError::Instance { address: address.to_owned(), reason }
}

/// The root cause; outer texts ("client error (Connect)") tell nothing.
fn failed(address: &str, error: &dyn std::error::Error) -> RouteError {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    RouteError::Instance { address: address.to_owned(), reason: cause.to_string() }
}

/// The changes of an instance, a line each.
pub(super) struct Lines {
    address: String,
    body: Incoming,
    held: BytesMut,
}

impl Lines {
    /// The next line without its end. That there will be none is an error: an instance does not end this by itself. Safe to drop while
    /// it waits.
    pub(super) async fn next(&mut self) -> Result<Bytes, RouteError> {
        let ended = |reason: &str| RouteError::Instance { address: self.address.clone(), reason: reason.to_owned() };
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(end + 1).freeze();
                return Ok(line.slice(..end));
            }
            if self.held.len() > LINE_BYTES_MAX {
                return Err(ended("it sends a line without an end"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.held.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(failed(&self.address, &error)),
                None => return Err(ended("it has ended what it sent")),
            }
        }
    }
}
