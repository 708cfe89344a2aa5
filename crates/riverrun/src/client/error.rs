//! What can go wrong between this process and a server.

use std::time::Duration;

use hyper::header::RETRY_AFTER;
use hyper::http::response;
use serde::Deserialize;

/// Why a request gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("the server's URL {url:?} cannot be used: {reason}")]
    Url {
        /// As given.
        url: String,
        /// Why.
        reason: &'static str,
    },
    /// The token cannot be put into a header.
    #[error("the token has characters an HTTP header cannot carry")]
    Token,
    /// No connection, or it broke. Whether the server did what was asked is unknown.
    #[error("the server at {url} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why.
        reason: String,
    },
    /// The server refused, and said why.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The answer is not one of Riverrun's.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer {
        /// The server.
        url: String,
        /// Why.
        reason: String,
    },
}

/// A refusal, as RFC 9457 describes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// Riverrun's code, with a page in docs/errors.
    pub code: Option<String>,
    /// What happened, and what was expected.
    pub detail: String,
    /// Which event of a batch is at fault, from 0.
    pub index: Option<usize>,
    /// When to try again.
    pub retry_after: Option<Duration>,
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

impl ClientError {
    /// Whether the same request may succeed later: the server is busy or away.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Problem(problem) => matches!(problem.status, 408 | 429 | 500..),
            _ => false,
        }
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
