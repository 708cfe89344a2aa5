//! The topology as JSON, for programs. Names are those of the app file, expressions are their source, durations are in seconds.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::expression::Expression;
use crate::model::Model;
use crate::operators::Operator;
use crate::operators::branch::Arm;
use crate::operators::lookup::{Lookup, Whom};
use crate::pipeline::{Pipeline, Step};
use crate::sink::Sink;
use crate::topic::Topic;
use crate::topology::Topology;

use super::aggregate::value as aggregate;
use super::{joins, parts};

pub(super) fn render(topology: &Topology) -> String {
    let described = json!({
        "app": topology.app.as_str(),
        "topics": topology.topics.values().map(topic).collect::<Vec<_>>(),
        "models": topology.models.values().map(model).collect::<Vec<_>>(),
        "pipelines": topology.pipelines.values().map(|declared| pipeline(topology, declared)).collect::<Vec<_>>(),
    });
    format!("{described:#}\n")
}

fn source(expression: Option<&Expression>) -> Value {
    expression.map_or(Value::Null, |expression| expression.source().into())
}

/// A whole number where it is one.
pub(super) fn seconds(duration: Duration) -> Value {
    if duration.subsec_nanos() == 0 { duration.as_secs().into() } else { duration.as_secs_f64().into() }
}

fn topic(topic: &Topic) -> Value {
    json!({
        "name": topic.name.as_str(),
        "partitions": topic.partitions,
        "key": source(topic.key.as_ref()),
        "id": source(topic.id.as_ref()),
        "time": source(topic.time.as_ref()),
        "accept": topic.accept.iter().map(|pattern| pattern.0.as_str()).collect::<Vec<_>>(),
        "retention_seconds": topic.retention_age.map(seconds),
        "retention_bytes": topic.retention_bytes,
        "compact": topic.compact.map(|compact| json!({
            "after_seconds": seconds(compact.after),
            "deletions_seconds": seconds(compact.deletions),
        })),
    })
}

fn model(model: &Model) -> Value {
    json!({
        "name": model.name.as_str(),
        "from": model.from.as_str(),
        "when": source(model.when.as_ref()),
        "key": source(model.key.as_ref()),
        "merge": source(model.merge.as_ref()),
        "history_seconds": model.history.map(seconds),
        "placement": model.placement.word(),
    })
}

fn pipeline(topology: &Topology, pipeline: &Pipeline) -> Value {
    json!({
        "name": pipeline.name.as_str(),
        "from": pipeline.from.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(),
        "steps": steps(&pipeline.steps),
        "to": sink(pipeline.to.as_ref()),
        "inputs": pipeline.inputs().into_iter().map(|topic| topic.as_str()).collect::<Vec<_>>(),
        "outputs": pipeline.outputs().into_iter().map(|topic| topic.as_str()).collect::<Vec<_>>(),
        "on_error": pipeline.on_error.word(),
        "tasks": topology.task_count(pipeline),
        "stages": topology.stages(pipeline).iter().map(|stage| json!({
            "behind": stage.behind.as_ref().map(|step| step.as_str()),
            "inputs": stage.inputs.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(),
            "tasks": stage.tasks,
        })).collect::<Vec<_>>(),
    })
}

fn steps(steps: &[Step]) -> Value {
    let step = |step: &Step| {
        json!({
            "name": step.name.as_str(),
            "operator": step.operator.verb(),
            "does": parts(&step.operator),
            step.operator.verb(): operator(&step.operator),
        })
    };
    steps.iter().map(step).collect()
}

/// A topic's name, or an object for a choice of topics.
pub(super) fn sink(sink: Option<&Sink>) -> Value {
    match sink {
        None => Value::Null,
        Some(Sink::Topic(topic)) => topic.as_str().into(),
        Some(Sink::Route(route)) => json!({
            "route": route.expression.source(),
            "topics": route.topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>(),
            "default": route.default.as_ref().map(|topic| topic.as_str()),
        }),
    }
}

fn way(arm: &Arm) -> Value {
    json!({
        "name": arm.name.as_str(),
        "when": source(arm.when.as_ref()),
        "steps": steps(&arm.steps),
        "to": sink(arm.to.as_ref()),
    })
}

/// Who is asked what, and how.
fn asking(lookup: &Lookup) -> Value {
    let whom = match &lookup.calling.whom {
        Whom::Http => "http",
        Whom::Function(name) => name.as_str(),
    };
    json!({
        "whom": whom,
        "request": lookup.request.source(),
        "as": lookup.place.to_string(),
        "timeout_seconds": seconds(lookup.calling.timeout),
        "attempts": lookup.calling.attempts,
        "concurrency": lookup.calling.concurrency,
        "cache_seconds": lookup.calling.cache.map(seconds),
        "on_failure": lookup.on_failure.word(),
        "registered": lookup.calling.function.is_some(),
    })
}

/// What the app file states for the operator.
fn operator(operator: &Operator) -> Value {
    match operator {
        Operator::Filter(filter) => filter.condition.source().into(),
        Operator::Set(set) => set
            .fields
            .iter()
            .map(|(path, source)| json!({ "field": path.to_string(), "value": source.source() }))
            .collect(),
        Operator::Remove(remove) => remove.fields.iter().map(|path| Value::from(path.to_string())).collect(),
        Operator::Rename(rename) => {
            rename.fields.iter().map(|(from, to)| json!({ "from": from.to_string(), "to": to.to_string() })).collect()
        }
        Operator::Snapshot(snapshot) => {
            let entry = |entry: &crate::operators::snapshot::SnapshotModel| json!({ "model": entry.model.as_str(), "key": entry.key.source(), "as": entry.place.to_string() });
            snapshot.models.iter().map(entry).collect()
        }
        Operator::Transform(transform) => {
            let mut described = Map::new();
            described.insert("name".to_owned(), transform.transformer_name.as_str().into());
            described.insert("registered".to_owned(), transform.transformer.is_some().into());
            described.into()
        }
        Operator::Map(map) => {
            map.fields().iter().map(|(name, source)| json!({ "field": name, "value": source.source() })).collect()
        }
        Operator::FlatMap(flat_map) => json!({
            "each": flat_map.each.source(),
            "as": flat_map.place.as_ref().map(ToString::to_string),
        }),
        Operator::SelectKey(select_key) => select_key.key.source().into(),
        Operator::Lookup(lookup) => asking(lookup),
        Operator::GroupBy(group_by) => group_by.key.source().into(),
        Operator::Repartition(repartition) => json!({
            "by": source(repartition.by.as_ref()),
            "partitions": repartition.partitions,
            "partitioner": repartition.partitioner.word(),
            "retention_seconds": repartition.retention.map(seconds),
            "inserted": repartition.is_inserted,
        }),
        Operator::Peek(peek) => peek.value.source().into(),
        Operator::Branch(branch) => branch.arms.iter().map(way).collect(),
        Operator::Merge(merge) => json!({ "from": merge.from.as_str(), "steps": steps(&merge.steps) }),
        Operator::Aggregate(declared) => aggregate(declared),
        Operator::Deduplicate(deduplicate) => json!({
            "by": deduplicate.by.source(),
            "window_seconds": deduplicate.window.map(seconds),
            "late": sink(deduplicate.late.as_ref()),
        }),
        Operator::Sequence(sequence) => joins::sequence_json(sequence),
        Operator::Join(join) => joins::join_json(join),
        Operator::Table(table) => json!({ "view": table.view.as_str() }),
        Operator::Identify(identify) => joins::identify_json(identify),
        Operator::Monitor(monitor) => joins::monitor_json(monitor),
    }
}
