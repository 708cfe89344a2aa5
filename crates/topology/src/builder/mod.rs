//! The Rust builder: gives the same [`Topology`] as an app file. Mistakes are collected and reported together by
//! [`TopologyBuilder::build`], with their places written as in an app file.

mod aggregates;
mod branch;
mod joins;
mod pipeline;
mod repartition;
mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_event::{AppName, ModelName, NameError, PipelineName, TopicName};

pub use aggregates::Aggregated;
pub use branch::BranchBuilder;
pub use joins::Keeping;
pub use pipeline::PipelineBuilder;
pub use repartition::Repartitioned;
pub use steps::{OfMerge, OfPipeline, OfWay, StepsBuilder};

use crate::document::Path;
use crate::expression::{Expression, ExpressionError};
use crate::model::{Model, Placement};
use crate::topic::{Compact, Topic, TypePattern};
use crate::topology::{Topology, TopologyError};

/// Builds a topology; made by [`Topology::builder`].
#[must_use]
pub struct TopologyBuilder {
    app: String,
    topics: BTreeMap<TopicName, Topic>,
    models: BTreeMap<ModelName, Model>,
    pipelines: BTreeMap<PipelineName, crate::Pipeline>,
    mistakes: Mistakes,
}

/// What went wrong so far, and the place being built.
#[derive(Default)]
struct Mistakes(Vec<TopologyError>);

/// Declares one topic.
#[must_use]
pub struct TopicBuilder<'b> {
    topic: Topic,
    mistakes: &'b mut Mistakes,
}

/// Declares one model.
#[must_use]
pub struct ModelBuilder<'b> {
    model: Model,
    mistakes: &'b mut Mistakes,
}

impl Topology {
    /// Starts a topology in Rust.
    ///
    /// # Examples
    /// ```
    /// use riverrun_topology::Topology;
    ///
    /// let topology = Topology::builder("flights")
    ///     .topic("flights", |topic| topic.partitions(4).key("data.tailnum"))
    ///     .topic("planes", |topic| topic.key("data.tailnum"))
    ///     .model("plane", "planes", |model| model)
    ///     .pipeline("departures", |pipeline| {
    ///         pipeline
    ///             .from("flights")
    ///             .filter("data.dep_time != null")
    ///             .snapshot("plane", "data.tailnum")
    ///             .set("data.hours", "data.air_time == null ? null : data.air_time / 60")
    ///             .remove(["data.year", "data.month", "data.day"])
    ///             .to("departures")
    ///     })
    ///     .build()
    ///     .expect("no mistakes");
    /// assert_eq!(topology.topics.len(), 3);
    /// ```
    pub fn builder(app: &str) -> TopologyBuilder {
        TopologyBuilder {
            app: app.to_owned(),
            topics: BTreeMap::new(),
            models: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            mistakes: Mistakes::default(),
        }
    }
}

impl TopologyBuilder {
    /// Declares a topic.
    pub fn topic(mut self, name: &str, declare: impl FnOnce(TopicBuilder<'_>) -> TopicBuilder<'_>) -> Self {
        let place = || format!("topics.{name}");
        let Some(name) = self.mistakes.named(place, TopicName::new(name)) else { return self };
        let topic = declare(TopicBuilder { topic: Topic::new(name.clone()), mistakes: &mut self.mistakes }).topic;
        if self.topics.insert(name.clone(), topic).is_some() {
            self.mistakes.add(format!("topics.{name}"), "the topic is declared twice");
        }
        self
    }

    /// Declares a model that the topic `from` feeds.
    pub fn model(mut self, name: &str, from: &str, declare: impl FnOnce(ModelBuilder<'_>) -> ModelBuilder<'_>) -> Self {
        let model_name = self.mistakes.named(|| format!("models.{name}"), ModelName::new(name));
        let from = self.mistakes.named(|| format!("models.{name}.from"), TopicName::new(from));
        let (Some(name), Some(from)) = (model_name, from) else { return self };
        let model = declare(ModelBuilder { model: Model::new(name.clone(), from), mistakes: &mut self.mistakes }).model;
        if self.models.insert(name.clone(), model).is_some() {
            self.mistakes.add(format!("models.{name}"), "the model is declared twice");
        }
        self
    }

    /// Declares a pipeline. Its output topics are declared with the defaults unless that is done elsewhere.
    pub fn pipeline(mut self, name: &str, declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>) -> Self {
        let place = format!("pipelines.{name}");
        let Some(name) = self.mistakes.named(|| place.clone(), PipelineName::new(name)) else { return self };
        let pipeline = pipeline::built(name.clone(), &mut self.mistakes, declare);
        if self.pipelines.insert(name, pipeline).is_some() {
            self.mistakes.add(place, "the pipeline is declared twice");
        }
        self
    }

    /// The topology.
    ///
    /// # Errors
    /// Every mistake that was made, and everything [`Topology::check`] finds.
    pub fn build(mut self) -> Result<Topology, Vec<TopologyError>> {
        let Some(app) = self.mistakes.named(|| "app".to_owned(), AppName::new(&self.app)) else {
            return Err(self.mistakes.0);
        };
        for pipeline in self.pipelines.values() {
            for topic in pipeline.outputs() {
                self.topics.entry(topic.clone()).or_insert_with(|| Topic::new(topic.clone()));
            }
        }
        let mut topology = Topology { app, topics: self.topics, models: self.models, pipelines: self.pipelines };
        // What was left out because of a mistake would only be found missing again.
        let mut errors = if self.mistakes.0.is_empty() { topology.check() } else { self.mistakes.0 };
        // Who makes HTTP requests is registered by the app.
        errors.retain(|error| !matches!(error, TopologyError::UnknownLookup { .. }));
        if !errors.is_empty() {
            return Err(errors);
        }
        topology.insert_repartitions();
        Ok(topology)
    }
}

impl TopicBuilder<'_> {
    /// How many partitions; [`Topic::PARTITIONS_DEFAULT`] otherwise.
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.topic.partitions = partitions;
        self
    }

