//! What a step may see besides its event, and how it answers.

use bytes::Bytes;
use riverrun_event::{ModelName, OperatorName, Position, Record, Time};

use crate::document::{DocumentError, Json};
use crate::draft::{Cause, Draft};
use crate::operators::lookup::{Answer, Question};
use crate::timers::{Clock, Clocks, Timers};

/// What the runtime hands to an operator: the models as of the event, and the keyed state of the task.
pub struct StepContext<'a> {
    /// The models as they were at the event's time, within the frontier of this commit.
    pub models: &'a mut dyn Models,
    /// The task's state, including what earlier steps of the same commit changed.
    pub state: &'a mut dyn KeyedState,
    /// What services outside have answered.
    pub answers: &'a mut dyn Answers,
    /// The task's timers.
    pub timers: &'a mut Timers,
    /// What the task's clocks say, the present event included.
    pub clocks: Clocks,
    /// Which of the operator's inputs the event comes from: 0 is the flow of the steps, then those of
    /// [`crate::Operator::further_inputs`] in order.
    pub port: usize,
    /// The record that is stepped; none while timers fire.
    pub record: Option<&'a Record>,
    /// What `peek` steps saw; counts only if the step succeeds.
    pub peeked: &'a mut Vec<Peeked>,
    /// Events that came too late for the operator that is applied, or for a part of what it does. They are counted, and go
    /// to the place it declares for them, if it does.
    pub late: &'a mut Vec<Draft>,
    /// How many came too late for the steps so far.
    pub late_count: u64,
}

impl StepContext<'_> {
    /// What an event was made from: what it says itself, else the record that is stepped. None for what a timer made of
    /// nothing.
    #[must_use]
    pub fn cause_of(&self, draft: &Draft) -> Option<Cause> {
        draft.cause().cloned().or_else(|| self.record.map(Cause::of))
    }

    /// Sets a timer of `operator`; see [`Timers::set`].
    pub fn set_timer(&mut self, clock: Clock, time: Time, operator: &OperatorName, key: &[u8]) {
        self.timers.set(self.state, clock, time, operator, key);
    }

    /// Takes a timer of `operator` back.
    pub fn cancel_timer(&mut self, clock: Clock, time: Time, operator: &OperatorName, key: &[u8]) {
        self.timers.cancel(self.state, clock, time, operator, key);
    }
}

/// What a `peek` step saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// The step.
    pub operator: OperatorName,
    /// The value as text.
    pub value: String,
}

/// Looks up model versions.
pub trait Models {
    /// The version of the entity `key` that was in force at `at`; `None` when it was unknown or deleted then.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the model's store cannot be read.
    fn version(&mut self, model: &ModelName, key: &[u8], at: Time) -> Result<Option<ModelVersion>, StepError>;
}

/// Knows what services outside have answered.
pub trait Answers {
    /// The answer to a question about the event that is stepped; `None` while it is not there.
    fn answer(&mut self, question: &Question) -> Option<Answer>;
}

/// Nothing was asked.
pub struct NoAnswers;

impl Answers for NoAnswers {
    fn answer(&mut self, _: &Question) -> Option<Answer> {
        None
    }
}

/// One version of an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelVersion {
    /// The event it comes from.
    pub position: Position,
    /// The entity's data, checked when it was fetched; what is wrong with it where it is no JSON.
    pub data: Result<Json, DocumentError>,
}

/// Keyed state of a task, one row per (operator, key).
pub trait KeyedState {
    /// The row's value.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the state cannot be read.
    fn get(&mut self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StepError>;

    /// Puts the row, or deletes it when `value` is `None`. It is kept only if the step succeeds and its commit happens.
    fn put(&mut self, operator: &OperatorName, key: &[u8], value: Option<Bytes>);

    /// The rows with `from <= key < to`, smallest first, at most `limit`; what the step put is among them.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the state cannot be read.
    fn scan(
        &mut self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StepError>;
}

/// Where an event goes after an operator.
#[derive(Debug)]
pub enum Flow {
    /// On to the next operator.
    Pass,
    /// Nowhere; the pipeline is done with it.
    Drop,
    /// These events go on in its place, in order.
    Replace(Vec<Draft>),
    /// Into this way of the branch.
    Enter(usize),
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The event is at fault; the pipeline's `on_error` decides.
    #[error(transparent)]
    Event(#[from] EventError),
    /// A service outside has to be asked first; then the event is stepped again. Nothing of this attempt may be kept.
    #[error("the answer to {}'s question {:?} is not there yet", .0.operator, String::from_utf8_lossy(&.0.request))]
    Waits(Question),
    /// Not the event's fault (state cannot be read); the worker's tasks restart from the last commit.
    #[error("{0}")]
    Fatal(String),
}

/// An event that a step could not process.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} in {operator}: {message}")]
pub struct EventError {
    /// Stable code with a page in docs/errors, for example `RR0301`.
    pub code: &'static str,
    /// The operator that failed.
    pub operator: OperatorName,
    /// What happened and what was expected.
    pub message: String,
}
