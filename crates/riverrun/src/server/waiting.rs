//! What is served before the pipelines run, which may take long where the log is on brokers that cannot be reached or refuse something: that
//! the process lives and is not ready, and why.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, HeaderName, RETRY_AFTER};
use axum::routing::get;
use riverrun_log::{Health, Log};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Seconds.
const AGAIN_AFTER: &str = "1";

/// Answers on a listener until it is dropped.
pub(super) struct Waiting {
    answering: Option<JoinHandle<()>>,
    log: Opened,
}

/// The log, once it is open.
type Opened = Arc<OnceLock<Arc<dyn Log>>>;

impl Waiting {
    /// Answers for a listener that is served later. Where the system does not let it be shared, callers wait in its queue.
    pub(super) fn serve(listener: &TcpListener) -> Self {
        let log = Opened::default();
        let answering = shared(listener).ok().map(|listener| tokio::spawn(answer(listener, Arc::clone(&log))));
        Self { answering, log }
    }

    /// From now on the log says what is waited for.
    pub(super) fn opened(&self, log: Arc<dyn Log>) {
        // It is opened once.
        let _first = self.log.set(log);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(answering) = &self.answering {
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

async fn answer(listener: TcpListener, log: Opened) {
    let live = || async { ([CLOSE], "serving\n") };
    let not_ready =
        move || async move { (StatusCode::SERVICE_UNAVAILABLE, [CLOSE, (RETRY_AFTER, AGAIN_AFTER)], waited_for(&log)) };
    let routes = Router::new().route("/health/live", get(live)).fallback(not_ready);
    // It ends with the listener only.
    let _ended = axum::serve(listener, routes.into_make_service()).await;
}

fn waited_for(log: &Opened) -> String {
    match log.get().map(|log| log.health()) {
        None => "the log is being opened\n".to_owned(),
        Some(Health::Serving) => "the pipelines are being started\n".to_owned(),
        Some(Health::Unreachable { reason } | Health::Stopped { reason }) => {
            format!("the log cannot be reached: {reason}\n")
        }
    }
}
