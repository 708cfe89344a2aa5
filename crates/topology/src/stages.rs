//! The subtopologies of a pipeline: its repartitions cut it into stages, each with tasks, positions and state of its own.
//!
//! All stages run the same steps; a stage is where events come in. What comes to a repartition leaves for its meeting topic,
//! and the tasks of the stage behind it read that.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_event::{OperatorName, TopicName};

use crate::model::{Model, Placement};
use crate::operators::Operator;
use crate::operators::repartition::Partitioner;
use crate::pipeline::{Pipeline, Step};
use crate::topology::Topology;

/// A subtopology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The repartition it begins behind; none for the first.
    pub behind: Option<OperatorName>,
    /// The topics its tasks read: task n reads partition n of each that has one.
    pub inputs: Vec<TopicName>,
    /// How many tasks it has: the most partitions among its inputs.
    pub tasks: u32,
    /// The steps its events may come to.
    pub steps: BTreeSet<OperatorName>,
}

/// A topic in which events meet that are dealt out anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeetingTopic {
    /// Its name.
    pub name: TopicName,
    /// How many partitions it has.
    pub partitions: u32,
    /// How long it keeps events; for ever without it.
    pub retention: Option<Duration>,
}

impl Topology {
    /// The stages of a pipeline, the first one first, the others in the order of their repartitions.
    #[must_use]
    pub fn stages(&self, pipeline: &Pipeline) -> Vec<Stage> {
        let first = Stage { behind: None, inputs: pipeline.from.clone(), tasks: 0, steps: BTreeSet::new() };
        let mut walk = Walk { topology: self, pipeline, stages: vec![first] };
        walk.steps(&pipeline.steps, BTreeSet::from([0]));
        for stage in &mut walk.stages {
            let partitions = stage.inputs.iter().filter_map(|topic| self.partitions_of(pipeline, topic));
            stage.tasks = partitions.max().unwrap_or(0);
        }
        walk.stages
    }

    /// The models a step looks up that are kept in its own tasks.
    pub fn copartitioned<'t>(&'t self, step: &'t Step) -> impl Iterator<Item = &'t Model> {
        let looked_up = step.operator.looked_up().into_iter();
        let models = looked_up.filter_map(|entry| self.models.get(&entry.model));
        models.filter(|model| model.placement == Placement::Copartitioned)
    }

    /// Whether an event of a stage is in the task that its key names: its topics are written by the key, and the
    /// repartition it begins behind goes by it, too.
    #[must_use]
    pub fn is_placed_by_key(&self, pipeline: &Pipeline, stage: &Stage) -> bool {
        let same = stage.inputs.iter().all(|topic| self.partitions_of(pipeline, topic) == Some(stage.tasks));
        let by_key = |step: &&Step| match &step.operator {
            Operator::Repartition(repartition) => repartition.partitioner == Partitioner::Murmur2,
            _ => false,
        };
        let behind = |name: &OperatorName| pipeline.all_steps().into_iter().find(|step| step.name == *name);
        same && stage.behind.as_ref().is_none_or(|name| behind(name).as_ref().is_some_and(by_key))
    }

    /// The topics in which events of a pipeline meet, in the order of their repartitions.
    #[must_use]
    pub fn meeting_topics(&self, pipeline: &Pipeline) -> Vec<MeetingTopic> {
        let meeting = |step: &Step| match &step.operator {
            Operator::Repartition(repartition) => Some(MeetingTopic {
                name: TopicName::meeting_of(&pipeline.name, &step.name),
                partitions: repartition.partitions.unwrap_or_else(|| self.task_count(pipeline)),
                retention: repartition.retention,
            }),
            _ => None,
        };
        pipeline.all_steps().into_iter().filter_map(meeting).collect()
    }

    /// How many partitions a topic has that a pipeline reads, its meeting topics included.
    #[must_use]
    pub fn partitions_of(&self, pipeline: &Pipeline, topic: &TopicName) -> Option<u32> {
        let declared = self.topics.get(topic).map(|topic| topic.partitions);
        let meeting = || self.meeting_topics(pipeline).into_iter().find(|meeting| meeting.name == *topic);
        declared.or_else(|| meeting().map(|meeting| meeting.partitions))
    }
}

