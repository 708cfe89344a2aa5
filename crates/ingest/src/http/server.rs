//! Serving routes over TCP, with bounds that no caller can stretch: connections, header sizes, and the time that headers and
//! the taking of answers may need.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::{Error, Router};
use hyper::Request;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::connections::{Connections, Place, Serving};
use super::patient::Patient;
use super::routes::Guarded;

/// How long the headers of a request may take to arrive, waiting for a further request on the connection included.
const HEADER_TIME_MAX: Duration = Duration::from_secs(60);
/// How long the other end may take nothing of an answer: as long as a body may need to arrive.
const TAKE_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes a connection buffers; headers must fit. The largest attributes (32 KiB, up to threefold when percent-encoded) do.
const CONNECTION_BUFFER_BYTES: usize = 128 * 1024;
/// Headers of one request: every attribute allowed, and as many of HTTP's own.
const HEADERS_MAX: usize = 128;
/// Connections at once. For a further one, connections that have been idle longest are closed.
const CONNECTIONS_MAX: usize = 4_096;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `routes` on `listener` until `closing` becomes true; then takes no new connections, lets requests in hand finish
/// and ends. A caller that does not want to wait for slow ones drops the future.
pub async fn serve(listener: TcpListener, routes: Guarded, mut closing: watch::Receiver<bool>) {
    let router = routes.into_router();
    let connections = Connections::new(connections_max());
    loop {
        tokio::select! {
            (stream, place) = next(&listener, &connections) => connect(stream, router.clone(), place, closing.clone()),
            () = closed(&mut closing) => break,
        }
    }
    drop(listener);
    // Each connection knows of the closing, also one that was taken over, and gives its place back when it has ended.
    connections.ended().await;
}

/// At most half as many as the process may have files open: the log needs some too.
#[cfg(not(unix))]
fn connections_max() -> usize {
    CONNECTIONS_MAX
}

/// At most half as many as the process may have files open: the log needs some too.
#[cfg(unix)]
fn connections_max() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let half = files.map_or(usize::MAX, |files| usize::try_from(files / 2).unwrap_or(usize::MAX));
    CONNECTIONS_MAX.min(half)
}

/// The next connection and its place.
async fn next(listener: &TcpListener, connections: &Arc<Connections>) -> (TcpStream, Place) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, connections.place().await),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Resolves when the server is about to stop, or nobody is left who could say so.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    let _stopping = closing.wait_for(|closing| *closing).await;
}

/// A connection that is being served, in the extensions of its requests: whoever takes the connection over keeps its place with it.
#[derive(Clone)]
pub(crate) struct Connection {
    _place: Arc<Place>,
    _serving: Arc<Serving>,
}

fn connect(stream: TcpStream, router: Router, place: Place, mut closing: watch::Receiver<bool>) {
    // Answers are small and waited for; a delay to fill packets would only add latency.
    let _best_effort = stream.set_nodelay(true);
    let place = Arc::new(place);
    let served = Arc::clone(&place);
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let serving = Arc::new(served.serving());
        request.extensions_mut().insert(Connection { _place: Arc::clone(&served), _serving: Arc::clone(&serving) });
        let answer = routes.call(request);
        async move { answer.await.map(|response| response.map(|body| Answer { body, _serving: serving })) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, TAKE_TIME_MAX)), service)
        .with_upgrades();
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = closed(&mut closing) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = place.closing() => {
                tracing::debug!("an idle connection was closed to make room for another");
                return;
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended with an error");
        }
    });
}

/// An answer's body; while it is sent, its connection is not idle.
struct Answer {
    body: Body,
    _serving: Arc<Serving>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
