//! The topology as aligned text.

use riverrun_event::TopicName;

use crate::expression::Expression;
use crate::model::{Model, Placement};
use crate::operators::Operator;
use crate::operators::branch::Arm;
use crate::pipeline::{Pipeline, Step};
use crate::sink::Sink;
use crate::topic::Topic;
use crate::topology::Topology;

use super::{duration, leaving, lines_of, one_line, size};

pub(super) fn render(topology: &Topology) -> String {
    let mut text = format!("app {}\n", topology.app);
    section(&mut text, "topics", topology.topics.values().map(topic));
    section(&mut text, "models", topology.models.values().map(model));
    for pipeline in topology.pipelines.values() {
        text.push_str(&describe_pipeline(topology, pipeline));
    }
    text
}

/// A heading and rows of cells, each column as wide as its widest cell.
fn section(text: &mut String, heading: &str, rows: impl Iterator<Item = Vec<String>>) {
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{heading}\n{}", aligned(&rows)));
    }
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: String = row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:width$}")).collect();
        text.push_str(cells.trim_end());
        text.push('\n');
    }
    text
}

fn topic(topic: &Topic) -> Vec<String> {
    let plural = if topic.partitions == 1 { "" } else { "s" };
    let expressions = stated([("key", &topic.key), ("id", &topic.id), ("time", &topic.time)]);
    let kept = match (topic.retention_age, topic.retention_bytes) {
        (None, None) => "kept for ever".to_owned(),
        (Some(age), None) => format!("kept {}", duration(age)),
        (None, Some(bytes)) => format!("kept up to {} a partition", size(bytes)),
        (Some(age), Some(bytes)) => format!("kept {}, up to {} a partition", duration(age), size(bytes)),
    };
    let kept = if topic.compact.is_some() { format!("{kept}, newest per key") } else { kept };
    let mut cells = vec![topic.name.to_string(), format!("{} partition{plural}", topic.partitions), expressions, kept];
    if !topic.accept.is_empty() {
        let patterns: Vec<&str> = topic.accept.iter().map(|pattern| pattern.0.as_str()).collect();
        cells.push(format!("accepts {}", patterns.join(", ")));
    }
    cells
}

fn model(model: &Model) -> Vec<String> {
    let mut cells = vec![model.name.to_string(), format!("from {}", model.from)];
    let history = model.history.map_or_else(|| "for ever".to_owned(), duration);
    cells.push(format!("history {history}"));
    cells.extend((model.placement == Placement::Copartitioned).then(|| "copartitioned".to_owned()));
    cells.push(stated([("when", &model.when), ("key", &model.key), ("merge", &model.merge)]));
    cells
}

/// The expressions that are there, each behind its word.
fn stated(expressions: [(&str, &Option<Expression>); 3]) -> String {
    let stated = expressions
        .into_iter()
        .filter_map(|(word, expression)| Some(format!("{word} {}", one_line(expression.as_ref()?.source()))));
    stated.collect::<Vec<_>>().join(", ")
}

fn describe_pipeline(topology: &Topology, pipeline: &Pipeline) -> String {
    let stages = topology.stages(pipeline);
    let tasks: Vec<String> = stages.iter().map(|stage| stage.tasks.to_string()).collect();
    let plural = if tasks.len() == 1 && tasks.iter().all(|tasks| tasks == "1") { "" } else { "s" };
    let mut text = format!(
        "\npipeline {}: {} -> {}  ({} task{plural}, on error {})\n",
        pipeline.name,
        listed(&pipeline.inputs()),
        listed(&pipeline.outputs()),
        tasks.join(" + "),
        pipeline.on_error.word()
    );
    let mut rows = Vec::new();
    steps(&pipeline.steps, "", &mut rows);
    // A single topic is said above.
    rows.extend(
        pipeline
            .to
            .as_ref()
            .filter(|to| pipeline.outputs().len() > 1 || to.topics().count() > 1)
            .map(|to| sink("", to)),
    );
    text.push_str(&aligned(&rows));
    text
}

fn listed(topics: &[&TopicName]) -> String {
    topics.iter().map(|topic| topic.as_str()).collect::<Vec<_>>().join(", ")
}

/// A row for each part of each step; what is within a step is set to the right.
fn steps(steps: &[Step], indent: &str, rows: &mut Vec<Vec<String>>) {
    for step in steps {
        let name = format!("{indent}{}", step.name);
        if let Operator::Branch(branch) = &step.operator {
            rows.push(vec![name, step.operator.verb().to_owned()]);
            branch.arms.iter().for_each(|arm| way(arm, &format!("{indent}  "), rows));
            continue;
        }
        let mut heads = [name, step.operator.verb().to_owned()];
        for line in lines_of(&step.operator) {
            let [name, verb] = std::mem::take(&mut heads);
            rows.push(vec![name, verb, line]);
        }
        if let Operator::Merge(merge) = &step.operator {
            self::steps(&merge.steps, &format!("{indent}  "), rows);
        }
    }
}

fn way(arm: &Arm, indent: &str, rows: &mut Vec<Vec<String>>) {
    let name = format!("{indent}{}", arm.name);
    match &arm.when {
        Some(when) => rows.push(vec![name, "when".to_owned(), one_line(when.source())]),
        None => rows.push(vec![name, "otherwise".to_owned()]),
    }
    let indent = format!("{indent}  ");
    steps(&arm.steps, &indent, rows);
    rows.extend(arm.to.as_ref().map(|to| sink(&indent, to)));
}

fn sink(indent: &str, to: &Sink) -> Vec<String> {
    let kind = if matches!(to, Sink::Route(_)) { "route" } else { "to" };
    vec![format!("{indent}->"), kind.to_owned(), leaving(to)]
}
