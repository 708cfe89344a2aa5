//! The HTTP doors on a log in memory: every status they answer with, and what is in the log afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod consuming;
mod door;
mod graphql;
mod publishing;
mod reading;
mod refusing;
mod serving;
mod sockets;
mod staged_log;
