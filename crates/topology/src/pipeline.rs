//! A pipeline: inputs, a tree of steps, the topics it writes, and what happens to an event that fails.

use riverrun_event::{OperatorName, PipelineName, TopicName};

use crate::operators::Operator;
use crate::operators::branch::Arm;
use crate::sink::Sink;

/// A declared pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Its name.
    pub name: PipelineName,
    /// Its inputs. Task n reads partition n of each.
    pub from: Vec<TopicName>,
    /// What happens to an event, in order.
    pub steps: Vec<Step>,
    /// Where an event goes that comes to the end of the steps; there is none when every event leaves in a branch.
    pub to: Option<Sink>,
    /// What happens to an event that fails.
    pub on_error: OnError,
    /// Whether a keyed step whose inputs differ in their partitions gets a repartition, instead of being refused.
    pub auto_repartition: bool,
}

/// One operator in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Names the operator and owns its state; unique within the pipeline.
    pub name: OperatorName,
    /// What it does.
    pub operator: Operator,
}

impl Pipeline {
    /// Every step in the order of the document: a step before those within it.
    #[must_use]
    pub fn all_steps(&self) -> Vec<&Step> {
        let mut all = Vec::new();
        gather(&self.steps, &mut all);
        all
    }

    /// Every step, to change its operator.
    pub(crate) fn each_step_mut(&mut self, change: &mut dyn FnMut(&mut Operator)) {
        each_mut(&mut self.steps, change);
    }

    /// Every topic it reads: those it begins with, then those that come in later.
    #[must_use]
    pub fn inputs(&self) -> Vec<&TopicName> {
        let mut inputs: Vec<&TopicName> = self.from.iter().collect();
        for step in self.all_steps() {
            match &step.operator {
                Operator::Merge(merge) => inputs.push(&merge.from),
                operator => inputs.extend(operator.further_inputs()),
            }
        }
        inputs
    }

    /// Every place where events leave it, in the order of the document, its own end last.
    #[must_use]
    pub fn sinks(&self) -> Vec<&Sink> {
        let arms = self.all_steps().into_iter().flat_map(|step| step.operator.arms());
        let late = self.all_steps().into_iter().filter_map(|step| step.operator.late());
        arms.filter_map(|arm| arm.to.as_ref()).chain(late).chain(&self.to).collect()
    }

    /// Every topic it may write, each once, in order.
    #[must_use]
    pub fn outputs(&self) -> Vec<&TopicName> {
        let mut outputs: Vec<&TopicName> = Vec::new();
        for topic in self.sinks().into_iter().flat_map(Sink::topics) {
            if !outputs.contains(&topic) {
                outputs.push(topic);
            }
        }
        outputs
    }
}

impl Operator {
    /// The ways of a branch; other operators have none.
    #[must_use]
    pub fn arms(&self) -> &[Arm] {
        match self {
            Self::Branch(branch) => &branch.arms,
            _ => &[],
        }
    }

    /// The steps within it, in order.
    pub(crate) fn inner(&self) -> impl Iterator<Item = &[Step]> {
        let merged = match self {
            Self::Merge(merge) => Some(merge.steps.as_slice()),
            _ => None,
        };
        self.arms().iter().map(|arm| arm.steps.as_slice()).chain(merged)
    }

    fn inner_mut(&mut self) -> Vec<&mut Vec<Step>> {
        match self {
            Self::Branch(branch) => branch.arms.iter_mut().map(|arm| &mut arm.steps).collect(),
            Self::Merge(merge) => vec![&mut merge.steps],
            _ => Vec::new(),
        }
    }
}

fn gather<'s>(steps: &'s [Step], all: &mut Vec<&'s Step>) {
    for step in steps {
        all.push(step);
        step.operator.inner().for_each(|inner| gather(inner, all));
    }
}

fn each_mut(steps: &mut [Step], change: &mut dyn FnMut(&mut Operator)) {
    for step in steps {
        change(&mut step.operator);
        step.operator.inner_mut().into_iter().for_each(|inner| each_mut(inner, change));
    }
}

impl OnError {
    /// The word of the app file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::DeadLetter => "dead_letter",
            Self::Skip => "skip",
            Self::Stop => "stop",
        }
    }
}

/// What a pipeline does with an event that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Sets it aside with its error; its key goes on.
    #[default]
    DeadLetter,
    /// Counts it and goes on.
    Skip,
    /// Stops the pipeline in front of it.
    Stop,
}
