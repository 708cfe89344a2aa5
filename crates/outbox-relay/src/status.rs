//! What a relay says of itself.

use std::sync::{Arc, Mutex, PoisonError};

/// What a relay is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayState {
    /// It has no connection yet, or lost it; the reason is beside it.
    #[default]
    Unreachable,
    /// It reads and publishes.
    Relaying,
    /// There is nothing to do, and PostgreSQL will wake it.
    Sleeping,
    /// PostgreSQL cannot wake it, so it looks once in a while.
    Polling,
}

impl RelayState {
    /// As people and programs read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Relaying => "relaying",
            Self::Sleeping => "sleeping",
            Self::Polling => "polling",
        }
    }
}

/// A relay as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayStatus {
    /// What it is doing.
    pub state: RelayState,
    /// What keeps it from doing more.
    pub reason: Option<String>,
    /// How many of the 64 shards it has.
    pub shards: usize,
    /// How many relays share the outbox, as far as it knows.
    pub relays: usize,
    /// Rows it has published since it started.
    pub published: u64,
    /// Of these, how many the log had already.
    pub duplicates: u64,
    /// Rows it has marked not to be processed any more.
    pub marked: u64,
    /// Whether it found nothing to do when it last looked.
    pub idle: bool,
}

/// Where a relay leaves its status. Clones lead to the same.
#[derive(Clone, Debug, Default)]
pub struct StatusHandle(Arc<Mutex<RelayStatus>>);

impl StatusHandle {
    /// The relay as of now.
    #[must_use]
    pub fn get(&self) -> RelayStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut RelayStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
