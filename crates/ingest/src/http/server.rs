//! Serving routes over TCP, with bounds that no caller can stretch: connections, header sizes and the time headers take.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::routes::Guarded;

/// How long the headers of a request may take to arrive, waiting for a further request on the connection included.
const HEADER_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes a connection buffers; headers must fit. The largest attributes (32 KiB, up to threefold when percent-encoded) do.
const CONNECTION_BUFFER_BYTES: usize = 128 * 1024;
/// Headers of one request: every attribute allowed, and as many of HTTP's own.
const HEADERS_MAX: usize = 128;
/// Connections at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: u32 = 4_096;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `routes` on `listener` until `closing` becomes true; then takes no new connections, lets requests in hand finish
/// and ends. A caller that does not want to wait for slow ones drops the future.
pub async fn serve(listener: TcpListener, routes: Guarded, mut closing: watch::Receiver<bool>) {
    let router = routes.into_router();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX as usize));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, router.clone(), place, closing.clone()),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = closed(&mut closing) => break,
        }
    }
    drop(listener);
    // Each connection knows of the closing, also one that was taken over, and gives its place back when it has ended.
    let _all_places = places.acquire_many(CONNECTIONS_MAX).await;
}

/// Resolves when the server is about to stop, or nobody is left who could say so.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    let _stopping = closing.wait_for(|closing| *closing).await;
}

/// A connection's place, in the extensions of its requests: whoever takes the connection over keeps it.
#[derive(Clone)]
pub(crate) struct Connection {
    _place: Arc<OwnedSemaphorePermit>,
}

fn connect(stream: TcpStream, router: Router, place: OwnedSemaphorePermit, mut closing: watch::Receiver<bool>) {
    // Answers are small and waited for; a delay to fill packets would only add latency.
    let _best_effort = stream.set_nodelay(true);
    let place = Connection { _place: Arc::new(place) };
    let kept = place.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(kept.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = closed(&mut closing) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended with an error");
        }
        drop(place);
    });
}
