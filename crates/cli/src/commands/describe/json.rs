//! A topology for programs. Durations are in seconds; expressions are their source.

use serde_json::{Value, json};

use super::operators::parts;
use super::text::on_error_word;
use crate::library::{Expression, Model, Pipeline, Topic, Topology};

/// The whole topology.
pub(super) fn write(topology: &Topology) -> Value {
    json!({
        "app": topology.app.as_str(),
        "topics": topology.topics.values().map(topic).collect::<Vec<_>>(),
        "models": topology.models.values().map(model).collect::<Vec<_>>(),
        "pipelines": topology.pipelines.values()
            .map(|declared| pipeline(declared, topology.task_count(declared)))
            .collect::<Vec<_>>(),
    })
}

fn source(expression: Option<&Expression>) -> Option<&str> {
    expression.map(Expression::source)
}

fn topic(topic: &Topic) -> Value {
    json!({
        "name": topic.name.as_str(),
        "partitions": topic.partitions,
        "key": source(topic.key.as_ref()),
        "id": source(topic.id.as_ref()),
        "time": source(topic.time.as_ref()),
        "accept": topic.accept.iter().map(|pattern| pattern.0.as_str()).collect::<Vec<_>>(),
        "retention_seconds": topic.retention_age.map(|age| age.as_secs()),
        "retention_bytes": topic.retention_bytes,
    })
}

fn model(model: &Model) -> Value {
    json!({
        "name": model.name.as_str(),
        "from": model.from.as_str(),
        "when": source(model.when.as_ref()),
        "key": source(model.key.as_ref()),
        "merge": source(model.merge.as_ref()),
        "history_seconds": model.history.map(|history| history.as_secs()),
    })
}

fn pipeline(pipeline: &Pipeline, tasks: u32) -> Value {
    json!({
        "name": pipeline.name.as_str(),
        "from": pipeline.from.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        "to": pipeline.to.as_str(),
        "tasks": tasks,
        "on_error": on_error_word(pipeline.on_error),
        "steps": pipeline.steps.iter().map(|step| json!({
            "name": step.name.as_str(),
            "operator": step.operator.verb(),
            "does": parts(&step.operator),
        })).collect::<Vec<_>>(),
    })
}
