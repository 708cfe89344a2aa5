//! The contract of the durable log: what doors and workers may ask of it, and what it promises.
//!
//! The meaning of every call is in the comments of [`contract`]; every implementation passes the same suite in
//! `conformance` (feature `conformance`). The crate owns no bytes on disk and knows no broker: `log-local` and `log-kafka` do.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod append;
pub mod assignor;
pub mod commit;
pub mod compaction;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod contract;
pub mod fingerprint;
pub mod identity;
pub mod memory;
pub mod random;
pub mod sabotage;
pub mod topic;

pub use append::{AppendBatch, AppendError, Logged, NewRecord};
pub use assignor::{Assignor, AssignorError, Deal, GroupMember, Label, Labels, MemberName, NamedAssignor, Round};
pub use commit::{
    CallAnswer, Commit, CommitError, CommitInterval, Committed, Epoch, GroupName, InputRange, ModelFrontier, Order,
    StateChange, TaskCommit, TaskId,
};
pub use compaction::Compaction;
pub use contract::{
    Answer, Assigned, Assignment, Direction, Followed, Health, JoinError, Log, Member, Membership, Observe, ReadError,
    Revoke, StateError, StateRead, TaskInputs, TaskOwner, Topics,
};
pub use fingerprint::Fingerprint;
pub use identity::{Content, Identity};
pub use memory::{Faults, MemoryLog};
pub use topic::{EnsureError, Retention, TopicDescription, TopicSpec};
