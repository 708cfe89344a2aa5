//! The clocks and timers of a task: both clocks go on with its events, and what is due is done before the event is stepped.

use bytes::Bytes;
use riverrun_event::{Event, OperatorName, Record, Time};
use riverrun_log::{StateChange, StateRead, TaskCommit};
use riverrun_topology::operators::lookup::Question;
use riverrun_topology::rows::{RowReader, put_time};
use riverrun_topology::{Clock, Clocks, EventError, OnError, StepContext, StepError, Timer};

use super::Interruption;
use super::stepping::{COMMIT_BYTES_MAX, Stepping, SteppingTask};
use crate::models::{Frontier, Lookup};
use crate::overlay::{Changes, SharedOverlay};
use crate::step::{Failed, Outcome, timer_id};

/// The row that holds what the clocks of a task say.
const CLOCKS_KEY: &[u8] = b"clocks";

/// What became of the timers that were due.
pub(crate) enum Advanced {
    /// Nothing is due any more.
    All,
    /// More is due than belongs into one commit.
    Paused,
    /// What a timer gives waits for an answer from outside; the timer is still due.
    Waits(String, Question),
    /// `on_error: stop`: the timer that failed is still due.
    Stopped(String),
}

/// What one timer gave.
type FiredOutcomes = Vec<Result<Outcome, Failed>>;

impl Stepping {
    /// Moves the clocks on and fires what is due.
    pub(crate) fn advance(
        &self,
        task: &mut SteppingTask,
        record: &Record,
        frontier: Option<&Frontier>,
        commit: &mut TaskCommit,
    ) -> Result<Advanced, Interruption> {
        if !self.keeps_time {
            return Ok(Advanced::All);
        }
        task.clocks.advance(record.event_time(), record.accepted);
        self.fire_due(task, frontier, commit)
    }

    /// Moves the wall clock on where nothing came in, and fires what is due.
    pub(crate) fn tick(
        &self,
        task: &mut SteppingTask,
        now: Time,
        frontier: Option<&Frontier>,
        commit: &mut TaskCommit,
    ) -> Result<Advanced, Interruption> {
        task.clocks.advance(task.clocks.event, now);
        self.fire_due(task, frontier, commit)
    }

    fn fire_due(
        &self,
        task: &mut SteppingTask,
        frontier: Option<&Frontier>,
        commit: &mut TaskCommit,
    ) -> Result<Advanced, Interruption> {
        let restart = |error: StepError| Interruption::Restart(error.to_string());
        let mut bytes = 0;
        loop {
            if bytes > COMMIT_BYTES_MAX {
                return Ok(Advanced::Paused);
            }
            let due = task.timers.take_due(task.state.get_mut(), &task.clocks).map_err(restart)?;
            let Some(timer) = due else { return Ok(Advanced::All) };
            if self.looks_up() {
                // Nothing of this is kept, and the timer is due again.
                let probed = self.fire(task, &timer, frontier, false);
                task.undo();
                if let Err(StepError::Waits(question)) = probed {
                    return Ok(Advanced::Waits(timer_id(&timer), question));
                }
                task.timers.cancel(task.state.get_mut(), timer.clock, timer.time, &timer.operator, &timer.key);
            }
            match self.fire(task, &timer, frontier, true) {
                Ok(outcomes) => {
                    for outcome in outcomes {
                        bytes += self.keep_fired(task, outcome, commit);
                    }
                    task.state.get_mut().keep();
                }
                Err(error @ (StepError::Fatal(_) | StepError::Waits(_))) => return Err(restart(error)),
                Err(StepError::Event(error)) => {
                    task.undo();
                    if self.pipeline.on_error == OnError::Stop {
                        return Ok(Advanced::Stopped(format!("{error} (at the timer {})", timer_id(&timer))));
                    }
                    task.timers.cancel(task.state.get_mut(), timer.clock, timer.time, &timer.operator, &timer.key);
                    task.state.get_mut().keep();
                    let event = Event::new(timer_id(&timer), self.source(), "riverrun.timer");
                    self.set_aside(task, event, None, &error, commit);
                }
            }
        }
    }

