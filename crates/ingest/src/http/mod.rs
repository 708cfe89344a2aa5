//! The HTTP door: the routes, and what they share.
//!
//! One file for each direction ([`mod@write`], [`mod@read`]); every error becomes a problem document in one place ([`problem`]), and
//! who may call is decided in one place: [`mod@routes`] has the table of what each route needs, [`access`] knows callers by their tokens,
//! [`caller`] says what each may do.

pub mod access;
pub mod admission;
pub(crate) mod body;
pub mod caller;
mod connections;
mod consumers;
pub(crate) mod cursor;
pub(crate) mod pages;
mod patient;
pub mod problem;
mod read;
pub(crate) mod reader;
pub mod routes;
pub(crate) mod server;
mod stream;
pub(crate) mod write;

use std::sync::Arc;

use riverrun_event::limits::Limits;
use riverrun_event::{TopicName, Verb};
use riverrun_log::Log;
use tokio::sync::watch;

pub use self::consumers::wire::ConsumerStatus;
pub use self::server::serve;
pub(crate) use self::write::parse_media_type as media_type;
use crate::consumers::Consumers;
use crate::metrics::Metrics;
use access::Access;
use admission::Admission;
use riverrun_accept::Acceptor;
use routes::{Needs, Routes};

/// What the doors stand on.
#[derive(Clone)]
pub struct Doors {
    /// Where events go and come from.
    pub log: Arc<dyn Log>,
    /// Turns what is received into records.
    pub acceptor: Arc<Acceptor>,
    /// Readers whose positions are kept here.
    pub consumers: Consumers,
    /// Sizes.
    pub limits: Limits,
    /// What is measured.
    pub metrics: Metrics,
    /// Who may call.
    pub access: Arc<Access>,
    /// Whether events go into the entrances of their topics, to be deduplicated behind the doors.
    pub entrances: bool,
    /// The topics that keep the dead letters of the app.
    pub dead_letters: Arc<[TopicName]>,
    /// Becomes true when the server is about to stop: readers that follow are let go then.
    pub closing: watch::Receiver<bool>,
}

/// What the handlers share.
pub(crate) struct Shared {
    pub(crate) doors: Doors,
    pub(crate) admission: Admission,
}

/// The routes `POST /topics/{topic}/events`, `POST /events`, `GET /topics/{topic}/events`, those of consumers, and `/graphql`.
#[must_use]
pub fn routes(doors: Doors) -> Routes {
    let admission = Admission::new(doors.limits.body_bytes_max);
    let shared = Arc::new(Shared { doors, admission });
    Routes::new()
        .post("/topics/{topic}/events", Needs::Topic(Verb::Publish), write::to_topic)
        .get("/topics/{topic}/events", Needs::Topic(Verb::Read), read::from_topic)
        .post("/events", Needs::Topic(Verb::Publish), write::by_type)
        .get("/consumers", Needs::Caller(Verb::Operate), consumers::list)
        .get("/consumers/{consumer}", Needs::Topic(Verb::Operate), consumers::show)
        .delete("/consumers/{consumer}", Needs::Topic(Verb::Operate), consumers::remove)
        .get("/consumers/{consumer}/events", Needs::Topic(Verb::Read), consumers::read)
        .post("/consumers/{consumer}/commit", Needs::Topic(Verb::Read), consumers::commit)
        .post("/consumers/{consumer}/reset", Needs::Topic(Verb::Operate), consumers::reset)
        .delete("/consumers/{consumer}/readers/{reader}", Needs::Topic(Verb::Read), consumers::leave)
        .with_state(Arc::clone(&shared))
        .merge(crate::graphql::routes(shared))
}
