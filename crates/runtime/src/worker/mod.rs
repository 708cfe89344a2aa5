//! Workers: threads that run tasks. One loop for all kinds of work; what a task does is its [`Work`].
//!
//! A worker owns its tasks alone. It gathers what they decide and commits it in one change, and has them go on while that is under way.
//! After a failed or uncertain commit its tasks are over: it joins again and starts from the last committed positions.

pub(crate) mod admitting;
mod interleaving;
pub(crate) mod live;
pub(crate) mod model;
mod read_ahead;
pub(crate) mod replaying;
mod session;
pub(crate) mod stepping;
mod timing;

use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Offset, Time};
use riverrun_log::{Assigned, Epoch, Health, Log, Membership, TaskCommit, TaskId};
use tokio::sync::watch;

use self::session::Session;
use crate::clock::WallClock;
use crate::metrics::{Counts, Metrics};
use crate::progress::Progress;

/// What tasks of one kind do.
pub(crate) trait Work: Send + Sync + 'static {
    /// What a task keeps between commits.
    type Task;

    /// What a task has decided beside its change, for others to see when that is durable.
    type Decided;

    /// The label of metrics and log lines.
    fn label(&self) -> &str;

    /// Takes over a task at its last commit.
    fn open(&self, assigned: Assigned) -> Result<Self::Task, Interruption>;

    /// A task is over here: it was revoked, or begins again at its last commit.
    fn closed(&self, _task: Self::Task) {}

    /// Decides what the task changes next, from the records that wait for it. The change before it may not be durable yet.
    fn gather(&self, task: &mut Self::Task) -> impl Future<Output = Result<Gathered<Self::Decided>, Interruption>>;

    /// When the task has something to do though nothing comes in; never for most work.
    fn wakes_at(&self, _task: &mut Self::Task) -> Option<Time> {
        None
    }

    /// Changes when a task may have something to do though nothing comes in; never for most work.
    fn wakes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// How long to wait from one commit to the next while there is little to do, where the log asks for this interval.
    fn rests_for(&self, interval: Duration) -> Duration {
        interval
    }

    /// Sees what others have done, whenever the log has moved; there is nothing to see for most work.
    fn look_around(&self) {}

    /// The change is durable.
    fn committed(&self, task: &mut Self::Task, decided: Self::Decided);
}

/// What a task has to say when asked for work.
pub(crate) struct Gathered<D> {
    /// The change to commit, if there is anything to change.
    pub(crate) commit: Option<(TaskCommit, D)>,
    /// Whether more waits than belongs into one commit.
    pub(crate) is_full: bool,
    /// Set when the pipeline must stop after that commit.
    pub(crate) stop: Option<String>,
    /// Set when the task will never have anything to do again (a replay).
    pub(crate) finished: bool,
}

impl<D> Default for Gathered<D> {
    fn default() -> Self {
        Self { commit: None, is_full: false, stop: None, finished: false }
    }
}

/// Why a task cannot go on.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// Start again from the last commit.
    Restart(String),
    /// Stop the pipeline.
    Stop(String),
}

/// What a worker needs besides its work.
pub(crate) struct Worker<W: Work> {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) membership: Membership,
    pub(crate) work: Arc<W>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: WallClock,
    /// Turns true when the runtime shuts down.
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// How a session with the log ended.
enum Ended {
    Finished,
    Restart(String),
    Stop(String),
}

/// How long a worker waits before it joins again after a failure, so that a lasting one does not spin.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

impl<W: Work> Worker<W> {
    /// Runs until shutdown, the end of a replay, or a stop.
    pub(crate) async fn run(mut self) {
        loop {
            match self.session().await {
                Ended::Finished => return,
                Ended::Stop(reason) => {
                    tracing::error!(pipeline = self.work.label(), reason, "the pipeline stopped");
                    return self.progress.stop(&reason);
                }
                Ended::Restart(reason) => {
                    self.metrics.restarted(self.work.label());
                    if let Health::Stopped { reason } = self.log.health() {
                        return self.progress.stop(&format!("the log stopped: {reason}"));
                    }
                    tracing::warn!(pipeline = self.work.label(), reason, "a worker goes back to its last commit");
                    tokio::select! {
                        () = self.clock.pause(RESTART_PAUSE) => {}
                        _ = self.shutdown.wait_for(|stop| *stop) => return,
                    }
                }
            }
        }
    }

    async fn session(&self) -> Ended {
        match self.log.join(self.membership.clone()) {
            Ok(member) => Session::new(self, member).run().await,
            Err(error) => Ended::Restart(error.to_string()),
        }
    }
}

/// Resolves when what is watched has changed; never where nothing is.
async fn changed(watched: &mut Option<watch::Receiver<u64>>) {
    let Some(watched) = watched else { return std::future::pending().await };
    if watched.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl From<Interruption> for Ended {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Restart(reason) => Self::Restart(reason),
            Interruption::Stop(reason) => Self::Stop(reason),
        }
    }
}

/// What a task of one input has decided beside its change.
pub(crate) struct InputDecided {
    /// Which commit of its overlay it is.
    pub(crate) commit: u64,
    pub(crate) counts: Counts,
    pub(crate) next: Offset,
}

/// What a task carries into its commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ownership {
    pub(crate) task: TaskId,
    pub(crate) epoch: Epoch,
}
