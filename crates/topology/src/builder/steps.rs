//! Builds a list of steps, a step for each call: those of a pipeline, of a way of a branch, or of a merge.

use std::sync::Arc;

use riverrun_event::{ModelName, OperatorName, TopicName};

use crate::operators::Operator;
use crate::operators::branch::Branch;
use crate::operators::filter::Filter;
use crate::operators::flat_map::FlatMap;
use crate::operators::group_by::GroupBy;
use crate::operators::lookup::{Calling, Lookup, OnFailure};
use crate::operators::map::Map;
use crate::operators::merge::Merge;
use crate::operators::peek::Peek;
use crate::operators::remove::Remove;
use crate::operators::rename::Rename;
use crate::operators::repartition::{Partitioner, Repartition};
use crate::operators::select_key::SelectKey;
use crate::operators::set::Set;
use crate::operators::snapshot::{Snapshot, SnapshotModel};
use crate::operators::transform::{Transform, Transformer};
use crate::pipeline::{OnError, Step};
use crate::sink::{Route, Sink};
use crate::step_names::StepNames;

use super::Mistakes;
use super::branch::BranchBuilder;
use super::repartition::Repartitioned;

/// Declares steps in order. `O` says whose they are, which decides what else can be declared.
#[must_use]
pub struct StepsBuilder<'b, O> {
    pub(super) of: O,
    /// Where the steps stand, as a path of an app file.
    pub(super) place: String,
    pub(super) scope: Scope<'b>,
    steps: Vec<Step>,
    to: Option<Sink>,
    /// Steps declared so far, those with mistakes too.
    declared: usize,
}

/// What the whole pipeline shares.
pub(super) struct Scope<'b> {
    pub(super) mistakes: &'b mut Mistakes,
    pub(super) names: &'b mut StepNames,
}

/// The steps of a pipeline.
#[derive(Debug, Default)]
pub struct OfPipeline {
    pub(super) from: Vec<TopicName>,
    pub(super) on_error: OnError,
    pub(super) auto_repartition: bool,
}

/// The steps of a way of a branch.
#[derive(Debug)]
pub struct OfWay;

/// Steps that stand before or among others: those of a merge, or of a fragment.
#[derive(Debug)]
pub struct OfMerge;

/// Steps whose events can leave at their end.
pub trait Leaving: sealed::Sealed {}

impl Leaving for OfPipeline {}
impl Leaving for OfWay {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::OfPipeline {}
    impl Sealed for super::OfWay {}
}

/// What was declared.
pub(super) struct Built<O> {
    pub(super) of: O,
    pub(super) steps: Vec<Step>,
    pub(super) to: Option<Sink>,
}

impl Scope<'_> {
    /// The same for what is within.
    pub(super) fn inner(&mut self) -> Scope<'_> {
        Scope { mistakes: self.mistakes, names: self.names }
    }
}

impl<'b, O: Leaving> StepsBuilder<'b, O> {
    /// The topic that events go to that come to the end of these steps.
    pub fn to(mut self, topic: &str) -> Self {
        let topic = self.topic(topic);
        self.to = topic.map(Sink::Topic).or(self.to);
        self
    }

    /// Sends each event that comes to the end of these steps to the topic an expression names, which has to be one of `topics`.
    pub fn route<'t>(self, expression: &str, topics: impl IntoIterator<Item = &'t str>) -> Self {
        self.routed(expression, topics, None)
    }

    /// The same, with a topic for events for which the expression names none of them.
    pub fn route_or<'t>(self, expression: &str, topics: impl IntoIterator<Item = &'t str>, default: &str) -> Self {
        self.routed(expression, topics, Some(default))
    }

    fn routed<'t>(
        mut self,
        expression: &str,
        topics: impl IntoIterator<Item = &'t str>,
        default: Option<&str>,
    ) -> Self {
        let place = format!("{}.to", self.place);
        let expression = self.scope.mistakes.expression(|| place, expression);
        let topics = whole(topics.into_iter().map(|topic| self.topic(topic)));
        let default = default.map(|topic| self.topic(topic));
        if let (Some(expression), Some(topics), None | Some(Some(_))) = (expression, topics, &default) {
            self.to = Some(Sink::Route(Route { expression, topics, default: default.flatten() }));
        }
        self
    }

    fn topic(&mut self, topic: &str) -> Option<TopicName> {
        let place = || format!("{}.to", self.place);
        self.scope.mistakes.named(place, TopicName::new(topic))
    }
}

