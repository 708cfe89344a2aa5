//! A topic that one step reads as a stream and another as a table: its settings have to suit both.
//!
//! To a stream every event counts, to a table the newest of each key. `compact` lets go of what the stream needs, a retention of
//! what the table needs.

use std::collections::BTreeMap;

use riverrun_event::TopicName;

use crate::operators::Operator;
use crate::operators::join::Join;
use crate::pipeline::Pipeline;

use super::Findings;

/// What a step takes a topic as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Every event counts.
    Stream,
    /// The newest event of each key counts.
    Table,
}

/// The places that read a topic as one and as the other, the first of each.
#[derive(Default)]
struct Uses {
    stream: Option<String>,
    table: Option<String>,
}

impl Findings<'_> {
    /// Refuses settings of a topic that do not suit what reads it.
    pub(super) fn uses(&mut self) {
        let mut topics: BTreeMap<&TopicName, Uses> = BTreeMap::new();
        for pipeline in self.topology.pipelines.values() {
            for (topic, of, place) in uses_of(pipeline) {
                let uses = topics.entry(topic).or_default();
                let first = if of == Use::Stream { &mut uses.stream } else { &mut uses.table };
                first.get_or_insert(place);
            }
        }
        for (name, uses) in topics {
            let (Some(topic), Some(stream)) = (self.topology.topics.get(name), uses.stream) else { continue };
            let place = format!("topics.{name}");
            if topic.compact.is_some() {
                let message = format!(
                    "{stream} needs every event of {name}, and a compacted topic keeps only the newest of each key; take `compact` \
                     away, or let a pipeline write the events to a topic of their own for one of the two"
                );
                self.refuse(format!("{place}.compact"), message);
            } else if let Some(table) = uses.table
                && (topic.retention_age.is_some() || topic.retention_bytes.is_some())
            {
                let message = format!(
                    "{table} reads {name} as a table, which needs the newest event of each key for ever, while {stream} reads it as a \
                     stream that lets go of old events; take `retention` away, or let a pipeline write the table to a compacted topic \
                     of its own"
                );
                self.refuse(format!("{place}.retention"), message);
            }
        }
    }
}

/// What a pipeline reads its topics as, each with the place of the step. Of its own inputs the first step that keeps state is
/// asked: behind it are results, not the topic's events.
fn uses_of(pipeline: &Pipeline) -> Vec<(&TopicName, Use, String)> {
    let mut uses = Vec::new();
    let mut own_inputs = pipeline.from.as_slice();
    for step in pipeline.all_steps() {
        let Some(of) = use_of(&step.operator) else { continue };
        let place = format!("the step {} of the pipeline {}", step.name, pipeline.name);
        let topics = std::mem::take(&mut own_inputs).iter().chain(step.operator.further_inputs());
        uses.extend(topics.map(|topic| (topic, of, place.clone())));
    }
    uses
}

/// What an operator takes the flow of the steps and its further inputs as; nothing for one to which that makes no difference.
fn use_of(operator: &Operator) -> Option<Use> {
    match operator {
        Operator::Aggregate(_) | Operator::Sequence(_) | Operator::Join(Join::Stream(_)) => Some(Use::Stream),
        Operator::Table(_) | Operator::Join(Join::Table(_) | Join::Foreign(_)) => Some(Use::Table),
        _ => None,
    }
}
