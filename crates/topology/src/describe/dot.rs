//! The topology as a graph for Graphviz: topics as boxes, models as cylinders, pipelines as their steps.

use std::collections::BTreeSet;

use crate::operators::Operator;
use crate::pipeline::Pipeline;
use crate::topology::Topology;

use super::lines_of;

pub(super) fn render(topology: &Topology) -> String {
    let mut lines = vec![format!("digraph {} {{", quoted(topology.app.as_str()))];
    lines.push("  rankdir=LR; node [fontname=\"sans-serif\", fontsize=11];".to_owned());
    for topic in topology.topics.values() {
        let label = quoted(&format!("{}\n{} x", topic.name, topic.partitions));
        lines.push(format!("  {} [shape=box, label={label}];", node("topic", topic.name.as_str())));
    }
    for model in topology.models.values() {
        let name = node("model", model.name.as_str());
        lines.push(format!("  {name} [shape=cylinder, label={}];", quoted(model.name.as_str())));
        lines.push(format!("  {} -> {name};", node("topic", model.from.as_str())));
    }
    for pipeline in topology.pipelines.values() {
        let name = node("pipeline", pipeline.name.as_str());
        let steps = pipeline.steps.iter().map(|step| format!("{}: {}", step.name, lines_of(&step.operator).join("; ")));
        let label: Vec<String> = std::iter::once(pipeline.name.to_string()).chain(steps).collect();
        lines.push(format!("  {name} [shape=box, style=rounded, label={}];", quoted(&(label.join("\n") + "\n"))));
        for input in &pipeline.from {
            lines.push(format!("  {} -> {name};", node("topic", input.as_str())));
        }
        for model in models(pipeline) {
            lines.push(format!("  {} -> {name} [style=dashed];", node("model", model)));
        }
        lines.push(format!("  {name} -> {};", node("topic", pipeline.to.as_str())));
    }
    lines.push("}\n".to_owned());
    lines.join("\n")
}

/// The models a pipeline looks up, each once.
fn models(pipeline: &Pipeline) -> BTreeSet<&str> {
    let snapshots = pipeline.steps.iter().filter_map(|step| match &step.operator {
        Operator::Snapshot(snapshot) => Some(&snapshot.models),
        _ => None,
    });
    snapshots.flatten().map(|entry| entry.model.as_str()).collect()
}

fn node(kind: &str, name: &str) -> String {
    quoted(&format!("{kind} {name}"))
}

/// A quoted string of the dot language; lines are set to the left.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\l"))
}