    /// The expression that gives the key.
    pub fn key(mut self, source: &str) -> Self {
        self.topic.key = self.expression("key", source);
        self
    }

    /// The expression plain JSON events take their id from.
    pub fn id(mut self, source: &str) -> Self {
        self.topic.id = self.expression("id", source);
        self
    }

    /// The expression plain JSON events take their time from.
    pub fn time(mut self, source: &str) -> Self {
        self.topic.time = self.expression("time", source);
        self
    }

    /// Takes the events of `POST /events` whose type matches; `device.*` matches what starts with `device.`.
    pub fn accept(mut self, pattern: &str) -> Self {
        self.topic.accept.push(TypePattern(pattern.to_owned()));
        self
    }

    /// Records accepted longer ago may be removed.
    pub fn retention_age(mut self, age: Duration) -> Self {
        self.topic.retention_age = Some(age);
        self
    }

    /// Of records with the same key only the newest may be kept.
    pub fn compact(mut self, compact: Compact) -> Self {
        self.topic.compact = Some(compact);
        self
    }

    /// The oldest records of a partition may be removed beyond this size.
    pub fn retention_bytes(mut self, bytes: u64) -> Self {
        self.topic.retention_bytes = Some(bytes);
        self
    }

    fn expression(&mut self, field: &str, source: &str) -> Option<Expression> {
        self.mistakes.expression(|| format!("topics.{}.{field}", self.topic.name), source)
    }
}

impl ModelBuilder<'_> {
    /// Which of the topic's events count.
    pub fn when(mut self, source: &str) -> Self {
        self.model.when = self.expression("when", source);
        self
    }

    /// The expression that gives the entity; the event's key otherwise.
    pub fn key(mut self, source: &str) -> Self {
        self.model.key = self.expression("key", source);
        self
    }

    /// The part of the data that is merged into what is known, instead of replacing it.
    pub fn merge(mut self, source: &str) -> Self {
        self.model.merge = self.expression("merge", source);
        self
    }

    /// Keeps it in the tasks that look it up, each with the entities of its partition, instead of whole in one place.
    pub fn copartitioned(mut self) -> Self {
        self.model.placement = Placement::Copartitioned;
        self
    }

    /// How far back versions are kept, by event time.
    pub fn history(mut self, history: Duration) -> Self {
        self.model.history = Some(history);
        self
    }

    fn expression(&mut self, field: &str, source: &str) -> Option<Expression> {
        self.mistakes.expression(|| format!("models.{}.{field}", self.model.name), source)
    }
}

impl Mistakes {
    fn add(&mut self, place: String, message: impl Into<String>) {
        self.0.push(TopologyError::Invalid { place, message: message.into() });
    }

    fn named<N>(&mut self, place: impl FnOnce() -> String, name: Result<N, NameError>) -> Option<N> {
        name.map_err(|error| self.add(place(), error.to_string())).ok()
    }

    fn expression(&mut self, place: impl FnOnce() -> String, source: &str) -> Option<Expression> {
        self.compiled(place, source, Expression::parse)
    }

