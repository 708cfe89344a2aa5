//! The accept stage: every door hands what it received to the [`Acceptor`] and gets a record for the log, or the reason why not.
//!
//! Doors differ in how events reach them; what an event must be to come in is decided here alone.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod acceptor;
mod identity;
pub mod received;

pub use acceptor::{AcceptError, Acceptor, SOURCE_DEFAULT, Target, to_entrances};
pub use identity::IdentityError;
pub use received::Received;
