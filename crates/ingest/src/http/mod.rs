//! The HTTP door: the routes, and what they share.
//!
//! One file for each direction ([`mod@write`], [`mod@read`]); every error becomes a problem document in one place ([`problem`]), and
//! who may call at all is decided in one place ([`access`]).

pub mod access;
pub mod admission;
mod body;
mod cursor;
mod pages;
pub mod problem;
mod read;
mod server;
mod stream;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use riverrun_event::limits::Limits;
use riverrun_log::Log;
use tokio::sync::watch;

pub use self::access::guard;
pub use self::server::serve;
use crate::accept::Acceptor;
use crate::metrics::Metrics;
use access::Access;
use admission::Admission;

/// What the doors stand on.
#[derive(Clone)]
pub struct Doors {
    /// Where events go and come from.
    pub log: Arc<dyn Log>,
    /// Turns what is received into records.
    pub acceptor: Arc<Acceptor>,
    /// Sizes.
    pub limits: Limits,
    /// What is measured.
    pub metrics: Metrics,
    /// Who may call.
    pub access: Arc<Access>,
    /// Becomes true when the server is about to stop: readers that follow are let go then.
    pub closing: watch::Receiver<bool>,
}

/// What the handlers share.
struct Shared {
    doors: Doors,
    admission: Admission,
}

/// The routes `POST /topics/{topic}/events`, `POST /events` and `GET /topics/{topic}/events`, guarded by the doors' access
/// rules and measured. Other routes can be merged; [`guard`] puts the same rules before them.
pub fn router(doors: Doors) -> Router {
    let (access, metrics) = (Arc::clone(&doors.access), doors.metrics.clone());
    let admission = Admission::new(doors.limits.body_bytes_max);
    let shared = Arc::new(Shared { doors, admission });
    let routes = Router::new()
        .route("/topics/{topic}/events", post(write::to_topic).get(read::from_topic))
        .route("/events", post(write::by_type))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(shared);
    guard(routes, access, metrics)
}
