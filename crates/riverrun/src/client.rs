//! A client of a server over HTTP: one address, one token, JSON or streams of lines; and [`Consumer`], which reads with others.
//!
//! Plain HTTP/1.1 over TCP; connections are kept and used again. Answers that are no success become a [`Problem`], as
//! RFC 9457 has it. Nothing is retried here: only a caller knows whether a request may be sent twice.

mod batch;
mod consumer;
mod error;
mod lines;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client as PooledClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

pub use self::batch::Batch;
pub use self::consumer::{Committed, Consumer};
pub use self::error::{ClientError, Problem};
pub use self::lines::Lines;

/// NDJSON, the line format of every stream.
pub const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json";
/// How long to wait for a connection: a local server answers in well under a millisecond, a remote one within seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of one server.
#[derive(Clone, Debug)]
pub struct Client {
    http: PooledClient<HttpConnector, Full<Bytes>>,
    url: String,
    authorization: Option<HeaderValue>,
}

/// A request body with its media type.
#[derive(Clone, Debug)]
pub struct Content {
    /// The media type.
    pub content_type: &'static str,
    /// The bytes.
    pub body: Bytes,
}

impl Client {
    /// A client of the server at `url`, for example `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`ClientError::Url`] or [`ClientError::Token`] when one cannot be used.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/');
        if let Some((_, host)) = url.rsplit_once('@') {
            // What stands before may be a password, so it is not repeated.
            let reason = "a user and password are not used; the access token goes beside the address";
            return Err(ClientError::Url { url: format!("http://***@{host}"), reason });
        }
        let refused = |reason: &'static str| ClientError::Url { url: url.to_owned(), reason };
        let parsed: hyper::Uri = url.parse().map_err(|_| refused("it is no URL"))?;
        match parsed.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(refused("this build speaks plain HTTP only; put a TLS proxy's HTTP side here"));
            }
            _ => return Err(refused("it must begin with http://")),
        }
        if parsed.path() != "/" || parsed.query().is_some() {
            return Err(refused("it must end after the host and port"));
        }
        let authorization = token.map(bearer).transpose()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let http = PooledClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { http, url: url.to_owned(), authorization })
    }

    /// Where the server is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a Riverrun server answers there within `timeout`, be it with a refusal that has one of our codes.
    pub async fn is_live(&self, timeout: Duration) -> bool {
        match tokio::time::timeout(timeout, self.get("/health/live")).await {
            Ok(Err(ClientError::Problem(problem))) => problem.code.is_some(),
            answer => matches!(answer, Ok(Ok(_))),
        }
    }

    /// The whole answer to a GET.
    ///
    /// # Errors
    /// Every [`ClientError`] but those of construction.
    pub async fn get(&self, path: &str) -> Result<Bytes, ClientError> {
        self.whole(self.send(Method::GET, path, None, NDJSON).await?).await
    }

    /// The answer to a GET, as the JSON `T`.
    ///
    /// # Errors
    /// As [`Self::get`]; [`ClientError::Answer`] when it is not what was expected.
    pub async fn get_json<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parse(&self.whole(self.send(Method::GET, path, None, JSON).await?).await?)
    }

    /// The whole answer to a POST.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, path: &str, content: Content) -> Result<Bytes, ClientError> {
        self.whole(self.send(Method::POST, path, Some(content), NDJSON).await?).await
    }

    /// Removes what is at the path.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.whole(self.send(Method::DELETE, path, None, NDJSON).await?).await.map(drop)
    }

    /// The answer to a request as lines, while they come.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn lines(&self, path: &str, content: Option<Content>) -> Result<Lines, ClientError> {
        let method = if content.is_some() { Method::POST } else { Method::GET };
        let response = self.send(method, path, content, NDJSON).await?;
        Ok(Lines::new(self.url.clone(), response.into_body()))
    }

    /// Reads `T` from an answer.
    ///
    /// # Errors
    /// [`ClientError::Answer`] when it is not what was expected.
    pub fn parse<'a, T: serde::Deserialize<'a>>(&self, answer: &'a [u8]) -> Result<T, ClientError> {
        serde_json::from_slice(answer)
            .map_err(|error| ClientError::Answer { url: self.url.clone(), reason: error.to_string() })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: Option<Content>,
        accept: &'static str,
    ) -> Result<Response<Incoming>, ClientError> {
        let request = self.request(method, path, content, accept)?;
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| ClientError::Unreachable { url: self.url.clone(), reason: innermost(&error) })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Err(ClientError::Problem(Box::new(Problem::read(&head, &body))))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        content: Option<Content>,
        accept: &'static str,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut builder = Request::builder().method(method).uri(format!("{}{path}", self.url)).header(ACCEPT, accept);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let body = match content {
            Some(content) => {
                builder = builder.header(CONTENT_TYPE, content.content_type);
                Full::new(content.body)
            }
            None => Full::default(),
        };
        builder
            .body(body)
            .map_err(|_| ClientError::Url { url: path.to_owned(), reason: "it has characters no URL may have" })
    }

    async fn whole(&self, response: Response<Incoming>) -> Result<Bytes, ClientError> {
        match response.into_body().collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) => Err(ClientError::Unreachable { url: self.url.clone(), reason: innermost(&error) }),
        }
    }
}

fn bearer(token: &str) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The root cause; hyper's outer texts ("client error (Connect)") tell a user nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Percent-encodes one segment of a path or one value of a query.
#[must_use]
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

/// The guide's program is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/consumers.md")]
struct Guide;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        for good in ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:80"] {
            assert!(Client::new(good, None).is_ok(), "{good}");
        }
        for bad in ["127.0.0.1:8080", "https://a.b", "ftp://a", "http://a/b", "http://a?x", "", "http://a b"] {
            assert!(matches!(Client::new(bad, None), Err(ClientError::Url { .. })), "{bad}");
        }
        assert!(matches!(Client::new("http://a", Some("a\nb")), Err(ClientError::Token)));
    }

    #[test]
    fn segments_are_percent_encoded() {
        assert_eq!(encoded("_dead-letters.a/0@3"), "_dead-letters.a%2F0%403");
        assert_eq!(encoded("2013-01-01T00:00:00+02:00"), "2013-01-01T00%3A00%3A00%2B02%3A00");
    }
}
