//! What readers see of the commits. The ends of partitions and the state of tasks are published under one lock, so that who
//! sees a record of a commit sees its state too, and the other way round.

use std::sync::{PoisonError, RwLock};

use riverrun_store::Snapshot;

/// The last commit that readers see.
pub(crate) struct Visible(RwLock<Snapshot>);

impl Visible {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self(RwLock::new(snapshot))
    }

    /// Makes a commit visible: `ends` publishes the ends of its partitions.
    pub(crate) fn publish(&self, snapshot: Snapshot, ends: impl FnOnce()) {
        let mut visible = self.0.write().unwrap_or_else(PoisonError::into_inner);
        ends();
        *visible = snapshot;
    }

    /// Looks at the ends of partitions.
    pub(crate) fn ends<T>(&self, look: impl FnOnce() -> T) -> T {
        let _unchanged = self.0.read().unwrap_or_else(PoisonError::into_inner);
        look()
    }

    /// The state of tasks.
    pub(crate) fn state(&self) -> Snapshot {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
