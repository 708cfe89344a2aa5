//! Lookups: async functions of a service that `lookup` steps call, and the HTTP GETs they make themselves.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper::{StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use riverrun_topology::operators::lookup::{Answered, Ask};

pub use riverrun_topology::operators::lookup::AskError;

/// Largest answer that is taken: it becomes a part of an event.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// How long a connection may take to be made; the step's own time-out counts besides.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes a function of the service out of a closure: text or JSON in, JSON out.
pub(crate) struct Function<F>(pub(crate) F);

impl<F, A> Ask for Function<F>
where
    F: Fn(Bytes) -> A + Send + Sync,
    A: Future<Output = Answered> + Send + 'static,
{
    fn ask(&self, request: Bytes) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
        Box::pin((self.0)(request))
    }
}

/// Asks HTTP servers by GET. Connections are kept and used again.
pub(crate) struct Get {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Get {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self { client: Client::builder(TokioExecutor::new()).build(connector) }
    }
}

impl Ask for Get {
    fn ask(&self, request: Bytes) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
        let client = self.client.clone();
        Box::pin(async move {
            let address = String::from_utf8_lossy(&request).into_owned();
            get(&client, &address).await.map_err(|error| placed(&address, error))
        })
    }
}

async fn get(client: &Client<HttpConnector, Empty<Bytes>>, address: &str) -> Answered {
    let uri: Uri = address.parse().map_err(|_| AskError::Refused("that is no address".to_owned()))?;
    if uri.scheme_str() != Some("http") {
        let message = "this build speaks plain HTTP only; put a TLS proxy's HTTP side here";
        return Err(AskError::Refused(message.to_owned()));
    }
    let response = client.get(uri).await.map_err(|error| AskError::Retry(error.to_string()))?;
    let status = response.status();
    let mut body = response.into_body();
    let mut answer = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| AskError::Retry(error.to_string()))?;
        if let Ok(data) = frame.into_data() {
            if answer.len() + data.len() > ANSWER_BYTES_MAX {
                return Err(AskError::Refused(format!("the answer has more than {ANSWER_BYTES_MAX} bytes")));
            }
            answer.extend_from_slice(&data);
        }
    }
    match status {
        // Nothing is known there, which is an answer.
        StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NO_CONTENT => Ok(Bytes::from_static(b"null")),
        status if status.is_success() => Ok(answer.freeze()),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(AskError::Retry(status.to_string())),
        status if status.is_server_error() => Err(AskError::Retry(status.to_string())),
        status => Err(AskError::Refused(status.to_string())),
    }
}

/// What went wrong, and where.
fn placed(address: &str, error: AskError) -> AskError {
    // What stands behind the question mark may hold keys and tokens.
    let address = address.split('?').next().unwrap_or_default();
    match error {
        AskError::Retry(message) => AskError::Retry(format!("GET {address}: {message}")),
        AskError::Refused(message) => AskError::Refused(format!("GET {address}: {message}")),
    }
}

/// Whoever makes HTTP requests for an app.
pub(crate) fn http() -> Arc<dyn Ask> {
    Arc::new(Get::new())
}
