//! Keyed state and atomic batches on the embedded LSM: the only crate that knows fjall.
//!
//! It offers keyspaces, one atomic batch over any of them with a sync, and reads through snapshots. It knows nothing of
//! topics, records or tasks; what the bytes mean is its users' business. There are no reads outside a snapshot on purpose:
//! they could see half a batch.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod batch;
mod engine_panic;
mod error;
mod keyspace;
mod manifest;
mod snapshot;
mod store;

pub use batch::{Batch, Durability};
pub use error::{KeyspaceError, OpenError, ReadError, WriteError};
pub use keyspace::{Keyspace, Shape};
pub use snapshot::{Row, Rows, Snapshot, Value};
pub use store::{Store, Tuning};
