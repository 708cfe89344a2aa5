//! The work of a replay: the pipeline again, from a fresh state, into another topic.
//!
//! Followed, it takes the inputs in the recorded order and the models within the recorded frontiers, so it gives the same bytes,
//! however many workers there are and however often it is interrupted. Recomputed, it reads the inputs as they are and takes
//! models by event time alone; it may differ, which is its use. A replay writes no dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Record, TopicPartition};
use riverrun_log::{Assigned, GroupName, InputRange, Log, Order, StateChange, StateRead, TaskCommit};
use riverrun_topology::operators::lookup::Question;
use tokio::sync::watch;

use super::read_ahead::ReadAhead;
use super::stepping::{COMMIT_BYTES_MAX, Stepped, Stepping, SteppingTask, read_from};
use super::timing::Advanced;
use super::{Gathered, Interruption, Work};
use crate::calls;
use crate::metrics::{Counts, Metrics};
use crate::models::{Frontier, ModelStore};
use crate::progress::Progress;

/// Most order records taken for one commit; small commits of a quiet pipeline are replayed many at a time.
const ORDERS_MAX: usize = 64;

/// The row that holds the number of the next order record to follow.
const NEXT_KEY: &[u8] = b"next";

/// The tasks of a replay.
pub(crate) struct Replaying {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) stepping: Stepping,
    pub(crate) models: Arc<ModelStore>,
    /// The group whose orders are followed.
    pub(crate) followed: GroupName,
    pub(crate) recompute: bool,
    /// Whether services outside are asked where the recorded run has no answer of theirs.
    pub(crate) asks: bool,
    /// Where to start, per input partition.
    pub(crate) starts: BTreeMap<TopicPartition, Offset>,
    /// Where to end: what was there when the replay was asked for.
    pub(crate) ends: BTreeMap<TopicPartition, Offset>,
    /// How far the models must be for a recomputation: their ends when it was asked for.
    pub(crate) model_ends: Frontier,
    pub(crate) label: String,
    pub(crate) progress: Arc<Progress>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// One task of a replay.
pub(crate) struct ReplayTask {
    stepping: SteppingTask,
    ahead: ReadAhead,
    next_order: u64,
}

impl Work for Replaying {
    type Task = ReplayTask;
    type Decided = ReplayDecided;

    fn label(&self) -> &str {
        &self.label
    }

    fn open(&self, assigned: Assigned) -> Result<ReplayTask, Interruption> {
        let next_order = read_next(assigned.state.as_ref())?;
        let mut stepping = self.stepping.open(assigned)?;
        for (input, next) in &mut stepping.positions {
            *next = (*next).max(self.starts.get(input).copied().unwrap_or_default());
        }
        Ok(ReplayTask { stepping, ahead: ReadAhead::default(), next_order })
    }

    async fn gather(&self, task: &mut ReplayTask) -> Result<Gathered<ReplayDecided>, Interruption> {
        if self.recompute { self.recompute(&mut task.stepping).await } else { self.follow(task).await }
    }

    fn committed(&self, task: &mut ReplayTask, decided: ReplayDecided) {
        let ReplayDecided { commit, counts, positions } = decided;
        task.stepping.state.get_mut().settle(commit);
        self.metrics.count(&self.label, counts);
        let task = task.stepping.ownership.task;
        self.progress.update(task, counts, |progress| progress.positions = positions);
    }
}

/// What a task has decided beside its change.
pub(crate) struct ReplayDecided {
    /// Which commit of its overlay it is.
    commit: u64,
    counts: Counts,
    positions: BTreeMap<TopicPartition, Offset>,
}