impl<'b, O> StepsBuilder<'b, O> {
    pub(super) fn new(of: O, place: String, scope: Scope<'b>) -> Self {
        Self { of, place, scope, steps: Vec::new(), to: None, declared: 0 }
    }

    pub(super) fn finish(self) -> Built<O> {
        Built { of: self.of, steps: self.steps, to: self.to }
    }

    /// Lets events pass when a condition holds.
    pub fn filter(self, condition: &str) -> Self {
        let place = self.place("filter");
        let condition = self.scope.mistakes.expression(|| place, condition);
        self.step(condition.map(|condition| Operator::Filter(Filter { condition })))
    }

    /// Sets one field of the data.
    pub fn set(self, field: &str, source: &str) -> Self {
        self.set_all([(field, source)])
    }

    /// Sets fields of the data in one step, in order.
    pub fn set_all<'t>(self, fields: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let place = self.place("set");
        let field = |(path, source): (&str, &str)| {
            let path = self.scope.mistakes.path(|| place.clone(), path);
            let expression = self.scope.mistakes.expression(|| place.clone(), source);
            Some((path?, expression?))
        };
        let fields = whole(fields.into_iter().map(field));
        self.step(fields.map(|fields| Operator::Set(Set { fields })))
    }

    /// Removes fields of the data.
    pub fn remove<'t>(self, fields: impl IntoIterator<Item = &'t str>) -> Self {
        let place = self.place("remove");
        let fields = whole(fields.into_iter().map(|path| self.scope.mistakes.path(|| place.clone(), path)));
        self.step(fields.map(|fields| Operator::Remove(Remove { fields })))
    }

    /// Moves one field of the data.
    pub fn rename(self, from: &str, to: &str) -> Self {
        self.rename_all([(from, to)])
    }

    /// Moves fields of the data in one step, in order.
    pub fn rename_all<'t>(self, fields: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let place = self.place("rename");
        let field = |(from, to): (&str, &str)| {
            let from = self.scope.mistakes.path(|| place.clone(), from);
            let to = self.scope.mistakes.path(|| place.clone(), to);
            Some((from?, to?))
        };
        let fields = whole(fields.into_iter().map(field));
        self.step(fields.map(|fields| Operator::Rename(Rename { fields })))
    }

    /// Puts the state of one model into `data.snapshot.<model>`.
    pub fn snapshot(self, model: &str, key: &str) -> Self {
        self.snapshot_all([(model, key)])
    }

    /// Puts the states of models into `data.snapshot.<model>` in one step: pairs of model and key expression.
    pub fn snapshot_all<'t>(self, models: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let placed = models.into_iter().map(|(model, key)| (model, key, None));
        self.snapshot_entries(placed)
    }

    /// Puts the state of one model into a place of the data.
    pub fn snapshot_as(self, model: &str, key: &str, place: &str) -> Self {
        self.snapshot_entries([(model, key, Some(place))])
    }

    fn snapshot_entries<'t>(self, entries: impl IntoIterator<Item = (&'t str, &'t str, Option<&'t str>)>) -> Self {
        let at = self.place("snapshot");
        let entry = |(model, key, place): (&str, &str, Option<&str>)| {
            let key = self.scope.mistakes.expression(|| at.clone(), key);
            let model = self.scope.mistakes.named(|| at.clone(), ModelName::new(model));
            let place = match place {
                Some(place) => self.scope.mistakes.path(|| at.clone(), place),
                None => model.as_ref().map(SnapshotModel::default_place),
            };
            Some(SnapshotModel { model: model?, key: key?, place: place? })
        };
        let models = whole(entries.into_iter().map(entry));
        self.step(models.map(|models| Operator::Snapshot(Snapshot { models })))
    }

    /// Runs a transformer.
    pub fn transform(self, name: &str, transformer: impl Transformer + 'static) -> Self {
        let transformer: Arc<dyn Transformer> = Arc::new(transformer);
        self.step(Some(Operator::Transform(Transform {
            transformer_name: name.to_owned(),
            transformer: Some(transformer),
        })))
    }

    /// Gives the data a whole new shape: names and expressions, in order; dots in a name lead into objects.
    pub fn map<'t>(self, fields: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let place = self.place("map");
        let field = |(name, source): (&str, &str)| {
            Some((name.to_owned(), self.scope.mistakes.expression(|| place.clone(), source)?))
        };
        let map = whole(fields.into_iter().map(field)).map(Map::new).transpose();
        let map = map.unwrap_or_else(|error| {
            self.scope.mistakes.add(place.clone(), error.to_string());
            None
        });
        self.step(map.map(Operator::Map))
    }

    /// Makes an event of every element of a list, which becomes its data.
    pub fn flat_map(self, each: &str) -> Self {
        let place = self.place("flat_map");
        let each = self.scope.mistakes.expression(|| place, each);
        self.step(each.map(|each| Operator::FlatMap(FlatMap { each, place: None })))
    }

    /// Makes an event of every element of a list, which is put into a place of a copy of the data.
    pub fn flat_map_as(self, each: &str, path: &str) -> Self {
        let place = self.place("flat_map");
        let each = self.scope.mistakes.expression(|| place.clone(), each);
        let path = self.scope.mistakes.path(|| place, path);
        self.step(each.zip(path).map(|(each, path)| Operator::FlatMap(FlatMap { each, place: Some(path) })))
    }

    /// Gives the event another key from here on; its output is partitioned by it.
    pub fn select_key(self, key: &str) -> Self {
        let place = self.place("select_key");
        let key = self.scope.mistakes.expression(|| place, key);
        self.step(key.map(|key| Operator::SelectKey(SelectKey { key })))
    }

    /// Asks a service outside and puts its answer at `path`; `calling` says who is asked and how, see
    /// [`crate::operators::lookup`].
    pub fn lookup(self, request: &str, path: &str, calling: Calling) -> Self {
        self.asked(request, path, calling, OnFailure::Error)
    }

    /// The same, with null in the place of an answer that cannot be had.
    pub fn lookup_or_null(self, request: &str, path: &str, calling: Calling) -> Self {
        self.asked(request, path, calling, OnFailure::Null)
    }

    fn asked(self, request: &str, path: &str, calling: Calling, on_failure: OnFailure) -> Self {
        let place = self.place("lookup");
        let request = self.scope.mistakes.expression(|| place.clone(), request);
        let path = self.scope.mistakes.path(|| place, path);
        let lookup = request.zip(path).map(|(request, place)| Lookup { request, place, calling, on_failure });
        self.step(lookup.map(Operator::Lookup))
    }

    /// Says what the keyed steps behind it go by; see [`crate::operators::group_by`].
    pub fn group_by(self, key: &str) -> Self {
        let place = self.place("group_by");
        let key = self.scope.mistakes.expression(|| place, key);
        self.step(key.map(|key| Operator::GroupBy(GroupBy { key })))
    }

    /// Groups by the key events have: nothing is moved, and an event without one is an error here.
    pub fn group_by_key(self) -> Self {
        self.group_by("key")
    }

    /// Deals the events out anew by the key an expression gives; see [`crate::operators::repartition`].
    pub fn repartition(self, by: &str, declare: impl FnOnce(Repartitioned) -> Repartitioned) -> Self {
        let place = self.place("repartition");
        let by = self.scope.mistakes.expression(|| place.clone(), by);
        let declared = declare(Repartitioned::default()).0;
        let partitioner = match declared.expression {
            None => Some(declared.repartition.partitioner),
            Some(source) => {
                self.scope.mistakes.expression(|| format!("{place}.partitioner"), &source).map(Partitioner::Expression)
            }
        };
        let repartition = by.zip(partitioner).map(|(by, partitioner)| {
            Operator::Repartition(Repartition { by: Some(by), partitioner, ..declared.repartition })
        });
        self.step(repartition)
    }

    /// Shows a value of the events that pass in the log of the process.
    pub fn peek(self, value: &str) -> Self {
        let place = self.place("peek");
        let value = self.scope.mistakes.expression(|| place, value);
        self.step(value.map(|value| Operator::Peek(Peek { value })))
    }

    /// Sends an event one of several ways: the first whose condition holds.
    ///
    /// # Examples
    /// ```
    /// use riverrun_topology::Topology;
    ///
    /// let topology = Topology::builder("shop").topic("orders", |topic| topic).pipeline("sorted", |pipeline| {
    ///     pipeline
    ///         .from("orders")
    ///         .branch(|branch| {
    ///             branch
    ///                 .when("big", "data.total > 1000", |steps| steps.set("data.check", "true").to("big-orders"))
    ///                 .when("odd", "data.total < 0", |steps| steps.set("data.total", "0"))
    ///         })
    ///         .to("small-orders")
    /// });
    /// assert_eq!(topology.build().expect("no mistakes").topics.len(), 3);
    /// ```
    pub fn branch(mut self, declare: impl FnOnce(BranchBuilder<'_>) -> BranchBuilder<'_>) -> Self {
        let Some(name) = self.name("branch", None) else {
            self.declared += 1;
            return self;
        };
        let place = self.place("branch");
        let arms = declare(BranchBuilder::new(name.clone(), place, self.scope.inner())).finish();
        self.add(name, Operator::Branch(Branch { arms }))
    }

    /// Lets the events of a further topic in at this place; `declare` adds steps for them alone.
    pub fn merge(
        mut self,
        topic: &str,
        declare: impl FnOnce(StepsBuilder<'_, OfMerge>) -> StepsBuilder<'_, OfMerge>,
    ) -> Self {
        let place = self.place("merge");
        let from = self.scope.mistakes.named(|| format!("{place}.from"), TopicName::new(topic));
        let name = self.name("merge", None);
        let steps = declare(StepsBuilder::new(OfMerge, place, self.scope.inner())).finish().steps;
        match name.zip(from) {
            Some((name, from)) => self.add(name, Operator::Merge(Merge { from, steps })),
            None => {
                self.declared += 1;
                self
            }
        }
    }

    /// Puts steps here as `use:` puts those of a fragment: `name` and a point stand before the names they have otherwise.
    pub fn fragment(
        mut self,
        name: &str,
        declare: impl FnOnce(StepsBuilder<'_, OfMerge>) -> StepsBuilder<'_, OfMerge>,
    ) -> Self {
        let place = || format!("{}.steps[{}]", self.place, self.declared);
        let Some(owner) = self.scope.mistakes.named(place, self.scope.names.qualified(name)) else { return self };
        let mut names = StepNames::within(&owner);
        let scope = Scope { mistakes: self.scope.mistakes, names: &mut names };
        let mut inner = StepsBuilder::new(OfMerge, self.place.clone(), scope);
        inner.declared = self.declared;
        let inner = declare(inner);
        (self.declared, self.steps) = (inner.declared, [self.steps, inner.steps].concat());
        self
    }

    /// Names the last step, which owns its state under that name; otherwise as [`StepNames::next`] has it.
    pub fn named(mut self, name: &str) -> Self {
        let place = || format!("{}.steps[{}]", self.place, self.declared.saturating_sub(1));
        let name = self.scope.mistakes.named(place, self.scope.names.qualified(name));
        if let (Some(name), Some(step)) = (name, self.steps.last_mut()) {
            if let Operator::Branch(branch) = &mut step.operator {
                branch.rename(&step.name, &name);
            }
            step.name = name;
        }
        self
    }

    /// The place of the next step.
    pub(super) fn place(&self, verb: &str) -> String {
        format!("{}.steps[{}].{verb}", self.place, self.declared)
    }

    /// Adds a step, unless a mistake was made in it.
    pub(super) fn step(mut self, operator: Option<Operator>) -> Self {
        let name = operator.as_ref().and_then(|operator| self.name(operator.verb(), operator.own_name()));
        match name.zip(operator) {
            Some((name, operator)) => self.add(name, operator),
            None => {
                self.declared += 1;
                self
            }
        }
    }

    fn name(&mut self, verb: &'static str, own: Option<&str>) -> Option<OperatorName> {
        let place = || format!("{}.steps[{}]", self.place, self.declared);
        self.scope.mistakes.named(place, self.scope.names.next(verb, own))
    }

    fn add(mut self, name: OperatorName, operator: Operator) -> Self {
        self.steps.push(Step { name, operator });
        self.declared += 1;
        self
    }
}

/// All of them, or `None` when one has a mistake; every one is looked at.
pub(super) fn whole<T>(entries: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let entries: Vec<Option<T>> = entries.collect();
    entries.into_iter().collect()
}
