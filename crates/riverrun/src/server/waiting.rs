//! What is served before the log is open, which may take long where it is on brokers that cannot be reached: that the process lives and
//! is not ready.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderName, RETRY_AFTER};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const NOT_READY: &str = "the log is being opened\n";
/// Seconds.
const AGAIN_AFTER: &str = "1";

/// Answers on a listener until it is dropped.
pub(super) struct Waiting(Option<JoinHandle<()>>);

impl Waiting {
    /// Answers for a listener that is served later. Where the system does not let it be shared, callers wait in its queue.
    pub(super) fn serve(listener: &TcpListener) -> Self {
        Self(shared(listener).ok().map(|listener| tokio::spawn(answer(listener))))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(answering) = &self.0 {
            answering.abort();
        }
    }
}

/// The same socket under a second handle.
#[cfg(unix)]
fn shared(listener: &TcpListener) -> std::io::Result<TcpListener> {
    use std::os::fd::AsFd as _;
    let handle = listener.as_fd().try_clone_to_owned()?;
    TcpListener::from_std(std::net::TcpListener::from(handle))
}

/// The same socket under a second handle.
#[cfg(not(unix))]
fn shared(_: &TcpListener) -> std::io::Result<TcpListener> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Each connection has one answer: the next request is for the server that comes.
const CLOSE: (HeaderName, &str) = (CONNECTION, "close");

async fn answer(listener: TcpListener) {
    let live = || async { ([CLOSE], "serving\n") };
    let not_ready = || async { (StatusCode::SERVICE_UNAVAILABLE, [CLOSE, (RETRY_AFTER, AGAIN_AFTER)], NOT_READY) };
    let routes = Router::new().route("/health/live", get(live)).fallback(not_ready);
    // It ends with the listener only.
    let _ended = axum::serve(listener, routes.into_make_service()).await;
}
