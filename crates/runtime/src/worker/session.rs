//! A worker's time in its group: it has its tasks decide, and hands their changes over in one commit.
//!
//! One commit is under way at a time. Meanwhile the tasks decide what comes next, on top of what the commit holds; it is handed over when
//! the one before it is durable. If that fails, both are void.

use std::collections::BTreeMap;
use std::pin::pin;

use riverrun_log::{Answer, Assignment, CommitError, Committed, Member, TaskCommit, TaskId};
use tokio::time::Instant;

use super::{Ended, Interruption, Work, Worker, changed};
use crate::commit::commit;
use crate::metrics::Counts;

/// A worker as a member of its group.
pub(super) struct Session<'w, W: Work> {
    worker: &'w Worker<W>,
    member: Box<dyn Member>,
    tasks: BTreeMap<TaskId, W::Task>,
    under_way: Option<UnderWay<W::Decided>>,
    /// No task is asked before: little has come since the last commit, and more comes until then.
    rests_until: Option<Instant>,
}

/// A commit that is not known to be durable yet.
struct UnderWay<D> {
    answer: Answer<'static, Result<Committed, CommitError>>,
    /// What its tasks have to say once it is.
    decided: Vec<(TaskId, D)>,
}

/// What came of asking every task once.
enum Round {
    Worked,
    Idle,
    Finished,
}

impl<'w, W: Work> Session<'w, W> {
    pub(super) fn new(worker: &'w Worker<W>, member: Box<dyn Member>) -> Self {
        Self { worker, member, tasks: BTreeMap::new(), under_way: None, rests_until: None }
    }

    /// Works until shutdown, the end of a replay, a failure or a stop.
    pub(super) async fn run(mut self) -> Ended {
        let ended = self.work().await;
        // Whoever has the tasks next begins behind it.
        let settled = self.settle().await;
        let ended = match (ended, settled) {
            (Ok(ended), Ok(())) => ended,
            (Err(stop @ Interruption::Stop(_)), _) => stop.into(),
            (Err(interruption), _) | (Ok(_), Err(interruption)) => interruption.into(),
        };
        if matches!(ended, Ended::Restart(_)) {
            // Still as their owner: what of them was committed last may not have been told.
            for (id, task) in self.tasks {
                self.worker.work.closed(task);
                self.worker.progress.forget(id);
            }
        }
        ended
    }

    async fn work(&mut self) -> Result<Ended, Interruption> {
        let worker = self.worker;
        let mut moved = worker.log.moved();
        let stopped = worker.progress.stopped();
        let mut woken = worker.work.wakes();
        loop {
            self.assign().await?;
            if *worker.shutdown.borrow() || stopped.borrow().is_some() {
                return Ok(Ended::Finished);
            }
            self.rests_until.take_if(|until| *until <= Instant::now());
            if self.rests_until.is_some() {
                self.rest(std::future::pending()).await?;
                continue;
            }
            moved.borrow_and_update();
            woken.as_mut().map(tokio::sync::watch::Receiver::mark_unchanged);
            worker.work.look_around();
            match self.round().await? {
                Round::Worked => {}
                Round::Finished => return Ok(Ended::Finished),
                Round::Idle => {
                    let wakes_at = self.tasks.values_mut().filter_map(|task| worker.work.wakes_at(task)).min();
                    self.rest(async {
                        tokio::select! {
                            _ = moved.changed() => {}
                            () = worker.clock.reached(wakes_at) => {}
                            () = changed(&mut woken) => {}
                        }
                    })
                    .await?;
                }
            }
        }
    }

    /// Waits for what `wakes`, for a change of the assignment, for the commit under way, and for the end.
    async fn rest(&mut self, wakes: impl Future<Output = ()>) -> Result<(), Interruption> {
        let (mut shutdown, mut stopped) = (self.worker.shutdown.clone(), self.worker.progress.stopped());
        let rests_until = self.rests_until;
        tokio::select! {
            assignment = self.member.next() => return self.apply(assignment).await,
            answer = answer_of(&mut self.under_way) => return self.answered(answer),
            () = wakes => {}
            () = reached(rests_until) => {}
            _ = stopped.wait_for(Option::is_some) => {}
            _ = shutdown.wait_for(|stop| *stop) => {}
        }
        Ok(())
    }

