//! Workers: threads that run tasks. One loop for all kinds of work; what a task does is its [`Work`].
//!
//! A worker owns its tasks alone. It gathers what they decide, commits it in one change, and waits when there is nothing to do.
//! After a failed or uncertain commit its tasks are over: it joins again and starts from the last committed positions.

pub(crate) mod admitting;
mod interleaving;
pub(crate) mod live;
pub(crate) mod model;
mod read_ahead;
pub(crate) mod replaying;
pub(crate) mod stepping;
mod timing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::Time;
use riverrun_log::{Assigned, Assignment, Epoch, Health, Log, Member, Membership, TaskCommit, TaskId};
use tokio::sync::watch;

use crate::clock::WallClock;
use crate::commit::commit;
use crate::metrics::{Counts, Metrics};
use crate::progress::Progress;

/// What tasks of one kind do.
pub(crate) trait Work: Send + Sync + 'static {
    /// What a task keeps between commits.
    type Task;

    /// The label of metrics and log lines.
    fn label(&self) -> &str;

    /// Takes over a task at its last commit.
    fn open(&self, assigned: Assigned) -> Result<Self::Task, Interruption>;

    /// A task is over here: it was revoked, or begins again at its last commit.
    fn closed(&self, _task: Self::Task) {}

    /// Decides what the task changes next, from the records that wait for it.
    fn gather(&self, task: &mut Self::Task) -> impl Future<Output = Result<Gathered, Interruption>>;

    /// When the task has something to do though nothing comes in; never for most work.
    fn wakes_at(&self, _task: &mut Self::Task) -> Option<Time> {
        None
    }

    /// Changes when a task may have something to do though nothing comes in; never for most work.
    fn wakes(&self) -> Option<watch::Receiver<u64>> {
        None
    }

    /// Sees what others have done, whenever the log has moved; there is nothing to see for most work.
    fn look_around(&self) {}

    /// The change is durable.
    fn committed(&self, task: &mut Self::Task);
}

/// What a task has to say when asked for work.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The change to commit, if there is anything to change.
    pub(crate) commit: Option<TaskCommit>,
    /// Set when the pipeline must stop after that commit.
    pub(crate) stop: Option<String>,
    /// Set when the task will never have anything to do again (a replay).
    pub(crate) finished: bool,
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
        let mut member = match self.log.join(self.membership.clone()) {
            Ok(member) => member,
            Err(error) => return Ended::Restart(error.to_string()),
        };
        let mut tasks: BTreeMap<TaskId, W::Task> = BTreeMap::new();
        let ended = self.attend(member.as_mut(), &mut tasks).await;
        if matches!(ended, Ended::Restart(_)) {
            // Still as their owner: what of them was committed last may not have been told.
            for (id, task) in tasks {
                self.work.closed(task);
                self.progress.forget(id);
            }
        }
        ended
    }

    /// Works on the tasks of a membership.
    async fn attend(&self, member: &mut dyn Member, tasks: &mut BTreeMap<TaskId, W::Task>) -> Ended {
        let mut moved = self.log.moved();
        let mut stopped = self.progress.stopped();
        let mut woken = self.work.wakes();
        loop {
            if let Err(interruption) = self.assign(member, tasks).await {
                return interruption.into();
            }
            if *self.shutdown.borrow() || stopped.borrow().is_some() {
                return Ended::Finished;
            }
            moved.borrow_and_update();
            woken.as_mut().map(watch::Receiver::mark_unchanged);
            self.work.look_around();
            match self.round(member, tasks).await {
                Ok(Round::Worked) => {}
                Ok(Round::Finished) => return Ended::Finished,
                Ok(Round::Idle) => {
                    let mut shutdown = self.shutdown.clone();
                    let wakes_at = tasks.values_mut().filter_map(|task| self.work.wakes_at(task)).min();
                    tokio::select! {
                        assignment = member.next() => {
                            if let Err(interruption) = self.apply(assignment, tasks) {
                                return interruption.into();
                            }
                        }
                        _ = moved.changed() => {}
                        () = self.clock.reached(wakes_at) => {}
                        () = changed(&mut woken) => {}
                        _ = stopped.changed() => {}
                        _ = shutdown.wait_for(|stop| *stop) => {}
                    }
                }
                Err(interruption) => return interruption.into(),
            }
        }
    }

    /// Applies the assignment changes that are there, without waiting.
    async fn assign(&self, member: &mut dyn Member, tasks: &mut BTreeMap<TaskId, W::Task>) -> Result<(), Interruption> {
        loop {
            tokio::select! {
                biased;
                assignment = member.next() => self.apply(assignment, tasks)?,
                () = std::future::ready(()) => return Ok(()),
            }
        }
    }

    fn apply(&self, assignment: Assignment, tasks: &mut BTreeMap<TaskId, W::Task>) -> Result<(), Interruption> {
        match assignment {
            Assignment::Assigned(assigned) => {
                let (id, positions) = (assigned.task, assigned.positions.clone());
                let mut task = self.work.open(assigned)?;
                let wakes_at = self.work.wakes_at(&mut task);
                tasks.insert(id, task);
                self.progress.update(id, Counts::default(), |progress| {
                    (progress.positions, progress.wakes_at) = (positions, wakes_at);
                });
            }
            // Between two rounds nothing is in hand, so giving up is immediate.
            Assignment::Revoke(revoke) => {
                for task in &revoke.tasks {
                    if let Some(task) = tasks.remove(task) {
                        self.work.closed(task);
                    }
                    self.progress.forget(*task);
                }
                let _ = revoke.acknowledge.send(());
            }
        }
        Ok(())
    }

    /// Lets every task decide once and commits what they decided.
    async fn round(&self, member: &dyn Member, tasks: &mut BTreeMap<TaskId, W::Task>) -> Result<Round, Interruption> {
        let mut commits = Vec::new();
        let mut stop = None;
        let mut finished = !tasks.is_empty();
        for task in tasks.values_mut() {
            let gathered = self.work.gather(task).await?;
            commits.extend(gathered.commit);
            stop = stop.or(gathered.stop);
            finished &= gathered.finished;
        }
        let worked = !commits.is_empty();
        if worked {
            let committing: Vec<TaskId> = commits.iter().map(|commit| commit.task).collect();
            commit(member, commits, &self.metrics).await.map_err(|error| Interruption::Restart(error.to_string()))?;
            tasks.iter_mut().filter(|(id, _)| committing.contains(id)).for_each(|(_, task)| self.work.committed(task));
        }
        match stop {
            Some(reason) => Err(Interruption::Stop(reason)),
            None if worked => Ok(Round::Worked),
            None if finished => Ok(Round::Finished),
            None => Ok(Round::Idle),
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

enum Round {
    Worked,
    Idle,
    Finished,
}

impl From<Interruption> for Ended {
    fn from(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Restart(reason) => Self::Restart(reason),
            Interruption::Stop(reason) => Self::Stop(reason),
        }
    }
}

/// What a task carries into its commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ownership {
    pub(crate) task: TaskId,
    pub(crate) epoch: Epoch,
}
