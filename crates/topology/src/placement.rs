//! Where events are placed: whether those of a key come to one task wherever a step keeps state per key, and the repartitions
//! that are inserted where they would not.
//!
//! A step that gives events another key leaves them where they are. Before the first keyed step behind it a repartition is
//! inserted, named `<step>.repartition`; the same happens where events of several subtopologies come together again.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::{OperatorName, TopicName};

use crate::expression::Expression;
use crate::model::Model;
use crate::operators::Operator;
use crate::operators::branch::Branch;
use crate::operators::join::{Join, Stage};
use crate::operators::repartition::{Partitioner, Repartition};
use crate::pipeline::{Pipeline, Step};
use crate::topology::Topology;

/// What is known of the events at a place of a pipeline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arriving {
    /// Whether there can be any.
    pub(crate) any: bool,
    /// Whether some of them may have another key than their partition was chosen by.
    pub(crate) rekeyed: bool,
    /// The topics they were placed in, with their partitions.
    sources: BTreeMap<TopicName, u32>,
    /// The repartitions they came through last; none for those that came through none.
    behind: BTreeSet<Option<OperatorName>>,
}

/// What a keyed step needs where it stands.
pub(crate) enum Need {
    /// The events of each key are in one task.
    Nothing,
    /// They are to be dealt out anew, over this many partitions where the step has further inputs.
    Repartition(Option<u32>),
    /// Topics whose partitions do not correspond, with their numbers.
    Uneven(Vec<(TopicName, u32)>),
}

impl Arriving {
    /// The events of these topics, none of them processed yet.
    pub(crate) fn from<'t>(topology: &Topology, topics: impl IntoIterator<Item = &'t TopicName>) -> Self {
        let counted = |topic: &TopicName| Some((topic.clone(), topology.topics.get(topic)?.partitions));
        let sources = topics.into_iter().filter_map(counted).collect();
        Self { any: true, rekeyed: false, sources, behind: BTreeSet::from([None]) }
    }

    /// The events that come into a merge where these arrive: they are read by the same tasks.
    pub(crate) fn merging(&self, topology: &Topology, topic: &TopicName) -> Self {
        let mut merging = Self::from(topology, [topic]);
        if let Some(behind) = self.behind.first() {
            merging.behind = BTreeSet::from([behind.clone()]);
        }
        merging
    }

    /// These and others.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.any |= other.any;
        self.rekeyed |= other.rekeyed;
        self.sources.extend(other.sources);
        self.behind.extend(other.behind);
        self
    }

    /// The events behind a step that neither branches nor merges.
    pub(crate) fn behind(self, topology: &Topology, pipeline: &Pipeline, step: &Step) -> Self {
        match &step.operator {
            Operator::SelectKey(_) | Operator::Identify(_) => Self { rekeyed: true, ..self },
            Operator::Join(join) if join.changes_key() => Self { rekeyed: true, ..self },
            Operator::GroupBy(group_by) => Self { rekeyed: self.rekeyed || !group_by.keeps_key(), ..self },
            Operator::Repartition(repartition) => {
                let partitions = repartition.partitions.unwrap_or_else(|| topology.task_count(pipeline));
                let meeting = TopicName::meeting_of(&pipeline.name, &step.name);
                Self {
                    any: self.any,
                    rekeyed: !repartition.partitioner.keeps_keys_together(),
                    sources: BTreeMap::from([(meeting, partitions)]),
                    behind: BTreeSet::from([Some(step.name.clone())]),
                }
            }
            operator => {
                let inputs = operator.further_inputs();
                if inputs.is_empty() { self } else { self.and(Self { any: false, ..Self::default() }) }
            }
        }
    }

    /// What a step needs that keeps state per key.
    pub(crate) fn need(&self, topology: &Topology, pipeline: &Pipeline, operator: &Operator) -> Need {
        if operator.placed_by().is_some() {
            return Need::Repartition(None);
        }
        // Its parts need what it does not.
        if matches!(operator, Operator::Join(Join::Foreign(join)) if join.stage == Stage::Whole) {
            return Need::Nothing;
        }
        let counted = |topic: &TopicName| Some((topic.clone(), topology.topics.get(topic)?.partitions));
        let further: Vec<(TopicName, u32)> = operator.further_inputs().into_iter().filter_map(counted).collect();
        let counts: BTreeSet<u32> = further.iter().map(|(_, count)| *count).collect();
        if counts.len() > 1 {
            return Need::Uneven(further);
        }
        let all: BTreeSet<u32> = self.sources.values().chain(&counts).copied().collect();
        if self.rekeyed || self.behind.len() > 1 || (all.len() > 1 && pipeline.auto_repartition) {
            return Need::Repartition(counts.first().copied());
        }
        if all.len() > 1 {
            let sources = self.sources.iter().map(|(topic, count)| (topic.clone(), *count));
            return Need::Uneven(sources.chain(further).collect());
        }
        Need::Nothing
    }

    /// Why these events would not find the entities of a model that is kept in their own tasks; `None` where they would.
    pub(crate) fn misses(&self, topology: &Topology, model: &Model, key: &Expression) -> Option<String> {
        let from = topology.topics.get(&model.from)?;
        let declared = |topic: &TopicName| topology.topics.get(topic).and_then(|topic| topic.key.as_ref());
        let is_key = key.source().trim() == "key" || self.sources.keys().all(|topic| declared(topic) == Some(key));
        if self.rekeyed || self.behind.len() > 1 || !is_key {
            return Some(format!(
                "the events are not placed by `{}`; put `repartition: {}` before this step and look it up by `key`",
                key.source(),
                key.source()
            ));
        }
        let uneven = self.sources.iter().find(|(_, count)| **count != from.partitions);
        uneven.map(|(topic, count)| {
            format!(
                "{topic} has {count} partitions and {} has {}; give them the same, or put a `repartition` over {} partitions \
                 before this step",
                model.from, from.partitions, from.partitions
            )
        })
    }

    /// Whether all of them are read by tasks of one subtopology, so that a further topic can come in here.
    pub(crate) fn is_in_one_stage(&self) -> bool {
        self.behind.len() <= 1
    }
}

