//! What the operators' tests share: events, a world of models and state, and `check`.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use riverrun_event::{Event, Key, ModelName, Offset, OperatorName, Partition, Record, Time, TopicName, TopicPartition};

use super::Operator;
use crate::context::{Flow, KeyedState, ModelVersion, Models, NoAnswers, StepContext, StepError};
use crate::document::Json;
use crate::draft::Draft;
use crate::timers::{Clocks, Timers};

/// Models and state in memory.
#[derive(Default)]
pub(crate) struct World {
    /// (model, key) to (position, data).
    pub(crate) versions: HashMap<(String, Vec<u8>), (&'static str, &'static str)>,
    pub(crate) state: State,
    timers: Timers,
    clocks: Option<Clocks>,
    /// What came too late, as JSON data.
    pub(crate) late: Vec<String>,
    records: u64,
}

#[derive(Default)]
pub(crate) struct State(BTreeMap<(String, Vec<u8>), Bytes>);

struct Versions<'a>(&'a HashMap<(String, Vec<u8>), (&'static str, &'static str)>);

impl World {
    pub(crate) fn apply(&mut self, operator: &Operator, draft: &mut Draft) -> Result<Flow, StepError> {
        self.apply_at(operator, 0, draft)
    }

    /// Applies the operator to an event that comes to one of its ports.
    pub(crate) fn apply_at(&mut self, operator: &Operator, port: usize, draft: &mut Draft) -> Result<Flow, StepError> {
        let record = self.record(port, draft);
        self.advance(draft);
        self.within(port, Some(&record), |context| operator.apply(&tested(), draft, context))
    }

    /// Everything that comes out when an event comes to a port: what timers emit that its time makes due, then what becomes of
    /// the event itself. Each as its key and its data, `-` where there is none.
    pub(crate) fn step(&mut self, operator: &Operator, port: usize, mut draft: Draft) -> Vec<String> {
        self.advance(&draft);
        let mut out = self.fire(operator);
        match self.apply_at(operator, port, &mut draft).unwrap() {
            Flow::Pass => out.push(shown(draft)),
            Flow::Drop => {}
            Flow::Replace(drafts) => out.extend(drafts.into_iter().map(shown)),
            Flow::Enter(way) => out.push(format!("way {way}: {}", shown(draft))),
        }
        out
    }

    /// What timers emit that are due.
    pub(crate) fn fire(&mut self, operator: &Operator) -> Vec<String> {
        self.fire_due(operator).into_iter().map(shown).collect()
    }

    /// What timers emit that an event's time makes due.
    pub(crate) fn fired(&mut self, operator: &Operator, draft: &Draft) -> Vec<Draft> {
        self.advance(draft);
        self.fire_due(operator)
    }

    fn fire_due(&mut self, operator: &Operator) -> Vec<Draft> {
        let mut out = Vec::new();
        let clocks = self.clocks.unwrap_or(Clocks::START);
        while let Some(timer) = self.timers.take_due(&mut self.state, &clocks).unwrap() {
            out.extend(self.within(0, None, |context| operator.fire(&tested(), &timer, context)).unwrap());
        }
        out
    }

    /// Forgets everything but the state and what the clocks say, as a restart does.
    pub(crate) fn restart(&mut self) {
        self.timers = Timers::default();
    }

    /// Lets the next event come from the record of the last one.
    pub(crate) fn records_again(&mut self) {
        self.records -= 1;
    }

    /// Moves the wall clock to a second while nothing comes in; gives what timers emit then.
    pub(crate) fn wait_until(&mut self, operator: &Operator, seconds: i64) -> Vec<String> {
        let clocks = self.clocks.get_or_insert(Clocks::START);
        clocks.advance(Clocks::START.event, Time::from_unix(seconds, 0));
        self.fire(operator)
    }

    /// The operator's own rows.
    pub(crate) fn own_rows(&self) -> Vec<(Vec<u8>, Bytes)> {
        let own = self.state.0.iter().filter(|((owner, _), _)| *owner == tested().to_string());
        own.map(|((_, key), value)| (key.clone(), value.clone())).collect()
    }

    /// How many rows of state there are, those of timers included.
    pub(crate) fn rows(&self) -> usize {
        self.state.0.len()
    }

    fn advance(&mut self, draft: &Draft) {
        let clocks = self.clocks.get_or_insert(Clocks::START);
        clocks.advance(draft.event_time(), draft.accepted());
    }

    fn record(&mut self, port: usize, draft: &mut Draft) -> Record {
        self.records += 1;
        let topic = TopicName::new(&format!("input-{port}")).unwrap();
        let position = TopicPartition::new(topic, Partition(0)).at(Offset(self.records - 1));
        Record { position, accepted: draft.accepted(), event: draft.rendered().clone() }
    }

    fn within<T>(
        &mut self,
        port: usize,
        record: Option<&Record>,
        run: impl FnOnce(&mut StepContext<'_>) -> Result<T, StepError>,
    ) -> Result<T, StepError> {
        let (mut peeked, mut late) = (Vec::new(), Vec::new());
        let mut context = StepContext {
            models: &mut Versions(&self.versions),
            state: &mut self.state,
            answers: &mut NoAnswers,
            timers: &mut self.timers,
            clocks: self.clocks.unwrap_or(Clocks::START),
            port,
            record,
            peeked: &mut peeked,
            late: &mut late,
            late_count: 0,
        };
        let ran = run(&mut context);
        self.late.extend(late.into_iter().map(shown));
        ran
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

    fn scan(
        &mut self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        let place = |key: &[u8]| (operator.to_string(), key.to_vec());
        if from >= to {
            return Ok(Vec::new());
        }
        let rows = self.0.range(place(from)..place(to)).take(limit);
        Ok(rows.map(|((_, key), value)| (Bytes::from(key.clone()), value.clone())).collect())
    }
}

fn tested() -> OperatorName {
    OperatorName::new("tested").unwrap()
}

/// Key and data of an event: `ada {"n":1}`.
pub(crate) fn shown(draft: Draft) -> String {
    let event = draft.into_event();
    let key = event.key.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let data = event.data.map_or_else(|| "-".to_owned(), |data| String::from_utf8(data.to_vec()).unwrap());
    format!("{key} {data}")
}

/// An event with a key and JSON data (none when it is empty) at a second, accepted then.
pub(crate) fn event_at(seconds: i64, key: &str, data: &str) -> Draft {
    let mut event = Event::new(format!("e-{seconds}"), "/test", "test");
    event.key = (!key.is_empty()).then(|| Key::new(key.as_bytes().to_vec()).unwrap());
    event.data = (!data.is_empty()).then(|| data.as_bytes().to_vec().into());
    event.time = Some(Time::from_unix(seconds, 0));
    Draft::new(event, Time::from_unix(seconds, 0))
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
