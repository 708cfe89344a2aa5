//! The GraphQL door at `/graphql`: events in by mutation, out by query and subscription, on the same accept path, append and
//! readers as the HTTP door.
//!
//! - [`schema`] has the roots, [`event`], [`publish`], [`read`] and [`subscribe`] what they do; docs/schema.graphql is the schema as
//!   it is offered, and a test compares the two.
//! - A request is looked at in three steps before anything runs: how many tokens it has ([`scan`]), how deep and costly
//!   it is ([`limits`]), whether it fits the schema. A refusal has a code like every other ([`error`]).
//! - [`over_http`] is GraphQL over HTTP, [`socket`] the protocol `graphql-transport-ws` on the same path.
//!
//! Data is JSON text in a string, both ways: it stays the bytes that were received.

mod answer;
mod error;
mod event;
mod limits;
mod media;
mod over_http;
mod publish;
mod read;
mod request;
mod scan;
mod schema;
mod session;
mod socket;
mod subscribe;

use std::sync::Arc;

pub use self::error::GraphqlError;
pub use self::schema::sdl;
use crate::http::Shared;
use crate::http::routes::{Needs, Routes};

/// What the handlers stand on.
struct Door {
    schema: schema::Schema,
    shared: Arc<Shared>,
}

/// The routes of `/graphql`. Who may do what is asked topic by topic.
pub(crate) fn routes(shared: Arc<Shared>) -> Routes {
    let door = Arc::new(Door { schema: schema::build(), shared });
    Routes::new()
        .post("/graphql", Needs::Known, over_http::post)
        .get("/graphql", Needs::KnownInTime, over_http::get)
        .with_state(door)
}
