//! Typed transformers: what a service writes, and how the topology runs it.

use std::any::TypeId;

use bytes::Bytes;
use riverrun_topology::{TransformError, Transformer, TransformerState};
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
    /// What it keeps per key, as JSON; `()` for nothing. It starts from the default.
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
}

/// Takes what a transformer emits.
pub struct Outputs<O> {
    template: riverrun_event::Event,
    events: Vec<riverrun_event::Event>,
    failed: Option<serde_json::Error>,
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
        let refused = |error: String| TransformError::Event(error);
        let event = Event::from_wire(input).map_err(|error| refused(error.to_string()))?;
        let mut held: T::State = match state.get() {
            None => T::State::default(),
            Some(bytes) => serde_json::from_slice(bytes)
                .map_err(|error| refused(format!("the state kept for this key does not fit any more: {error}")))?,
        };
        let template = riverrun_event::Event { data: None, content_type: None, ..input.clone() };
        let mut emitted = Outputs { template, events: Vec::new(), failed: None, data: std::marker::PhantomData };
        self.0.transform(event, &mut held, &mut emitted).map_err(|error| refused(error.to_string()))?;
        if let Some(error) = emitted.failed {
            return Err(refused(format!("an output cannot be written as JSON: {error}")));
        }
        if self.is_keyed() {
            let bytes = serde_json::to_vec(&held).map_err(|error| refused(format!("the state: {error}")))?;
            if state.get().is_none_or(|before| before[..] != bytes[..]) {
                state.put(Some(Bytes::from(bytes)));
            }
        }
        outputs.append(&mut emitted.events);
        Ok(())
    }
}
