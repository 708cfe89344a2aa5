//! Serving routes over TCP, with bounds that no caller can stretch: connections, header sizes and the time headers take.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
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
const CONNECTIONS_MAX: usize = 4_096;
/// How long to wait when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `routes` on `listener` until `closing` becomes true; then takes no new connections, lets requests in hand finish
/// and ends. A caller that does not want to wait for slow ones drops the future.
pub async fn serve(listener: TcpListener, routes: Guarded, mut closing: watch::Receiver<bool>) {
    let router = routes.into_router();
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, router.clone(), &graceful, place),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            () = closed(&mut closing) => break,
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Resolves when the server is about to stop, or nobody is left who could say so.
async fn closed(closing: &mut watch::Receiver<bool>) {
    let _stopping = closing.wait_for(|closing| *closing).await;
}

fn connect(stream: TcpStream, router: Router, graceful: &GracefulShutdown, place: OwnedSemaphorePermit) {
    // Answers are small and waited for; a delay to fill packets would only add latency.
    let _best_effort = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended with an error");
        }
        drop(place);
    });
}
