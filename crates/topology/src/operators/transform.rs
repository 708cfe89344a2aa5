//! `transform`: runs a transformer that the service registered under a name.
//!
//! ```
//! use riverrun_event::Event;
//! use riverrun_topology::{TransformError, Transformer, TransformerState};
//!
//! /// Counts the events of each key into the key's state, and emits every second one.
//! struct EverySecond;
//!
//! impl Transformer for EverySecond {
//!     fn is_keyed(&self) -> bool {
//!         true
//!     }
//!
//!     fn transform(&self, input: &Event, state: &mut TransformerState<'_>, outputs: &mut Vec<Event>) -> Result<(), TransformError> {
//!         if state.get().is_some() {
//!             outputs.push(input.clone());
//!             state.put(None);
//!         } else {
//!             state.put(Some("1".into()));
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let mut outputs = Vec::new();
//! EverySecond.transform(&Event::new("1", "/test", "t"), &mut TransformerState::new(None), &mut outputs)?;
//! assert!(outputs.is_empty());
//! # Ok::<(), TransformError>(())
//! ```

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{Event, Key, OperatorName, Time};

use crate::context::{Flow, StepContext, StepError};
use crate::draft::Draft;
use crate::panics::panic_message;
use crate::rows::unreadable;
use crate::timers::{Clock, Timer};

use super::{event_error, key_of};

/// The operator. Two are equal when they name the same transformer.
#[derive(Clone)]
pub struct Transform {
    /// The name it is registered under.
    pub transformer_name: String,
    /// The transformer; `None` until the service registers it, and such a pipeline does not start.
    pub transformer: Option<Arc<dyn Transformer>>,
}

/// A transformer: what users write. Pure: the same event and state give the same outputs and state, whenever it runs.
/// A panic counts as an error of the event.
pub trait Transformer: Send + Sync {
    /// Whether it keeps state per key; then an event without a key is an error.
    fn is_keyed(&self) -> bool;

    /// Transforms one event into any number of events, pushed to `outputs`. They are whole events: what is to stay of the
    /// input is cloned from it.
    ///
    /// # Errors
    /// [`TransformError::Event`] when the event cannot be processed; the pipeline's `on_error` decides.
    fn transform(
        &self,
        input: &Event,
        state: &mut TransformerState<'_>,
        outputs: &mut Vec<Event>,
    ) -> Result<(), TransformError>;

    /// Does what a timer was set for (see [`TransformerState::set_timer`]); by default nothing. Only a keyed transformer has
    /// timers.
    ///
    /// # Errors
    /// [`TransformError::Event`] when it fails; the pipeline's `on_error` decides.
    fn timer(
        &self,
        _timer: &TransformerTimer,
        _state: &mut TransformerState<'_>,
        _outputs: &mut Vec<Event>,
    ) -> Result<(), TransformError> {
        Ok(())
    }
}

/// A timer of a transformer that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformerTimer {
    /// Which clock it waited for.
    pub clock: Clock,
    /// When it was due.
    pub time: Time,
    /// The key it was set under.
    pub key: Key,
}

/// Why a transformer failed.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// The event is at fault.
    #[error("{0}")]
    Event(String),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StepError),
}

/// The one row of state that belongs to the event's key. Without a key it is empty and nothing put into it is kept.
pub struct TransformerState<'a> {
    before: Option<&'a Bytes>,
    /// What was put, if anything was.
    after: Option<Option<Bytes>>,
    /// Timers set (true) and taken back, in order.
    timers: Vec<(Clock, Time, bool)>,
}

impl<'a> TransformerState<'a> {
    /// State that holds `value` so far.
    #[must_use]
    pub fn new(value: Option<&'a Bytes>) -> Self {
        Self { before: value, after: None, timers: Vec::new() }
    }

    /// The state, `None` when there is none yet.
    #[must_use]
    pub fn get(&self) -> Option<&Bytes> {
        match &self.after {
            Some(after) => after.as_ref(),
            None => self.before,
        }
    }

    /// Replaces the state; `None` deletes it.
    pub fn put(&mut self, value: Option<Bytes>) {
        self.after = Some(value);
    }

    /// Sets a timer under the event's key. It fires when the clock has come to `time`, before the event that brought it there
    /// is transformed; the same once more changes nothing.
    pub fn set_timer(&mut self, clock: Clock, time: Time) {
        self.timers.push((clock, time, true));
    }

    /// Takes a timer back that was set for this time.
    pub fn cancel_timer(&mut self, clock: Clock, time: Time) {
        self.timers.push((clock, time, false));
    }
}

