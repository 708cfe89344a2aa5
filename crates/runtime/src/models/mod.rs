//! Models: keyed entities with their history, kept from topics and looked up as of an event's time.
//!
//! [`version`] is the row a version is stored in, [`feed`] applies an event to a model, [`store`] is the process-wide store of
//! broadcast models, [`lookup`] answers a step. A model fed by a pipeline's own input lives in the task instead (same rows,
//! same feed), so that a snapshot includes the very event it is taken for.

pub mod cache;
pub mod feed;
pub mod lookup;
mod merge;
pub mod store;
#[cfg(test)]
mod tests;
mod untouched;
pub mod version;

pub use cache::VersionCache;
pub use feed::Feed;
pub use lookup::Lookup;
pub use store::{Frontier, ModelStore};

use riverrun_event::{OperatorName, TopicName};
use riverrun_topology::operators::snapshot::SnapshotModel;
use riverrun_topology::{Expression, Model, Pipeline, Placement, Topology};

/// Whether all versions of an entity come from one partition: the one its key is placed on. Then one partition answers a
/// lookup; otherwise all are asked and the newest version counts.
#[must_use]
pub fn is_placed_by_key(topology: &Topology, model: &Model) -> bool {
    let topic_key = topology.topics.get(&model.from).and_then(|topic| topic.key.as_ref());
    model.key.is_none() || model.key.as_ref() == topic_key
}

/// Whether the model lives in the pipeline's own tasks: because it is to be copartitioned, or fed by its input, keyed by its key and looked up by it, so that
/// every look-up concerns an entity of the task's own partition. All inputs need the same number of partitions for that.
#[must_use]
pub fn is_own(topology: &Topology, pipeline: &Pipeline, model: &Model) -> bool {
    let partitions = |topic: &TopicName| topology.topics.get(topic).map(|topic| topic.partitions);
    if model.placement == Placement::Copartitioned {
        return true;
    }
    let stages = topology.stages(pipeline);
    let Some((first, others)) = stages.split_first() else { return false };
    let inputs = &first.inputs;
    let elsewhere = |name: &OperatorName| others.iter().any(|stage| stage.steps.contains(name));
    inputs.contains(&model.from)
        && is_placed_by_key(topology, model)
        && inputs.iter().all(|input| partitions(input) == partitions(&model.from))
        && !look_ups_by_step(pipeline).any(|(step, entry)| entry.model == model.name && elsewhere(step))
        && look_ups(pipeline)
            .filter(|entry| entry.model == model.name)
            .all(|entry| inputs.iter().all(|input| is_key_of(topology, input, &entry.key)))
        && untouched::is_untouched(pipeline, model)
}

/// The models that are looked up by the steps of a pipeline, in order.
pub fn look_ups(pipeline: &Pipeline) -> impl Iterator<Item = &SnapshotModel> {
    look_ups_by_step(pipeline).map(|(_, entry)| entry)
}

/// The same, each with its step.
pub fn look_ups_by_step(pipeline: &Pipeline) -> impl Iterator<Item = (&OperatorName, &SnapshotModel)> {
    let steps = pipeline.all_steps().into_iter();
    steps.flat_map(|step| step.operator.looked_up().into_iter().map(move |entry| (&step.name, entry)))
}

/// Whether an expression gives the key events of the topic have.
fn is_key_of(topology: &Topology, topic: &TopicName, expression: &Expression) -> bool {
    expression.source().trim() == "key"
        || topology.topics.get(topic).is_some_and(|topic| topic.key.as_ref() == Some(expression))
}