    /// What a source gives that is parsed in a way of its own.
    fn compiled<T>(
        &mut self,
        place: impl FnOnce() -> String,
        source: &str,
        parse: impl FnOnce(&str) -> Result<T, ExpressionError>,
    ) -> Option<T> {
        let refused = |error: ExpressionError| {
            self.add(place(), format!("{error}, at byte {} of `{source}`", error.offset));
        };
        parse(source).map_err(refused).ok()
    }

    fn path(&mut self, place: impl FnOnce() -> String, path: &str) -> Option<Path> {
        Path::parse(path).map_err(|error| self.add(place(), error.to_string())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_mistakes_are_reported_together() {
        let errors = Topology::builder("flights")
            .topic("Flights", |topic| topic)
            .topic("planes", |topic| topic.key("dat.x").accept("plane.*"))
            .topic("planes", |topic| topic)
            .model("plane", "planes", |model| model.when("data.x ="))
            .pipeline("departures", |pipeline| {
                pipeline.from("planes").set("x", "1").filter("sise(data.x) > 1").to("departures")
            })
            .pipeline("shaped", |pipeline| {
                let shaped = pipeline.from("planes").map([("a", "1"), ("a.b", "2")]);
                shaped.branch(|branch| branch.when("big", "data.", |way| way.set("x", "1").to("Out")))
            })
            .build()
            .unwrap_err();
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "topics.Flights: 'F' is not allowed in a name; use a-z, 0-9, '.', '_' and '-'",
                "topics.planes.key: `dat` is not known; did you mean `data`?, at byte 0 of `dat.x`",
                "topics.planes: the topic is declared twice",
                "models.plane.when: `=` does not belong in an expression; compare with ==, at byte 7 of `data.x =`",
                "pipelines.departures.steps[0].set: \"x\" is no field of the data; write data.name or data.part.name",
                "pipelines.departures.steps[1].filter: there is no function sise(); did you mean size()?, at byte 0 of `sise(data.x) > 1`",
                "pipelines.shaped.steps[0].map: a.b is a field of its own and an object with fields in it, or is given twice",
                "pipelines.shaped.steps[1].branch.big.when: the expression ends too early; a value, a name or a closing bracket is missing, at byte 5 of `data.`",
                "pipelines.shaped.steps[1].branch.big.steps[0].set: \"x\" is no field of the data; write data.name or data.part.name",
                "pipelines.shaped.steps[1].branch.big.to: 'O' is not allowed in a name; use a-z, 0-9, '.', '_' and '-'",
            ]
        );
        let errors = Topology::builder("counts")
            .topic("orders", |topic| topic)
            .pipeline("counted", |pipeline| {
                let counted = pipeline.from("orders").count(|count| count.field("a b").late("Late").view("V"));
                let summed =
                    counted.aggregate([("n", "cuont()"), ("m", "max(dat.x)")], |sums| sums.keep(Duration::ZERO));
                let reduced = summed.reduce("stat", |state| state.emit_on_close());
                let folded = reduced.fold("{", "state.n", |state| state.merge("sate"));
                folded.cogroup("0", "state", [("Returns", "state +")], |state| state).to("out")
            })
            .build()
            .unwrap_err();
        let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "pipelines.counted.steps[0].count.fields: \"a b\" is no name of a field; write a word, without points and spaces",
                "pipelines.counted.steps[0].count.late: 'L' is not allowed in a name; use a-z, 0-9, '.', '_' and '-'",
                "pipelines.counted.steps[0].count.view: 'V' is not allowed in a name; use a-z, 0-9, '.', '_' and '-'",
                "pipelines.counted.steps[1].aggregate.fields.n: there is no function `cuont`; did you mean `count`?, at byte 0 of `cuont()`",
                "pipelines.counted.steps[1].aggregate.fields.m: `dat` is not known; did you mean `data`?, at byte 4 of `max(dat.x)`",
                "pipelines.counted.steps[2].reduce.with: `stat` is not known; did you mean `state`?, at byte 0 of `stat`",
                "pipelines.counted.steps[3].fold.merge: `sate` is not known; did you mean `state`?, at byte 0 of `sate`",
                "pipelines.counted.steps[3].fold.initial: the data is not valid JSON: expected a member name in double quotes at byte 1",
                "pipelines.counted.steps[4].cogroup.streams.Returns: the expression ends too early; a value, a name or a closing bracket is missing, at byte 7 of `state +`",
                "pipelines.counted.steps[4].cogroup.streams: 'R' is not allowed in a name; use a-z, 0-9, '.', '_' and '-'",
            ]
        );
        assert_eq!(Topology::builder("Ü").build().unwrap_err().len(), 1);
    }
}