impl Replaying {
    async fn follow(&self, task: &mut ReplayTask) -> Result<Gathered<ReplayDecided>, Interruption> {
        let failed = |error: riverrun_log::ReadError| Interruption::Restart(error.to_string());
        let id = task.stepping.ownership.task;
        let orders = self.log.orders(&self.followed, id, task.next_order, ORDERS_MAX).map_err(failed)?;
        let mut commit = task.stepping.commit();
        let (first, mut is_paused) = (task.next_order, false);
        // Up to the first one that goes further: what it leaves out must come before what follows it, in another run.
        for (number, order) in orders.into_iter().take_while(|(_, order)| self.is_wanted(order)) {
            let frontier = Frontier::from_record(&order.frontiers);
            if !self.models_reached(&frontier).await {
                return Ok(Gathered::default());
            }
            task.stepping.calls.remember(&order.answers);
            if !self.follow_order(task, &order, &frontier, &mut commit).await? {
                is_paused = true;
                break;
            }
            task.stepping.calls.forget_all();
            task.next_order = number + 1;
            if commit.bytes() > COMMIT_BYTES_MAX {
                break;
            }
        }
        if task.next_order == first && !is_paused {
            return Ok(Gathered { finished: true, ..Gathered::default() });
        }
        Ok(change(&mut task.stepping, commit, Some(next_row(task.next_order)?)))
    }