struct Walk<'p> {
    topology: &'p Topology,
    pipeline: &'p Pipeline,
    stages: Vec<Stage>,
}

impl Walk<'_> {
    /// Walks steps that the events of these stages come to; gives the stages whose events come to their end.
    fn steps(&mut self, steps: &[Step], mut current: BTreeSet<usize>) -> BTreeSet<usize> {
        for step in steps {
            for stage in &current {
                if let Some(stage) = self.stages.get_mut(*stage) {
                    stage.steps.insert(step.name.clone());
                }
            }
            for topic in step.operator.further_inputs() {
                self.enter(&current, topic);
            }
            for model in self.topology.copartitioned(step) {
                self.enter(&current, &model.from);
            }
            match &step.operator {
                Operator::Repartition(_) => {
                    let meeting = TopicName::meeting_of(&self.pipeline.name, &step.name);
                    let (behind, inputs) = (Some(step.name.clone()), vec![meeting]);
                    self.stages.push(Stage { behind, inputs, tasks: 0, steps: BTreeSet::new() });
                    current = BTreeSet::from([self.stages.len() - 1]);
                }
                Operator::Branch(branch) => {
                    let mut out = if branch.is_whole() { BTreeSet::new() } else { current.clone() };
                    for arm in &branch.arms {
                        let last = self.steps(&arm.steps, current.clone());
                        if arm.to.is_none() {
                            out.extend(last);
                        }
                    }
                    current = out;
                }
                Operator::Merge(merge) => {
                    let stage = self.enter(&current, &merge.from);
                    current.extend(self.steps(&merge.steps, BTreeSet::from([stage])));
                }
                _ => {}
            }
        }
        current
    }

    /// Lets a topic in at a place; the check of the topology has found that it belongs to one stage.
    fn enter(&mut self, current: &BTreeSet<usize>, topic: &TopicName) -> usize {
        let stage = current.first().copied().unwrap_or(0);
        if let Some(stage) = self.stages.get_mut(stage)
            && !stage.inputs.contains(topic)
        {
            stage.inputs.push(topic.clone());
        }
        stage
    }
}

#[cfg(test)]
mod tests {
    use crate::Topology;
    use crate::builder::PipelineBuilder;

    /// The stages as text: `behind: inputs x tasks`.
    #[track_caller]
    fn check(declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>, expected: &[&str]) {
        let topology = Topology::builder("shop")
            .topic("orders", |topic| topic)
            .topic("returns", |topic| topic)
            .topic("narrow", |topic| topic.partitions(2))
            .pipeline("p", declare)
            .build()
            .unwrap();
        let stages = topology.stages(topology.pipelines.values().next().unwrap());
        let shown = stages.iter().map(|stage| {
            let behind = stage.behind.as_ref().map_or("start", |behind| behind.as_str());
            let inputs: Vec<&str> = stage.inputs.iter().map(|input| input.as_str()).collect();
            format!("{behind}: {} x {}", inputs.join("+"), stage.tasks)
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn repartitions_cut_a_pipeline_into_stages() {
        check(
            |pipeline| pipeline.from("orders").merge("returns", |steps| steps).to("out"),
            &["start: orders+returns x 4"],
        );
        check(
            |pipeline| {
                pipeline
                    .from("orders")
                    .repartition("data.region", |repartition| repartition.partitions(2))
                    .merge("narrow", |steps| steps)
                    .to("out")
            },
            &["start: orders x 4", "repartition-1: _repartition.p.repartition-1+narrow x 2"],
        );
        check(
            |pipeline| {
                let branched = pipeline.from("orders").branch(|branch| {
                    branch
                        .when("eu", "data.eu", |eu| eu.repartition("data.a", |repartition| repartition))
                        .default(|rest| rest.repartition("data.b", |repartition| repartition.partitions(1)))
                });
                branched.set("data.c", "1").to("out")
            },
            &[
                "start: orders x 4",
                "repartition-1: _repartition.p.repartition-1 x 4",
                "repartition-2: _repartition.p.repartition-2 x 1",
            ],
        );
    }
}