    /// Fires one timer. With `on_error: stop` it is whole or it fails; otherwise each event it gave succeeds or fails by itself.
    /// What does not count is to be undone, whatever comes of it.
    fn fire(
        &self,
        task: &mut SteppingTask,
        timer: &Timer,
        frontier: Option<&Frontier>,
        counts: bool,
    ) -> Result<FiredOutcomes, StepError> {
        let SteppingTask { state, own, cache, timers, clocks, calls, .. } = task;
        let mut models = Lookup { store: &self.models, frontier, own, state, cache };
        let mut overlay = SharedOverlay(state);
        let (mut peeked, mut late) = (Vec::new(), Vec::new());
        let cause = if self.looks_up() { timer_id(timer) } else { String::new() };
        let mut answers = calls.answers(&cause, clocks.wall, counts);
        let mut context = StepContext {
            models: &mut models,
            state: &mut overlay,
            answers: &mut answers,
            timers,
            clocks: *clocks,
            port: 0,
            record: None,
            peeked: &mut peeked,
            late: &mut late,
            late_count: 0,
        };
        let Some(events) = self.stepper.fire(timer.clone(), &mut context)? else { return Ok(Vec::new()) };
        let stops = self.pipeline.on_error == OnError::Stop;
        // In one piece, so that all of it can be undone.
        let whole = stops || !counts;
        if !whole {
            state.borrow_mut().keep();
        }
        let mut outcomes = Vec::new();
        self.stepper.step_fired(events, &mut context, |outcome| {
            match (&outcome, whole) {
                (Err(failed), true) if stops => return Err(failed.error.clone().into()),
                (Err(_), true) => {}
                (Ok(_), false) => state.borrow_mut().keep(),
                (Err(_), false) => state.borrow_mut().undo(),
                (Ok(_), true) => {}
            }
            outcomes.push(outcome);
            Ok(())
        })?;
        if outcomes.iter().any(Result::is_err) {
            timers.undone();
        }
        Ok(outcomes)
    }

    /// Puts what a timer gave into the commit; gives about how many bytes that is.
    fn keep_fired(&self, task: &mut SteppingTask, outcome: Result<Outcome, Failed>, commit: &mut TaskCommit) -> usize {
        match outcome {
            Ok(outcome) => {
                let bytes = outcome.records.iter().map(riverrun_log::NewRecord::bytes).sum();
                task.count_outputs(&outcome);
                commit.records.extend(outcome.records);
                bytes
            }
            Err(Failed { event, cause, error }) => {
                let bytes = event.bytes();
                self.set_aside(task, event, cause.as_ref(), &error, commit);
                bytes
            }
        }
    }

    /// Sets aside an event that a timer gave.
    fn set_aside(
        &self,
        task: &mut SteppingTask,
        event: Event,
        cause: Option<&riverrun_event::Position>,
        error: &EventError,
        commit: &mut TaskCommit,
    ) {
        let what = event.id.clone();
        self.set_event_aside(task, event, cause, &what, error, commit);
    }
}

impl SteppingTask {
    /// Takes back what the last event, or timer, has changed.
    pub(crate) fn undo(&mut self) {
        self.state.get_mut().undo();
        self.timers.undone();
    }

    /// When the next timer of the wall clock is due.
    pub(crate) fn wakes_at(&mut self) -> Result<Option<Time>, Interruption> {
        let next = self.timers.next(self.state.get_mut(), Clock::Wall);
        next.map_err(|error| Interruption::Restart(error.to_string()))
    }

    /// All changes of state since the last commit, what the clocks say among them.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let mut changes = self.state.get_mut().take_changes();
        if self.clocks != self.committed_clocks {
            self.committed_clocks = self.clocks;
            let mut row = Vec::with_capacity(24);
            put_time(&mut row, self.clocks.event);
            put_time(&mut row, self.clocks.wall);
            let (operator, key) = (OperatorName::clocks(), Bytes::from_static(CLOCKS_KEY));
            changes.rows.push(StateChange { operator, key, value: Some(row.into()) });
        }
        changes
    }
}

/// What the clocks of a task said at its last commit.
pub(crate) fn read_clocks(state: &dyn StateRead) -> Result<Clocks, Interruption> {
    let restart = |error: String| Interruption::Restart(error);
    let row = state.get(&OperatorName::clocks(), CLOCKS_KEY).map_err(|error| restart(error.to_string()))?;
    let Some(row) = row else { return Ok(Clocks::START) };
    let mut reader = RowReader::new(row);
    let mut time = || reader.time().map_err(|error| restart(error.to_string()));
    Ok(Clocks { event: time()?, wall: time()? })
}