impl Transform {
    /// Runs the transformer over one event; what it puts is kept only when it succeeds.
    ///
    /// # Errors
    /// [`StepError::Event`] when a keyed transformer meets an event without a key (RR0305), or the transformer refuses the
    /// event (RR0306) or panics (RR0307); [`StepError::Fatal`] when the state cannot be read or no transformer is registered.
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let Some(transformer) = &self.transformer else {
            return Err(StepError::Fatal(format!("the transformer {:?} is not compiled in", self.transformer_name)));
        };
        let key = self.key(transformer.as_ref(), name, draft)?;
        let before = match &key {
            Some(key) => context.state.get(name, key.as_bytes())?,
            None => None,
        };
        let mut row = TransformerState::new(before.as_ref());
        let input = draft.rendered();
        let outputs = self.run(name, |outputs| transformer.transform(input, &mut row, outputs))?;
        if let Some(key) = key {
            row.keep(name, &key, context);
        }
        Ok(Flow::Replace(outputs.into_iter().map(|event| draft.another(event)).collect()))
    }

    /// Runs the transformer for a timer.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let Some(transformer) = &self.transformer else { return Ok(Vec::new()) };
        let key = Key::new(timer.key.to_vec()).map_err(|_| unreadable())?;
        let before = context.state.get(name, &timer.key)?;
        let mut row = TransformerState::new(before.as_ref());
        let due = TransformerTimer { clock: timer.clock, time: timer.time, key };
        let outputs = self.run(name, |outputs| transformer.timer(&due, &mut row, outputs))?;
        row.keep(name, &due.key, context);
        let accepted = context.clocks.wall;
        Ok(outputs.into_iter().map(|event| Draft::new(event, accepted)).collect())
    }

    /// A transformer that panicked half-way leaves nothing behind: its state and outputs are dropped.
    fn run(
        &self,
        name: &OperatorName,
        run: impl FnOnce(&mut Vec<Event>) -> Result<(), TransformError>,
    ) -> Result<Vec<Event>, StepError> {
        let mut outputs = Vec::new();
        match catch_unwind(AssertUnwindSafe(|| run(&mut outputs))) {
            Ok(Ok(())) => Ok(outputs),
            Ok(Err(TransformError::Event(message))) => Err(event_error("RR0306", name, message)),
            Ok(Err(TransformError::State(error))) => Err(error),
            Err(panic) => {
                let message =
                    format!("the transformer {:?} panicked: {}", self.transformer_name, panic_message(&*panic));
                Err(event_error("RR0307", name, message))
            }
        }
    }

    /// The key the state belongs to; `None` for a transformer without state.
    fn key(&self, transformer: &dyn Transformer, name: &OperatorName, draft: &Draft) -> Result<Option<Key>, StepError> {
        if !transformer.is_keyed() {
            return Ok(None);
        }
        key_of(name, draft, &format!("the transformer {:?}", self.transformer_name)).map(Some)
    }
}

impl TransformerState<'_> {
    /// Keeps what a transformer that succeeded has put and set.
    fn keep(self, name: &OperatorName, key: &Key, context: &mut StepContext<'_>) {
        if let Some(after) = self.after {
            context.state.put(name, key.as_bytes(), after);
        }
        for (clock, time, is_set) in self.timers {
            if is_set {
                context.set_timer(clock, time, name, key.as_bytes());
            } else {
                context.cancel_timer(clock, time, name, key.as_bytes());
            }
        }
    }
}

impl PartialEq for Transform {
    fn eq(&self, other: &Self) -> bool {
        self.transformer_name == other.transformer_name
    }
}

impl fmt::Debug for Transform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transform")
            .field("transformer_name", &self.transformer_name)
            .field("registered", &self.transformer.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, draft};
    use super::*;
    use crate::operators::Operator;

    struct Counting;

    impl Transformer for Counting {
        fn is_keyed(&self) -> bool {
            true
        }

        fn transform(
            &self,
            input: &Event,
            state: &mut TransformerState<'_>,
            outputs: &mut Vec<Event>,
        ) -> Result<(), TransformError> {
            let seen = state.get().map_or(0, |bytes| bytes.len()) + 1;
            state.put(Some("x".repeat(seen).into()));
            match input.data.as_deref() {
                Some(b"\"refuse\"") => return Err(TransformError::Event("refused".to_owned())),
                Some(b"\"panic\"") => panic!("at event {}", input.id),
                _ => {}
            }
            outputs.extend((0..seen).map(|_| input.clone()));
            Ok(())
        }
    }

    fn counting() -> Operator {
        Operator::Transform(Transform { transformer_name: "counting".into(), transformer: Some(Arc::new(Counting)) })
    }

    fn keyed(data: &'static str) -> Draft {
        let mut draft = draft(data);
        draft.header_mut().key = Some(Key::new("k").unwrap());
        draft
    }

    /// How many events come out, or code and message of the error.
    fn outcome(world: &mut World, operator: &Operator, mut draft: Draft) -> Result<usize, String> {
        match world.apply(operator, &mut draft) {
            Ok(Flow::Replace(drafts)) => Ok(drafts.len()),
            Ok(_) => unreachable!("a transformer replaces"),
            Err(StepError::Event(error)) => Err(format!("{} {}", error.code, error.message)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn state_belongs_to_the_key_and_stays_out_of_failed_events() {
        let mut world = World::default();
        assert_eq!(outcome(&mut world, &counting(), keyed("1")), Ok(1));
        assert_eq!(outcome(&mut world, &counting(), keyed("\"refuse\"")), Err("RR0306 refused".into()));
        let panicked = "RR0307 the transformer \"counting\" panicked: at event 1".to_owned();
        assert_eq!(outcome(&mut world, &counting(), keyed("\"panic\"")), Err(panicked));
        assert_eq!(outcome(&mut world, &counting(), keyed("1")), Ok(2));
        assert!(
            outcome(&mut world, &counting(), draft("1"))
                .unwrap_err()
                .starts_with("RR0305 the transformer \"counting\"")
        );
    }

    #[test]
    fn an_unregistered_transformer_is_not_the_events_fault() {
        let operator = Operator::Transform(Transform { transformer_name: "risk".into(), transformer: None });
        let error = outcome(&mut World::default(), &operator, keyed("1")).unwrap_err();
        assert_eq!(error, "the transformer \"risk\" is not compiled in");
    }
}
