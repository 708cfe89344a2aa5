//! What can go wrong between this process and a server, and how it is shown.

use std::time::Duration;

use hyper::header::RETRY_AFTER;
use hyper::http::response;
use serde::Deserialize;

use crate::failure::{Failure, Report};

/// Why a request gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The address cannot be used.
    #[error("the server's URL {url:?} cannot be used: {reason}")]
    Url { url: String, reason: &'static str },
    /// The token cannot be put into a header.
    #[error("the token has characters an HTTP header cannot carry")]
    Token,
    /// No connection, or it broke. Whether the server did what was asked is unknown.
    #[error("the server at {url} cannot be reached: {reason}")]
    Unreachable { url: String, reason: String },
    /// The server refused, and said why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The answer is not one of Riverrun's.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer { url: String, reason: String },
}

/// A refusal, as RFC 9457 describes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub(crate) struct Problem {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Riverrun's code, with a page in docs/errors.
    pub(crate) code: Option<String>,
    /// What happened, and what was expected.
    pub(crate) detail: String,
    /// Which event of a batch is at fault, from 0.
    pub(crate) index: Option<usize>,
    /// When to try again.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Deserialize)]
struct ProblemDocument {
    title: Option<String>,
    detail: Option<String>,
    code: Option<String>,
    index: Option<usize>,
}

impl Problem {
    /// Reads a problem document; whatever else came is quoted.
    pub(super) fn read(head: &response::Parts, body: &[u8]) -> Self {
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let document = serde_json::from_slice::<ProblemDocument>(body).ok();
        let (code, index, detail) = match document {
            Some(document) => (document.code, document.index, document.detail.or(document.title)),
            None => (None, None, None),
        };
        let detail = detail.unwrap_or_else(|| {
            let quoted: String = String::from_utf8_lossy(body).chars().take(200).collect();
            format!("the server answered {}: {}", head.status, quoted.trim()).trim_end_matches([' ', ':']).to_owned()
        });
        Self { status: head.status.as_u16(), code, detail, index, retry_after: retry_after.map(Duration::from_secs) }
    }
}

impl From<ClientError> for Report {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        match error {
            ClientError::Url { .. } => Self::new("RR0402", message).hint("write it like http://127.0.0.1:8080").usage(),
            ClientError::Token => Self::new("RR0402", message).hint("check --token or RIVERRUN_TOKEN").usage(),
            ClientError::Unreachable { .. } => Self::new("RR0403", message)
                .hint("is it running? `riverrun run` starts it; --url or RIVERRUN_URL names another one"),
            ClientError::Answer { .. } => {
                Self::new("RR0404", message).hint("is that a Riverrun server, and of the same version as this command?")
            }
            ClientError::Problem(problem) => problem.into_report(),
        }
    }
}

impl Problem {
    fn into_report(self) -> Report {
        let report = match self.code {
            Some(code) => Report::new(code, self.detail),
            None => Report::without_code(self.detail),
        };
        match self.status {
            401 => report.hint("give an access token with --token or RIVERRUN_TOKEN"),
            _ => report,
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Report::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, code: Option<&str>, detail: &str) {
        let response = hyper::Response::builder().status(status).header("Retry-After", "2").body(()).unwrap();
        let problem = Problem::read(&response.into_parts().0, body.as_bytes());
        let retry_after = Some(Duration::from_secs(2));
        assert_eq!(
            problem,
            Problem { status, code: code.map(Into::into), detail: detail.into(), index: None, retry_after }
        );
    }

    #[test]
    fn problem_documents_are_read_and_anything_else_is_quoted() {
        check(404, r#"{"title":"t","detail":"no such topic","code":"RR0142"}"#, Some("RR0142"), "no such topic");
        check(400, r#"{"title":"bad"}"#, None, "bad");
        check(502, "<html>", None, "the server answered 502 Bad Gateway: <html>");
        check(503, "", None, "the server answered 503 Service Unavailable");
    }
}
