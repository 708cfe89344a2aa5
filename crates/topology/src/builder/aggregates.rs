//! Steps that bring the events of a key together: `count`, `aggregate`, `reduce`, `fold`, `cogroup`.

use std::time::Duration;

use riverrun_event::{TopicName, ViewName};

use crate::document::Json;
use crate::expression::Expression;
use crate::operators::Operator;
use crate::operators::aggregate::{Aggregate, Emit, Fields, FieldsError, Fold, Function, Method, Options};
use crate::sink::Sink;
use crate::window::Window;

use super::Mistakes;
use super::steps::{StepsBuilder, whole};

/// Which events an aggregate brings together, and when it says what they come to.
#[must_use]
#[derive(Debug, Default)]
pub struct Aggregated {
    window: Option<Window>,
    emit: Emit,
    late: Option<String>,
    view: Option<String>,
    keep: Duration,
    merge: Option<String>,
    name: Option<String>,
}

impl Aggregated {
    /// Only those of one window; all of a key otherwise.
    pub fn window(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }

    /// Results come once, when a window takes no more events; with each event otherwise.
    pub fn emit_on_close(self) -> Self {
        Self { emit: Emit::Close, ..self }
    }

    /// Results come at most so often by the wall clock; the last always comes.
    pub fn emit_every(self, pause: Duration) -> Self {
        Self { emit: Emit::Every(pause), ..self }
    }

    /// The topic for events that come too late for a window.
    pub fn late(self, topic: &str) -> Self {
        Self { late: Some(topic.to_owned()), ..self }
    }

    /// What the state is called for readers.
    pub fn view(self, name: &str) -> Self {
        Self { view: Some(name.to_owned()), ..self }
    }

    /// How long a window that takes no more events stays readable.
    pub fn keep(self, keep: Duration) -> Self {
        Self { keep, ..self }
    }

    /// How the states of a `fold` or `cogroup` become one where windows merge: `state` is the earlier, `data` the later.
    pub fn merge(self, source: &str) -> Self {
        Self { merge: Some(source.to_owned()), ..self }
    }

    /// The field in which `count` gives the number; `count` otherwise.
    pub fn field(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    fn options(self, place: &str, mistakes: &mut Mistakes) -> Option<Options> {
        let late = self.late.map(|topic| mistakes.named(|| format!("{place}.late"), TopicName::new(&topic)));
        let view = self.view.map(|name| mistakes.named(|| format!("{place}.view"), ViewName::new(&name)));
        let is_whole = late != Some(None) && view != Some(None);
        is_whole.then(|| Options {
            window: self.window,
            emit: self.emit,
            late: late.flatten().map(Sink::Topic),
            view: view.flatten(),
            keep: self.keep,
        })
    }
}

/// A state as it is declared.
struct States<'t> {
    initial: Option<&'t str>,
    with: &'t str,
    streams: Vec<(&'t str, &'t str)>,
}

