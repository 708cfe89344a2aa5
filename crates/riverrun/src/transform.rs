//! Typed transformers: what a service writes, and how the topology runs it.

use std::any::TypeId;

use bytes::Bytes;
use riverrun_event::Time;
use riverrun_topology::{Clock, TransformError, Transformer, TransformerState, TransformerTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{Error, Event};

/// A transformer with typed input, output and state per key.
///
/// It must be pure: the same event and state give the same outputs and state, whenever it runs. Clock, randomness, network and
/// disk belong elsewhere; a replay runs it again and must get the same bytes. A panic counts as an error of the event.
pub trait Transform: Send + Sync + 'static {
    /// The data of the events it takes.
    type Input: DeserializeOwned;
    /// The data of the events it gives.
    type Output: Serialize;
    /// What it keeps per key, as JSON; `()` for nothing. It starts from the default, and a key whose state is the default
    /// again takes no room.
    type State: Serialize + DeserializeOwned + Default + 'static;

    /// Transforms one event into any number of events.
    ///
    /// # Errors
    /// Any error makes the pipeline's `on_error` decide about the event; the state stays as it was.
    fn transform(
        &self,
        event: Event<Self::Input>,
        state: &mut Self::State,
        outputs: &mut Outputs<Self::Output>,
    ) -> Result<(), Error>;

    /// Does what a timer was set for (see [`Outputs::set_timer`]); by default nothing. What it emits has the timer's key and
    /// time; it has no cause but the timer.
    ///
    /// # Errors
    /// Any error makes the pipeline's `on_error` decide; the state stays as it was.
    fn timer(
        &self,
        _timer: &TransformerTimer,
        _state: &mut Self::State,
        _outputs: &mut Outputs<Self::Output>,
    ) -> Result<(), Error> {
        Ok(())
    }
}

/// Takes what a transformer emits.
pub struct Outputs<O> {
    template: riverrun_event::Event,
    events: Vec<riverrun_event::Event>,
    failed: Option<serde_json::Error>,
    timers: Vec<(Clock, Time, bool)>,
    data: std::marker::PhantomData<fn(O)>,
}

impl<O: Serialize> Outputs<O> {
    /// Emits `data` as the event's new data; type, subject, key, time and attributes stay.
    pub fn emit(&mut self, data: &O) {
        let kind = self.template.kind.clone();
        self.emit_as(&kind, data);
    }

    /// Emits `data` as an event of another type.
    pub fn emit_as(&mut self, kind: &str, data: &O) {
        match serde_json::to_vec(data) {
            Ok(json) => {
                let event =
                    riverrun_event::Event { data: Some(json.into()), kind: kind.into(), ..self.template.clone() };
                self.events.push(event);
            }
            Err(error) => self.failed = Some(error),
        }
    }
}

impl<O> Outputs<O> {
    fn new(template: riverrun_event::Event) -> Self {
        Self { template, events: Vec::new(), failed: None, timers: Vec::new(), data: std::marker::PhantomData }
    }

    /// Sets a timer under the event's key; only a transformer with state has timers. It fires when the clock has come to
    /// `time`, before the event that brought it there is transformed.
    pub fn set_timer(&mut self, clock: Clock, time: Time) {
        self.timers.push((clock, time, true));
    }

    /// Takes a timer back that was set for this time.
    pub fn cancel_timer(&mut self, clock: Clock, time: Time) {
        self.timers.push((clock, time, false));
    }
}

/// Runs a typed transformer as the topology's untyped one, for [`riverrun_topology::Topology::builder`].
pub struct Typed<T>(pub T);

impl<T: Transform> Transformer for Typed<T> {
    fn is_keyed(&self) -> bool {
        TypeId::of::<T::State>() != TypeId::of::<()>()
    }

    fn transform(
        &self,
        input: &riverrun_event::Event,
        state: &mut TransformerState<'_>,
        outputs: &mut Vec<riverrun_event::Event>,
    ) -> Result<(), TransformError> {
        let event = Event::from_wire(input).map_err(|error| refused(error.to_string()))?;
        let template = riverrun_event::Event { data: None, content_type: None, ..input.clone() };
        self.run(template, state, outputs, |held, emitted| self.0.transform(event, held, emitted))
    }

    fn timer(
        &self,
        timer: &TransformerTimer,
        state: &mut TransformerState<'_>,
        outputs: &mut Vec<riverrun_event::Event>,
    ) -> Result<(), TransformError> {
        let mut template = riverrun_event::Event::new("timer", "/timer", "riverrun.timer");
        (template.key, template.time) = (Some(timer.key.clone()), Some(timer.time));
        self.run(template, state, outputs, |held, emitted| self.0.timer(timer, held, emitted))
    }
}

fn refused(error: String) -> TransformError {
    TransformError::Event(error)
}

impl<T: Transform> Typed<T> {
    /// Reads the state, runs the transformer, and takes over what it left.
    fn run(
        &self,
        template: riverrun_event::Event,
        state: &mut TransformerState<'_>,
        outputs: &mut Vec<riverrun_event::Event>,
        run: impl FnOnce(&mut T::State, &mut Outputs<T::Output>) -> Result<(), Error>,
    ) -> Result<(), TransformError> {
        let mut held: T::State = match state.get() {
            None => T::State::default(),
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|error| refused(format!("the state kept for this key does not fit any more: {error}")))?,
        };
        let mut emitted = Outputs::new(template);
        run(&mut held, &mut emitted).map_err(|error| refused(error.to_string()))?;
        if let Some(error) = emitted.failed {
            return Err(refused(format!("an output cannot be written as JSON: {error}")));
        }
        if self.is_keyed() {
            let bytes = serde_json::to_vec(&held).map_err(|error| refused(format!("the state: {error}")))?;
            if state.get().is_none_or(|before| before[..] != bytes[..]) {
                let is_default = serde_json::to_vec(&T::State::default()).is_ok_and(|default| default == bytes);
                state.put((!is_default).then(|| Bytes::from(bytes)));
            }
        }
        for (clock, time, is_set) in emitted.timers {
            if is_set { state.set_timer(clock, time) } else { state.cancel_timer(clock, time) }
        }
        outputs.append(&mut emitted.events);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds what comes to what is kept.
    struct Adding;

    impl Transform for Adding {
        type Input = i64;
        type Output = i64;
        type State = i64;

        fn transform(&self, event: Event<i64>, sum: &mut i64, _: &mut Outputs<i64>) -> Result<(), Error> {
            *sum += event.data;
            Ok(())
        }
    }

    #[test]
    fn state_that_is_the_default_again_is_deleted() {
        let mut kept = None;
        for (number, expected) in [(0, None), (5, Some("5")), (-5, None), (7, Some("7"))] {
            let event = Event::new("number", number).to_wire().unwrap();
            let mut state = TransformerState::new(kept.as_ref());
            Typed(Adding).transform(&event, &mut state, &mut Vec::new()).unwrap();
            let left = state.get().cloned();
            assert_eq!(left.as_deref(), expected.map(str::as_bytes), "after {number}");
            kept = left;
        }
    }
}