/// Inserts the repartitions that keyed steps need.
pub(crate) fn insert_repartitions(topology: &mut Topology) {
    let names: Vec<_> = topology.pipelines.keys().cloned().collect();
    for name in names {
        let Some(pipeline) = topology.pipelines.get(&name) else { continue };
        let inserting = Inserting { topology, pipeline };
        let arriving = Arriving::from(topology, &pipeline.from);
        let (steps, _) = inserting.steps(&pipeline.steps, arriving);
        if let Some(pipeline) = topology.pipelines.get_mut(&name) {
            pipeline.steps = steps;
        }
    }
}

/// A join by a foreign key as its parts; any other step as it is.
fn laid_out(step: &Step) -> Vec<Step> {
    let Operator::Join(Join::Foreign(join)) = &step.operator else { return vec![step.clone()] };
    if join.stage != Stage::Whole {
        return vec![step.clone()];
    }
    let part = |name, stage| Step { name, operator: Operator::Join(Join::Foreign(join.at(stage))) };
    vec![
        part(OperatorName::part_of(&step.name, "left"), Stage::Left),
        part(step.name.clone(), Stage::Right),
        part(OperatorName::part_of(&step.name, "result"), Stage::Result),
    ]
}

struct Inserting<'t> {
    topology: &'t Topology,
    pipeline: &'t Pipeline,
}

impl Inserting<'_> {
    /// The steps with what is inserted, and what comes to their end.
    fn steps(&self, steps: &[Step], mut arriving: Arriving) -> (Vec<Step>, Arriving) {
        let mut placed = Vec::with_capacity(steps.len());
        let was_inserted =
            |step: &&Step| matches!(&step.operator, Operator::Repartition(repartition) if repartition.is_inserted);
        for mut step in steps.iter().filter(|step| !was_inserted(step)).flat_map(laid_out) {
            match &mut step.operator {
                Operator::Branch(branch) => arriving = self.branch(branch, arriving),
                Operator::Merge(merge) => {
                    let merging = arriving.merging(self.topology, &merge.from);
                    let (steps, last) = self.steps(&merge.steps, merging);
                    merge.steps = steps;
                    arriving = arriving.and(last);
                }
                operator => {
                    if operator.is_keyed()
                        && let Need::Repartition(partitions) = arriving.need(self.topology, self.pipeline, operator)
                    {
                        let inserted = self.inserted(&step.name, partitions, operator.placed_by());
                        arriving = arriving.behind(self.topology, self.pipeline, &inserted);
                        placed.push(inserted);
                    }
                    arriving = arriving.behind(self.topology, self.pipeline, &step);
                }
            }
            placed.push(step);
        }
        (placed, arriving)
    }

    fn branch(&self, branch: &mut Branch, arriving: Arriving) -> Arriving {
        let is_whole = branch.is_whole();
        let mut out = if is_whole { Arriving::default() } else { arriving.clone() };
        for arm in &mut branch.arms {
            let (steps, last) = self.steps(&arm.steps, arriving.clone());
            arm.steps = steps;
            if arm.to.is_none() {
                out = out.and(last);
            }
        }
        out
    }

    fn inserted(&self, step: &OperatorName, partitions: Option<u32>, by: Option<&Expression>) -> Step {
        let name = OperatorName::repartition_of(step);
        let repartition = Repartition {
            by: by.cloned(),
            partitions: Some(partitions.unwrap_or_else(|| self.topology.task_count(self.pipeline))),
            partitioner: Partitioner::Murmur2,
            retention: None,
            is_inserted: true,
        };
        Step { name, operator: Operator::Repartition(repartition) }
    }
}