    /// Follows one order record; false when its timers gave more than belongs into one commit, and the rest is to come in the
    /// next. What was done of it is not done again then: positions stand behind it, and timers that fired are gone.
    async fn follow_order(
        &self,
        task: &mut ReplayTask,
        order: &Order,
        frontier: &Frontier,
        commit: &mut TaskCommit,
    ) -> Result<bool, Interruption> {
        while let Some(now) = order.tick {
            match self.stepping.tick(&mut task.stepping, now, Some(frontier), commit)? {
                Advanced::All => break,
                Advanced::Paused => return Ok(false),
                Advanced::Waits(timer, question) => self.ask(&mut task.stepping, &timer, question).await?,
                Advanced::Stopped(reason) => return Err(Interruption::Stop(reason)),
            }
        }
        for range in &order.ranges {
            if !self.follow_range(task, range, frontier, commit).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the order was there when the replay was asked for; its commit moved all its ranges at once.
    fn is_wanted(&self, order: &Order) -> bool {
        order.ranges.iter().all(|range| self.ends.get(&range.input).is_some_and(|end| range.to <= *end))
    }

    async fn follow_range(
        &self,
        task: &mut ReplayTask,
        range: &InputRange,
        frontier: &Frontier,
        commit: &mut TaskCommit,
    ) -> Result<bool, Interruption> {
        let known = task.stepping.positions.get(&range.input).copied().unwrap_or_default();
        let mut next = range.from.max(known);
        let mut reached = range.to.max(known);
        while next < range.to {
            let records = task.ahead.take(self.log.as_ref(), &range.input, next, range.to)?;
            let Some(last) = records.last() else { break };
            next = last.position.offset.next();
            if let Some(offset) = self.step_all(&mut task.stepping, &records, Some(frontier), commit).await? {
                task.ahead = ReadAhead::default();
                reached = offset;
                break;
            }
        }
        let is_whole = reached >= range.to;
        task.stepping.positions.insert(range.input.clone(), reached);
        commit.positions.retain(|(input, _)| *input != range.input);
        commit.positions.push((range.input.clone(), reached));
        Ok(is_whole)
    }

    async fn recompute(&self, task: &mut SteppingTask) -> Result<Gathered<ReplayDecided>, Interruption> {
        if !self.models_reached(&self.model_ends).await {
            return Ok(Gathered::default());
        }
        let mut commit = task.commit();
        for (input, next) in task.positions.clone() {
            let end = self.ends.get(&input).copied().unwrap_or_default();
            if next >= end {
                continue;
            }
            let mut records = read_from(self.log.as_ref(), &input, next, COMMIT_BYTES_MAX)?.records;
            records.retain(|record| record.position.offset < end);
            let paused = self.step_all(task, &records, None, &mut commit).await?;
            task.calls.forget_all();
            let reached = records.last().map_or(end, |last| last.position.offset.next());
            let reached = paused.unwrap_or(reached);
            task.positions.insert(input.clone(), reached);
            commit.positions.push((input, reached));
            if paused.is_some() {
                break;
            }
        }
        if commit.positions.is_empty() {
            return Ok(Gathered { finished: true, ..Gathered::default() });
        }
        Ok(change(task, commit, None))
    }

    /// Steps records; gives the first one that is to come in the next commit, if there is one.
    async fn step_all(
        &self,
        task: &mut SteppingTask,
        mut records: &[Record],
        frontier: Option<&Frontier>,
        commit: &mut TaskCommit,
    ) -> Result<Option<Offset>, Interruption> {
        loop {
            match self.stepping.step_all(task, records, frontier, commit)? {
                Stepped::All => {
                    // The live run has them in its record.
                    drop(task.calls.take_used());
                    return Ok(None);
                }
                Stepped::PausedAt(offset) => return Ok(Some(offset)),
                Stepped::WaitsAt(offset, cause, question) => {
                    self.ask(task, &cause, question).await?;
                    let done = records.iter().take_while(|record| record.position.offset < offset).count();
                    records = records.get(done..).unwrap_or_default();
                }
                Stepped::StoppedAt(_, reason) => return Err(Interruption::Stop(reason)),
            }
        }
    }

    /// Asks a service outside, if that is wanted, and waits for its answer.
    async fn ask(&self, task: &mut SteppingTask, cause: &str, question: Question) -> Result<(), Interruption> {
        let calling = self.stepping.calling(&question.operator).filter(|_| self.asks);
        let Some(calling) = calling else {
            return Err(Interruption::Stop(format!(
                "the step {} asks a service outside at {cause}, and the recorded run has no answer to that; a replay asks nobody \
                 unless it is told to (--ask)",
                question.operator
            )));
        };
        let answer = calls::ask(calling, question.request.clone()).await;
        task.calls.answered(cause, question, answer);
        Ok(())
    }

    /// Waits until the models are known that far; false at shutdown.
    async fn models_reached(&self, goal: &Frontier) -> bool {
        let mut shutdown = self.shutdown.clone();
        if self.models.has_reached(goal) {
            return true;
        }
        tokio::select! {
            () = self.models.reached(goal) => true,
            _ = shutdown.wait_for(|stop| *stop) => false,
        }
    }
}

/// The change of a task, with a row of the replay's own.
fn change(task: &mut SteppingTask, mut commit: TaskCommit, own: Option<StateChange>) -> Gathered<ReplayDecided> {
    let changes = task.take_changes();
    commit.state = changes.rows;
    commit.state.extend(own);
    // The live run logged them.
    drop(task.take_peeks());
    let decided =
        ReplayDecided { commit: changes.commit, counts: task.take_counts(), positions: task.positions.clone() };
    Gathered { commit: Some((commit, decided)), ..Gathered::default() }
}

/// Owns the rows a replay keeps about itself.
pub(crate) fn owner_of_replays() -> Result<OperatorName, Interruption> {
    OperatorName::internal("_replay").map_err(|error| Interruption::Stop(error.to_string()))
}

fn next_row(next: u64) -> Result<StateChange, Interruption> {
    let value = Some(Bytes::copy_from_slice(&next.to_be_bytes()));
    Ok(StateChange { operator: owner_of_replays()?, key: Bytes::from_static(NEXT_KEY), value })
}

fn read_next(state: &dyn StateRead) -> Result<u64, Interruption> {
    let row = state.get(&owner_of_replays()?, NEXT_KEY).map_err(|error| Interruption::Restart(error.to_string()))?;
    match row {
        None => Ok(0),
        Some(row) => match <[u8; 8]>::try_from(&row[..]) {
            Ok(bytes) => Ok(u64::from_be_bytes(bytes)),
            Err(_) => Err(Interruption::Stop("the stored place of the replay cannot be read".to_owned())),
        },
    }
}
