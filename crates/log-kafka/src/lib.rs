//! The log on Apache Kafka.
//!
//! Topics are Kafka's, events CloudEvents in its binary mode, so producers and consumers in any language take part. What doors append
//! is a transaction, and so is a commit: outputs, changes of state and positions, with the generation of the group. Readers see what
//! is committed.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod assign;
mod binding;
mod changelog;
mod cluster;
mod codec;
mod commit;
mod cursors;
mod door;
mod follow;
mod group;
pub mod import;
mod log;
mod member;
mod options;
mod owners;
mod refusals;
mod sabotage;
mod security;
mod stall;
mod state;
mod topics;
mod transaction;
mod visible;
mod wire;

pub use cluster::ConnectError;
pub use log::{KafkaLog, OpenError};
pub use options::{Compression, Options};
pub use security::{Password, Sasl, Security, Tls};
pub use state::StateStoreError;
