//! What must hold for a pipeline: its topics, the names in its tree of steps, and where its events come to.

use std::collections::BTreeSet;

use riverrun_event::limits::PARTITIONS_MAX;
use riverrun_event::{OperatorName, TopicName};

use crate::model::Placement;
use crate::operators::Operator;
use crate::operators::branch::Branch;
use crate::operators::lookup::Lookup;
use crate::operators::repartition::{Partitioner, Repartition};
use crate::operators::snapshot::{Snapshot, SnapshotModel};
use crate::operators::transform::Transform;
use crate::pipeline::{Pipeline, Step};
use crate::placement::{Arriving, Need};
use crate::sink::Sink;
use crate::topology::TopologyError;

use super::Findings;

/// Most calls of a task to services outside at once: each holds a connection.
const CALLS_MAX: usize = 10_000;

/// The walk through one pipeline.
struct Walk<'p> {
    pipeline: &'p Pipeline,
    /// Every topic that comes in.
    inputs: Vec<&'p TopicName>,
    /// Names of steps and ways so far.
    names: BTreeSet<&'p OperatorName>,
}

impl Findings<'_> {
    pub(super) fn pipeline(&mut self, pipeline: &Pipeline) {
        let place = format!("pipelines.{}", pipeline.name);
        if pipeline.from.is_empty() {
            self.refuse(format!("{place}.from"), "a pipeline needs at least one input topic");
        }
        let mut inputs = BTreeSet::new();
        for input in &pipeline.from {
            self.input(&format!("{place}.from"), input, inputs.insert(input));
        }
        let mut walk = Walk { pipeline, inputs: pipeline.inputs(), names: BTreeSet::new() };
        let first = Arriving::from(self.topology, &pipeline.from);
        let last = self.steps(&mut walk, &place, &pipeline.steps, first);
        self.sink(&walk, &place, pipeline.to.as_ref(), &last);
        if last.any && pipeline.to.is_none() {
            let message = "an event that comes to the end of the steps has nowhere to go; name a topic with `to`, or give \
                           every way of a branch a `to` and the branch a `default`";
            self.refuse(place, message);
        }
    }

    pub(super) fn input(&mut self, place: &str, input: &TopicName, is_first: bool) {
        if is_first {
            self.known_topic(place, input);
        } else {
            self.refuse(place.to_owned(), format!("{input} is named twice"));
        }
    }

    /// Checks a list of steps; gives what comes to its end.
    fn steps<'p>(&mut self, walk: &mut Walk<'p>, place: &str, steps: &'p [Step], first: Arriving) -> Arriving {
        let mut arriving = first;
        for (index, step) in steps.iter().enumerate() {
            let place = format!("{place}.steps[{index}]");
            self.name(walk, &place, &step.name, "step");
            if !arriving.any && !matches!(step.operator, Operator::Merge(_)) {
                self.refuse(place.clone(), "no event comes to this step: all leave in the branch before it");
                // Said once; what is in the steps is checked all the same.
                arriving.any = true;
            }
            arriving = self.step(walk, &place, step, arriving);
        }
        arriving
    }

    fn step<'p>(&mut self, walk: &mut Walk<'p>, place: &str, step: &'p Step, arriving: Arriving) -> Arriving {
        match &step.operator {
            Operator::Snapshot(snapshot) => self.snapshot(place, snapshot),
            Operator::Aggregate(aggregate) => self.aggregate(place, aggregate),
            Operator::Transform(transform) => self.transform(walk, transform),
            Operator::Lookup(lookup) => self.lookup(walk, place, lookup),
            Operator::Repartition(repartition) => self.repartition(walk, place, step, repartition),
            Operator::Branch(branch) => return self.branch(walk, place, branch, arriving),
            Operator::Merge(merge) => {
                self.entering(walk, &format!("{place}.merge.from"), &merge.from, &arriving);
                let first = arriving.merging(self.topology, &merge.from);
                return arriving.and(self.steps(walk, &format!("{place}.merge"), &merge.steps, first));
            }
            operator => self.joining(place, operator),
        }
        let place = format!("{place}.{}", step.operator.verb());
        for topic in step.operator.late().into_iter().flat_map(Sink::topics) {
            self.written(walk, &format!("{place}.late"), topic);
        }
        if step.operator.is_keyed() {
            self.keyed(walk, &place, &step.operator, &arriving);
        }
        for topic in step.operator.further_inputs() {
            self.entering(walk, &place, topic, &arriving);
        }
        for entry in step.operator.looked_up() {
            self.copartitioned(&place, entry, &arriving);
        }
        arriving.behind(self.topology, walk.pipeline, step)
    }

    /// A topic that comes in at a place of the pipeline.
    fn entering(&mut self, walk: &Walk<'_>, place: &str, topic: &TopicName, arriving: &Arriving) {
        let is_first = walk.inputs.iter().filter(|input| **input == topic).count() == 1;
        self.input(place, topic, is_first);
        if !arriving.is_in_one_stage() {
            let message = format!(
                "{topic} cannot come in here: the events that come to this step have been through different repartitions, so they \
                 are in different tasks; put a `repartition` before it"
            );
            self.refuse(place.to_owned(), message);
        }
    }

    /// A model that is kept in the tasks has to be where its events are.
    fn copartitioned(&mut self, place: &str, entry: &SnapshotModel, arriving: &Arriving) {
        let model = self.topology.models.get(&entry.model);
        let Some(model) = model.filter(|model| model.placement == Placement::Copartitioned) else { return };
        if let Some(why) = arriving.misses(self.topology, model, &entry.key) {
            let message = format!(
                "the model {} is copartitioned, so a task holds only the entities of its partition, and {why}; or let the model be \
                 broadcast",
                model.name
            );
            self.refuse(place.to_owned(), message);
        }
    }

    /// The events of a key must come to one task.
    fn keyed(&mut self, walk: &Walk<'_>, place: &str, operator: &Operator, arriving: &Arriving) {
        let Need::Uneven(topics) = arriving.need(self.topology, walk.pipeline, operator) else { return };
        let counts: Vec<String> = topics.iter().map(|(topic, count)| format!("{topic} has {count}")).collect();
        let message = format!(
            "this step needs all events of a key in one task, but its inputs differ in their partitions: {}; give the topics the \
             same `partitions`, put a `repartition` before the step, write `repartition: auto` in the pipeline, or look the other \
             side up as a model, which is broadcast",
            counts.join(", ")
        );
        self.refuse(place.to_owned(), message);
    }

    fn repartition(&mut self, walk: &Walk<'_>, place: &str, step: &Step, repartition: &Repartition) {
        let place = format!("{place}.repartition");
        if let Some(partitions) = repartition.partitions.filter(|count| *count == 0 || *count > PARTITIONS_MAX) {
            let message = format!("{partitions} partitions are not possible; a topic has 1 to {PARTITIONS_MAX}");
            self.refuse(place.clone(), message);
        }
        let meeting = TopicName::meeting_of(&walk.pipeline.name, &step.name);
        if let Err(error) = TopicName::internal(meeting.as_str()) {
            let message =
                format!("the topic {meeting} that its events meet in cannot be named so: {error}; shorten the names");
            self.refuse(place, message);
        }
        if let Partitioner::Custom { name, function: None } = &repartition.partitioner {
            let (pipeline, partitioner) = (walk.pipeline.name.clone(), name.clone());
            self.errors.push(TopologyError::UnknownPartitioner { pipeline, partitioner });
        }
    }

    fn snapshot(&mut self, place: &str, snapshot: &Snapshot) {
        for entry in &snapshot.models {
            self.known_model(&format!("{place}.snapshot"), entry);
        }
    }

    fn lookup(&mut self, walk: &Walk<'_>, place: &str, lookup: &Lookup) {
        let calling = &lookup.calling;
        let place = |field: &str| format!("{place}.lookup.{field}");
        if calling.timeout.is_zero() {
            self.refuse(place("timeout"), "without any time there is never an answer; leave `timeout` out for 5s");
        }
        if calling.concurrency == 0 || calling.concurrency > CALLS_MAX {
            let message = format!("{} calls at once are not possible; it is 1 to {CALLS_MAX}", calling.concurrency);
            self.refuse(place("concurrency"), message);
        }
        if calling.attempts == 0 {
            self.refuse(place("attempts"), "what is never tried is never answered; leave `attempts` out for 3");
        }
        if calling.function.is_none() {
            let whom = calling.whom.clone();
            self.errors.push(TopologyError::UnknownLookup { pipeline: walk.pipeline.name.clone(), whom });
        }
    }

    fn transform(&mut self, walk: &Walk<'_>, transform: &Transform) {
        if transform.transformer.is_none() {
            let (pipeline, transformer) = (walk.pipeline.name.clone(), transform.transformer_name.clone());
            self.errors.push(TopologyError::UnknownTransformer { pipeline, transformer });
        }
    }

    fn branch<'p>(&mut self, walk: &mut Walk<'p>, place: &str, branch: &'p Branch, arriving: Arriving) -> Arriving {
        if branch.arms.is_empty() {
            self.refuse(format!("{place}.branch"), "a branch needs at least one way");
        }
        let mut out = if branch.is_whole() { Arriving::default() } else { arriving.clone() };
        for (index, arm) in branch.arms.iter().enumerate() {
            let place = format!("{place}.branch.{}", arm.name);
            self.name(walk, &place, &arm.name, "step or way of a branch");
            if arm.when.is_none() && index + 1 < branch.arms.len() {
                self.refuse(place.clone(), "the way without a condition takes every event, so it has to be the last");
            }
            let last = self.steps(walk, &place, &arm.steps, arriving.clone());
            self.sink(walk, &place, arm.to.as_ref(), &last);
            if arm.to.is_none() {
                out = out.and(last);
            }
        }
        out
    }

    fn name<'p>(&mut self, walk: &mut Walk<'p>, place: &str, name: &'p OperatorName, what: &str) {
        if !walk.names.insert(name) {
            let message = format!("another {what} is named {name} already; give one of them a `name` of its own");
            self.refuse(place.to_owned(), message);
        }
    }

    fn sink(&mut self, walk: &Walk<'_>, place: &str, sink: Option<&Sink>, last: &Arriving) {
        let Some(sink) = sink else { return };
        let place = format!("{place}.to");
        if !last.any {
            self.refuse(place.clone(), "no event comes here: all leave in the branch before it");
        }
        if matches!(sink, Sink::Route(route) if route.topics.is_empty()) {
            self.refuse(place.clone(), "a route needs at least one topic");
        }
        for topic in sink.topics() {
            self.written(walk, &place, topic);
        }
    }

    /// A topic that events leave for.
    fn written(&mut self, walk: &Walk<'_>, place: &str, topic: &TopicName) {
        if walk.inputs.contains(&topic) {
            let message = format!("{topic} is also an input; the pipeline would feed itself without end");
            self.refuse(place.to_owned(), message);
        } else {
            self.known_topic(place, topic);
        }
    }
}
