//! What workers have done so far, for others to see: committed positions, counts, and why a pipeline stopped.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use riverrun_event::{Offset, Time, TopicPartition};
use riverrun_log::TaskId;
use tokio::sync::watch;

use crate::metrics::Counts;

/// Shared by the workers of one pipeline, model or replay.
#[derive(Debug)]
pub struct Progress {
    state: Mutex<State>,
    stopped: watch::Sender<Option<String>>,
}

#[derive(Debug, Default)]
struct State {
    counts: Counts,
    tasks: BTreeMap<TaskId, TaskProgress>,
}

/// How far one task is.
#[derive(Clone, Debug, Default)]
pub struct TaskProgress {
    /// Per input partition, the next offset to process, as committed.
    pub positions: BTreeMap<TopicPartition, Offset>,
    /// Accept time of the last record processed.
    pub last_accepted: Option<Time>,
    /// When its next timer of the wall clock is due.
    pub wakes_at: Option<Time>,
    /// A replay's task that has nothing left to do.
    pub finished: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { state: Mutex::default(), stopped: watch::Sender::new(None) }
    }
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task was assigned or has committed.
    pub fn update(&self, task: TaskId, counts: Counts, update: impl FnOnce(&mut TaskProgress)) {
        let mut state = self.state();
        state.counts.add(counts);
        update(state.tasks.entry(task).or_default());
    }

    /// A task belongs to another process from now on.
    pub fn forget(&self, task: TaskId) {
        self.state().tasks.remove(&task);
    }

    /// Everything so far.
    #[must_use]
    pub fn snapshot(&self) -> (Counts, BTreeMap<TaskId, TaskProgress>) {
        let state = self.state();
        (state.counts, state.tasks.clone())
    }

    /// Stops all workers of the pipeline; the first reason stays.
    pub fn stop(&self, reason: &str) {
        self.stopped.send_if_modified(|held| {
            let first = held.is_none();
            held.get_or_insert_with(|| reason.to_owned());
            first
        });
    }

    /// Why the pipeline stopped, if it did.
    #[must_use]
    pub fn stopped(&self) -> watch::Receiver<Option<String>> {
        self.stopped.subscribe()
    }
}
