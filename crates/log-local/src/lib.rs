//! The log in the embedded store: topics, records, state, positions and identities in one database, changed in one batch.
//!
//! [`LocalLog`] implements the contract of `riverrun-log`. One thread (`committer/`) owns writing; callers' threads prepare what
//! they can before they queue (`prepare.rs`); readers read the newest batches from memory (`tail.rs`) and the others
//! through snapshots, and never wait for the writer. What is on disk is
//! described in [`schema`]; [`verify()`] reads all of it. The crate knows nothing of pipelines, doors or app files.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod append;
mod check;
mod committer;
mod compaction;
mod contents;
mod deduplication;
mod directory;
mod filter;
mod head;
mod load;
mod local;
mod member;
mod metrics;
mod moved;
mod open;
mod options;
mod prepare;
mod read;
mod recent;
mod record;
mod retention;
mod sabotage;
mod salvage;
pub mod schema;
mod state;
mod stored;
mod tail;
mod verify;
mod visible;

pub use check::Loss;
pub use contents::{Contents, GroupContents, Identities, TopicContents};
pub use local::LocalLog;
pub use metrics::Metrics;
pub use moved::mark_moved;
pub use open::OpenError;
pub use options::{Clock, Compression, Options, Syncing};
pub use riverrun_store::Tuning;
pub use verify::{Problem, VerifyError, VerifyReport, verify};