    /// Applies the assignment changes that are there, without waiting.
    async fn assign(&mut self) -> Result<(), Interruption> {
        loop {
            let assignment = tokio::select! {
                biased;
                assignment = self.member.next() => assignment,
                () = std::future::ready(()) => return Ok(()),
            };
            self.apply(assignment).await?;
        }
    }

    async fn apply(&mut self, assignment: Assignment) -> Result<(), Interruption> {
        match assignment {
            Assignment::Assigned(assigned) => {
                let (id, positions) = (assigned.task, assigned.positions.clone());
                let mut task = self.worker.work.open(assigned)?;
                let wakes_at = self.worker.work.wakes_at(&mut task);
                self.tasks.insert(id, task);
                self.worker.progress.update(id, Counts::default(), |progress| {
                    (progress.positions, progress.wakes_at) = (positions, wakes_at);
                });
            }
            Assignment::Revoke(revoke) => {
                self.settle().await?;
                for task in &revoke.tasks {
                    self.tasks.remove(task).into_iter().for_each(|task| self.worker.work.closed(task));
                    self.worker.progress.forget(*task);
                }
                let _ = revoke.acknowledge.send(());
            }
        }
        Ok(())
    }

    /// Lets every task decide once and commits what they decided, after the commit before it.
    async fn round(&mut self) -> Result<Round, Interruption> {
        let worker = self.worker;
        let (mut commits, mut decided) = (Vec::new(), Vec::new());
        let mut stop = None;
        let mut finished = Vec::new();
        let mut is_full = false;
        for (id, task) in &mut self.tasks {
            let gathered = worker.work.gather(task).await?;
            if let Some((commit, of_task)) = gathered.commit {
                commits.push(commit);
                decided.push((*id, of_task));
            }
            stop = stop.or(gathered.stop);
            is_full |= gathered.is_full;
            finished.extend(gathered.finished.then_some(*id));
        }
        let worked = !commits.is_empty();
        if worked {
            self.settle().await?;
            self.hand_over(commits, decided).await?;
            let interval = worker.work.rests_for(worker.log.commit_interval().time);
            self.rests_until = (!is_full && !interval.is_zero()).then(|| Instant::now() + interval);
        }
        if let Some(reason) = stop {
            return Err(Interruption::Stop(reason));
        }
        Ok(match worked {
            true => Round::Worked,
            // What is under way is looked at again when it is durable.
            false if self.under_way.is_some() => Round::Idle,
            false => {
                let all = !finished.is_empty() && finished.len() == self.tasks.len();
                for task in finished {
                    worker.progress.update(task, Counts::default(), |progress| progress.finished = true);
                }
                if all { Round::Finished } else { Round::Idle }
            }
        })
    }

    async fn hand_over(
        &mut self,
        commits: Vec<TaskCommit>,
        decided: Vec<(TaskId, W::Decided)>,
    ) -> Result<(), Interruption> {
        let mut answer = commit(self.member.as_ref(), commits, &self.worker.metrics);
        // Logs may begin with it only when they are asked for the answer.
        let at_once = tokio::select! {
            biased;
            answer = &mut answer => Some(answer),
            () = std::future::ready(()) => None,
        };
        self.under_way = Some(UnderWay { answer, decided });
        at_once.map_or(Ok(()), |answer| self.answered(answer))
    }

    /// Waits for the commit under way, if there is one.
    async fn settle(&mut self) -> Result<(), Interruption> {
        if self.under_way.is_none() {
            return Ok(());
        }
        let answer = pin!(answer_of(&mut self.under_way)).await;
        self.answered(answer)
    }

    /// The commit under way was answered.
    fn answered(&mut self, answer: Result<Committed, CommitError>) -> Result<(), Interruption> {
        let decided = self.under_way.take().map(|under_way| under_way.decided).unwrap_or_default();
        answer.map_err(|error| match error {
            error @ CommitError::TooLarge(_) => Interruption::Stop(error.to_string()),
            error => Interruption::Restart(error.to_string()),
        })?;
        for (id, decided) in decided {
            if let Some(task) = self.tasks.get_mut(&id) {
                self.worker.work.committed(task, decided);
            }
        }
        Ok(())
    }
}

/// Resolves when the commit under way is answered; never where none is.
async fn answer_of<D>(under_way: &mut Option<UnderWay<D>>) -> Result<Committed, CommitError> {
    match under_way {
        Some(under_way) => under_way.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
