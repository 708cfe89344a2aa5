//! What the operators' tests share: events, a world of models and state, and `check`.

use std::collections::HashMap;

use bytes::Bytes;
use riverrun_event::{Event, ModelName, OperatorName, Time};

use super::Operator;
use crate::context::{Flow, KeyedState, ModelVersion, Models, StepContext, StepError};
use crate::document::Json;
use crate::draft::Draft;

/// Models and state in memory.
#[derive(Default)]
pub(crate) struct World {
    /// (model, key) to (position, data).
    pub(crate) versions: HashMap<(String, Vec<u8>), (&'static str, &'static str)>,
    state: State,
}

#[derive(Default)]
struct State(HashMap<(String, Vec<u8>), Bytes>);

struct Versions<'a>(&'a HashMap<(String, Vec<u8>), (&'static str, &'static str)>);

impl World {
    pub(crate) fn apply(&mut self, operator: &Operator, draft: &mut Draft) -> Result<Flow, StepError> {
        let mut models = Versions(&self.versions);
        let mut peeked = Vec::new();
        let mut context = StepContext { models: &mut models, state: &mut self.state, peeked: &mut peeked };
        operator.apply(&OperatorName::new("tested").unwrap(), draft, &mut context)
    }
}

impl Models for Versions<'_> {
    fn version(&mut self, model: &ModelName, key: &[u8], _at: Time) -> Result<Option<ModelVersion>, StepError> {
        let held = self.0.get(&(model.to_string(), key.to_vec()));
        Ok(held.map(|(position, data)| ModelVersion { position: position.parse().unwrap(), data: Json::check(*data) }))
    }
}

impl KeyedState for State {
    fn get(&mut self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StepError> {
        Ok(self.0.get(&(operator.to_string(), key.to_vec())).cloned())
    }

    fn put(&mut self, operator: &OperatorName, key: &[u8], value: Option<Bytes>) {
        let row = (operator.to_string(), key.to_vec());
        match value {
            Some(value) => self.0.insert(row, value),
            None => self.0.remove(&row),
        };
    }
}

/// An event with JSON data; without data when it is empty.
pub(crate) fn draft(data: &'static str) -> Draft {
    let mut event = Event::new("1", "/test", "test");
    event.data = (!data.is_empty()).then(|| data.into());
    Draft::new(event, Time::from_unix(0, 0))
}

/// The data an event has after the operator; `None` when it was dropped.
#[track_caller]
pub(crate) fn check(operator: &Operator, before: &'static str, after: Option<&str>) {
    let mut draft = draft(before);
    let passed = matches!(World::default().apply(operator, &mut draft).unwrap(), Flow::Pass);
    let data = passed.then(|| draft.into_event().data.unwrap());
    assert_eq!(data.as_deref(), after.map(str::as_bytes));
}

#[track_caller]
pub(crate) fn check_error(operator: &Operator, data: &'static str, code: &str, message: &str) {
    let Err(StepError::Event(error)) = World::default().apply(operator, &mut draft(data)) else {
        panic!("no error of the event")
    };
    assert_eq!((error.code, error.message.as_str()), (code, message));
}
