//! A topology as a graph in Graphviz' DOT language: topics are boxes, pipelines rounded, models dashed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::operators::parts;
use crate::library::{Operator, Pipeline, Topology};

/// The whole topology.
pub(super) fn write(topology: &Topology) -> String {
    let mut text = format!("digraph {} {{\n", quoted(topology.app.as_str()));
    text.push_str("  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11];\n");
    for name in topology.topics.keys() {
        node(&mut text, &format!("topic {name}"), name.as_str(), "shape=box");
    }
    for model in topology.models.values() {
        node(&mut text, &format!("model {}", model.name), model.name.as_str(), "shape=ellipse, style=dashed");
        edge(&mut text, &format!("topic {}", model.from), &format!("model {}", model.name), "style=dashed");
    }
    for pipeline in topology.pipelines.values() {
        write_pipeline(&mut text, pipeline);
    }
    text.push_str("}\n");
    text
}

fn write_pipeline(text: &mut String, pipeline: &Pipeline) {
    let node_name = format!("pipeline {}", pipeline.name);
    let steps = pipeline.steps.iter().map(|step| match &step.operator {
        operator @ (Operator::Filter(_) | Operator::Transform(_)) => {
            format!("{} {}", operator.verb(), parts(operator).join(", "))
        }
        operator => operator.verb().to_owned(),
    });
    let label: Vec<String> = std::iter::once(pipeline.name.to_string()).chain(steps).collect();
    node(text, &node_name, &label.join("\n"), "shape=box, style=rounded");
    for topic in &pipeline.from {
        edge(text, &format!("topic {topic}"), &node_name, "");
    }
    edge(text, &node_name, &format!("topic {}", pipeline.to), "");
    for model in models(pipeline) {
        edge(text, &format!("model {model}"), &node_name, "style=dashed");
    }
}

fn models(pipeline: &Pipeline) -> BTreeSet<&str> {
    let snapshots = pipeline.steps.iter().filter_map(|step| match &step.operator {
        Operator::Snapshot(snapshot) => Some(&snapshot.models),
        _ => None,
    });
    snapshots.flatten().map(|model| model.model.as_str()).collect()
}

fn node(text: &mut String, name: &str, label: &str, style: &str) {
    let _ = writeln!(text, "  {} [label={}, {style}];", quoted(name), quoted(label));
}

fn edge(text: &mut String, from: &str, to: &str, style: &str) {
    let style = if style.is_empty() { String::new() } else { format!(" [{style}]") };
    let _ = writeln!(text, "  {} -> {}{style};", quoted(from), quoted(to));
}

/// A DOT string; `\n` in it is DOT's own line break.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
