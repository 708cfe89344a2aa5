//! What must hold for a pipeline: its topics, the names in its tree of steps, and where its events come to.

use std::collections::BTreeSet;

use riverrun_event::{OperatorName, PipelineName, TopicName};

use crate::operators::Operator;
use crate::operators::branch::Branch;
use crate::operators::snapshot::Snapshot;
use crate::operators::transform::Transform;
use crate::pipeline::{Pipeline, Step};
use crate::sink::Sink;
use crate::topology::TopologyError;

use super::{Findings, listed};

/// The walk through one pipeline.
struct Walk<'p> {
    pipeline: &'p PipelineName,
    /// Every topic that comes in.
    inputs: Vec<&'p TopicName>,
    /// Names of steps and ways so far.
    names: BTreeSet<&'p OperatorName>,
}

/// What is known of the events at a place of the pipeline.
#[derive(Clone, Copy, Default)]
struct Arriving {
    /// Whether there can be any.
    any: bool,
    /// Whether some of them may have another key than their partition was chosen by.
    rekeyed: bool,
}

impl Arriving {
    fn and(self, other: Self) -> Self {
        Self { any: self.any || other.any, rekeyed: self.rekeyed || other.rekeyed }
    }
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
        let mut walk = Walk { pipeline: &pipeline.name, inputs: pipeline.inputs(), names: BTreeSet::new() };
        let first = Arriving { any: true, rekeyed: false };
        let last = self.steps(&mut walk, &place, &pipeline.steps, first);
        self.sink(&walk, &place, pipeline.to.as_ref(), last);
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
            Operator::Transform(transform) => self.transform(walk, place, transform, arriving),
            Operator::Aggregate(aggregate) => self.aggregate(place, aggregate, &walk.inputs),
            Operator::SelectKey(_) => return Arriving { rekeyed: true, ..arriving },
            Operator::Branch(branch) => return self.branch(walk, place, branch, arriving),
            Operator::Merge(merge) => {
                let from = format!("{place}.merge.from");
                let is_first = walk.inputs.iter().filter(|input| **input == &merge.from).count() == 1;
                self.input(&from, &merge.from, is_first);
                let first = Arriving { any: true, rekeyed: false };
                return arriving.and(self.steps(walk, &format!("{place}.merge"), &merge.steps, first));
            }
            operator => self.joining(place, operator),
        }
        arriving
    }

    fn snapshot(&mut self, place: &str, snapshot: &Snapshot) {
        for entry in &snapshot.models {
            if !self.topology.models.contains_key(&entry.model) {
                let known = listed(self.topology.models.keys());
                let message = format!("there is no model {}; declared are {known}", entry.model);
                self.refuse(format!("{place}.snapshot"), message);
            }
        }
    }

    fn transform(&mut self, walk: &Walk<'_>, place: &str, transform: &Transform, arriving: Arriving) {
        let Some(transformer) = &transform.transformer else {
            let (pipeline, transformer) = (walk.pipeline.clone(), transform.transformer_name.clone());
            return self.errors.push(TopologyError::UnknownTransformer { pipeline, transformer });
        };
        if arriving.rekeyed && transformer.is_keyed() {
            let message = format!(
                "the transformer {:?} keeps state per key, and a `select_key` before it gives events another key than their \
                 partition was chosen by, so the events of one key would be in several tasks; write to a topic after \
                 `select_key`, and start another pipeline there",
                transform.transformer_name
            );
            self.refuse(format!("{place}.transform"), message);
        }
    }

    fn branch<'p>(&mut self, walk: &mut Walk<'p>, place: &str, branch: &'p Branch, arriving: Arriving) -> Arriving {
        if branch.arms.is_empty() {
            self.refuse(format!("{place}.branch"), "a branch needs at least one way");
        }
        let is_whole = branch.arms.last().is_some_and(|arm| arm.when.is_none());
        let mut out = Arriving { any: arriving.any && !is_whole, rekeyed: arriving.rekeyed };
        for (index, arm) in branch.arms.iter().enumerate() {
            let place = format!("{place}.branch.{}", arm.name);
            self.name(walk, &place, &arm.name, "step or way of a branch");
            if arm.when.is_none() && index + 1 < branch.arms.len() {
                self.refuse(place.clone(), "the way without a condition takes every event, so it has to be the last");
            }
            let last = self.steps(walk, &place, &arm.steps, arriving);
            self.sink(walk, &place, arm.to.as_ref(), last);
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

    fn sink(&mut self, walk: &Walk<'_>, place: &str, sink: Option<&Sink>, last: Arriving) {
        let Some(sink) = sink else { return };
        let place = format!("{place}.to");
        if !last.any {
            self.refuse(place.clone(), "no event comes here: all leave in the branch before it");
        }
        if matches!(sink, Sink::Route(route) if route.topics.is_empty()) {
            self.refuse(place.clone(), "a route needs at least one topic");
        }
        for topic in sink.topics() {
            if walk.inputs.contains(&topic) {
                let message = format!("{topic} is also an input; the pipeline would feed itself without end");
                self.refuse(place.clone(), message);
            } else {
                self.known_topic(&place, topic);
            }
        }
    }
}