impl<O> StepsBuilder<'_, O> {
    /// Counts the events of each key, or of each key and window.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use riverrun_topology::{Topology, Window};
    ///
    /// let hour = Duration::from_secs(3_600);
    /// let topology = Topology::builder("airport").topic("flights", |topic| topic.key("data.carrier")).pipeline("busy", |pipeline| {
    ///     pipeline.from("flights").count(|count| count.window(Window::tumbling(hour)).emit_on_close()).to("hourly")
    /// });
    /// assert!(topology.build().is_ok());
    /// ```
    pub fn count(mut self, declare: impl FnOnce(Aggregated) -> Aggregated) -> Self {
        let declared = declare(Aggregated::default());
        let name = declared.name.clone().unwrap_or_else(|| "count".to_owned());
        let place = self.place("count");
        let fields = self.fields(&place, vec![(name, Function::count())]);
        self.aggregated(place, fields.map(Method::Count), declared)
    }

    /// Gives fields of functions over the events of each key, or of each key and window: `[("worst", "max(data.delay)")]`.
    pub fn aggregate<'t>(
        mut self,
        fields: impl IntoIterator<Item = (&'t str, &'t str)>,
        declare: impl FnOnce(Aggregated) -> Aggregated,
    ) -> Self {
        let place = self.place("aggregate");
        let field = |(name, source): (&str, &str)| {
            let at = || format!("{place}.fields.{name}");
            Some((name.to_owned(), self.scope.mistakes.compiled(at, source, Function::parse)?))
        };
        let fields = whole(fields.into_iter().map(field));
        let fields = fields.and_then(|fields| self.fields(&place, fields));
        self.aggregated(place, fields.map(Method::Aggregate), declare(Aggregated::default()))
    }

    /// Makes one of two: of the state so far, which is the data of the first event to begin with, and an event.
    pub fn reduce(self, with: &str, declare: impl FnOnce(Aggregated) -> Aggregated) -> Self {
        let states = States { initial: None, with, streams: Vec::new() };
        self.states("reduce", Method::Reduce, &states, declare(Aggregated::default()))
    }

    /// Makes a state anew with each event, beginning with `initial`, which is JSON.
    pub fn fold(self, initial: &str, with: &str, declare: impl FnOnce(Aggregated) -> Aggregated) -> Self {
        let states = States { initial: Some(initial), with, streams: Vec::new() };
        self.states("fold", Method::Fold, &states, declare(Aggregated::default()))
    }

    /// Makes one state of the events of these steps, `with`, and of further topics, each with an expression of its own.
    pub fn cogroup<'t>(
        self,
        initial: &str,
        with: &str,
        streams: impl IntoIterator<Item = (&'t str, &'t str)>,
        declare: impl FnOnce(Aggregated) -> Aggregated,
    ) -> Self {
        let states = States { initial: Some(initial), with, streams: streams.into_iter().collect() };
        self.states("cogroup", Method::Cogroup, &states, declare(Aggregated::default()))
    }

    fn states(self, verb: &str, method: fn(Fold) -> Method, states: &States<'_>, declared: Aggregated) -> Self {
        let place = self.place(verb);
        let mistakes = &mut *self.scope.mistakes;
        let mut expression = |field: &str, source: &str| {
            mistakes.compiled(|| format!("{place}.{field}"), source, Expression::parse_with_state)
        };
        let with = expression("with", states.with);
        let merge = declared.merge.as_ref().map(|source| expression("merge", source));
        let streams = states.streams.iter().map(|(topic, source)| expression(&format!("streams.{topic}"), source));
        let streams: Vec<Option<Expression>> = streams.collect();
        let topics = states
            .streams
            .iter()
            .map(|(topic, _)| mistakes.named(|| format!("{place}.streams"), TopicName::new(topic)));
        let streams = whole(topics.collect::<Vec<_>>().into_iter().zip(streams).map(|(topic, with)| topic.zip(with)));
        let initial = states.initial.map(|text| {
            let checked = Json::check(text.to_owned());
            checked.map_err(|error| mistakes.add(format!("{place}.initial"), error.to_string())).ok()
        });
        let fold = match (initial, with, streams, merge) {
            (Some(None), ..) | (.., Some(None)) => None,
            (initial, Some(with), Some(streams), merge) => {
                Some(Fold { initial: initial.flatten(), with, streams, merge: merge.flatten() })
            }
            _ => None,
        };
        self.aggregated(place, fold.map(method), declared)
    }

    fn fields(&mut self, place: &str, fields: Vec<(String, Function)>) -> Option<Fields> {
        let refused = |error: FieldsError| self.scope.mistakes.add(format!("{place}.fields"), error.to_string());
        Fields::new(fields).map_err(refused).ok()
    }

    fn aggregated(self, place: String, method: Option<Method>, declared: Aggregated) -> Self {
        let options = declared.options(&place, self.scope.mistakes);
        let aggregate = method.zip(options).map(|(method, options)| Aggregate { method, options });
        self.step(aggregate.map(|aggregate| Operator::Aggregate(Box::new(aggregate))))
    }
}
