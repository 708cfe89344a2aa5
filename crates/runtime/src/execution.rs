//! Where workers run: each on a thread of its own, or, for tests, as tasks of the caller's thread, which are the same each time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::progress::Progress;
use crate::worker::{Work, Worker};

/// Where the workers of a runtime run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    /// Each on a thread of its own.
    Threads,
    /// As local tasks: they run while the caller's `LocalSet` does, in an order that depends on nothing else.
    Local,
}

const PANICKED: &str = "a worker panicked; its message is on the error output";

impl Execution {
    /// Starts a worker; the thread it runs on, where it has one.
    pub(crate) fn start<W: Work>(
        self,
        name: String,
        worker: Worker<W>,
        progress: Arc<Progress>,
    ) -> std::io::Result<Option<JoinHandle<()>>> {
        match self {
            Self::Threads => on_thread(name, worker, progress).map(Some),
            Self::Local => {
                tokio::task::spawn_local(async move {
                    let ended = tokio::task::spawn_local(worker.run()).await;
                    if ended.is_err_and(|error| error.is_panic()) {
                        progress.stop(PANICKED);
                    }
                });
                Ok(None)
            }
        }
    }
}

fn on_thread<W: Work>(name: String, worker: Worker<W>, progress: Arc<Progress>) -> std::io::Result<JoinHandle<()>> {
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name).spawn(move || {
        // A worker owns all it touches, and the log keeps only what was committed.
        if catch_unwind(AssertUnwindSafe(|| executor.block_on(worker.run()))).is_err() {
            progress.stop(PANICKED);
        }
    })
}
