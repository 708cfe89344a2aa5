//! The relay against a real PostgreSQL, with the log in memory: each known trap of an outbox, and that it is avoided.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod failing;
mod order;
mod rotating;
mod sharing;
mod stage;
mod staged_log;
mod waking;
