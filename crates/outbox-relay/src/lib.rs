//! The relay: rows of a PostgreSQL outbox become records of the log.
//!
//! A row is appended, and deleted once the append is durable. A crash between the two appends it again, and the log recognises it by its id;
//! so nothing is lost and nothing is doubled, whatever is killed.
//!
//! Rooms: [`relay`](mod@relay) is how one is set up and kept in session, [`watching`] its loop; [`window`] reads rows that were not
//! seen before, without a cursor over ids; [`claims`] shares the aggregates among relays; [`publish`] appends, deletes and marks; [`rotate`]
//! keeps the table small; [`sleep`] lets writers wake a relay that has nothing to do; [`locks`] are what they all know each other by;
//! [`polling`] is what is left where PostgreSQL cannot wake anybody; [`admin`] shows and mends from outside.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod admin;
mod claims;
mod error;
mod locks;
mod metrics;
mod polling;
mod publish;
mod relay;
mod rotate;
mod row;
mod session;
mod sleep;
mod status;
mod watching;
mod window;

pub use error::RelayError;
pub use metrics::Metrics;
pub use relay::{OnDead, ROTATE_BYTES_DEFAULT, Relay, RelayOptions};
pub use status::{RelayState, RelayStatus, StatusHandle};
