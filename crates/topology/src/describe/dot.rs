//! The topology as a graph for Graphviz: topics as boxes, models as cylinders, branches as diamonds, and steps that follow one
//! another as one rounded box.

use std::collections::BTreeSet;

use crate::operators::Operator;
use crate::operators::branch::Branch;
use crate::operators::join::Join;
use crate::pipeline::{Pipeline, Step};
use crate::sink::Sink;
use crate::topology::Topology;

use super::{lines_of, one_line};

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
        let mut drawing = Drawing { pipeline, lines };
        drawing.pipeline();
        lines = drawing.lines;
    }
    lines.push("}\n".to_owned());
    lines.join("\n")
}

/// Where events come from that go on to what is drawn next: a node, and what is written at the line from it.
type Loose = Vec<(String, String)>;

struct Drawing<'p> {
    pipeline: &'p Pipeline,
    lines: Vec<String>,
}

impl Drawing<'_> {
    fn pipeline(&mut self) {
        let name = node("pipeline", self.pipeline.name.as_str());
        let inputs = self.pipeline.from.iter().map(|input| (node("topic", input.as_str()), String::new())).collect();
        let (run, rest) = split(&self.pipeline.steps);
        self.run(&name, self.pipeline.name.as_str(), run);
        self.connect(inputs, &name);
        let last = self.steps(rest, vec![(name, String::new())]);
        self.leave(last, self.pipeline.to.as_ref());
    }

    /// Draws steps behind what is loose; gives what is loose behind them.
    fn steps(&mut self, steps: &[Step], mut loose: Loose) -> Loose {
        let mut rest = steps;
        while let Some((first, later)) = rest.split_first() {
            match &first.operator {
                Operator::Branch(branch) => loose = self.branch(first, branch, loose),
                Operator::Repartition(_) => loose = self.meeting(first, loose),
                Operator::Merge(merge) => {
                    let entering = vec![(node("topic", merge.from.as_str()), String::new())];
                    loose.extend(self.steps(&merge.steps, entering));
                }
                _ => {
                    let (run, later) = split(rest);
                    let name = self.inner(first.name.as_str());
                    self.run(&name, "", run);
                    self.connect(loose, &name);
                    (loose, rest) = (vec![(name, String::new())], later);
                    continue;
                }
            }
            rest = later;
        }
        loose
    }

    fn branch(&mut self, step: &Step, branch: &Branch, loose: Loose) -> Loose {
        let name = self.inner(step.name.as_str());
        self.lines.push(format!("  {name} [shape=diamond, label={}];", quoted(step.name.as_str())));
        self.connect(loose, &name);
        let mut out = Vec::new();
        for arm in &branch.arms {
            let condition = arm.when.as_ref().map_or_else(|| "otherwise".to_owned(), |when| one_line(when.source()));
            let last = self.steps(&arm.steps, vec![(name.clone(), format!("{}\n{condition}\n", arm.name))]);
            match &arm.to {
                Some(to) => self.leave(last, Some(to)),
                None => out.extend(last),
            }
        }
        if branch.arms.last().is_none_or(|arm| arm.when.is_some()) {
            out.push((name, "otherwise".to_owned()));
        }
        out
    }

    /// The topic in which events meet that are dealt out anew.
    fn meeting(&mut self, step: &Step, loose: Loose) -> Loose {
        let name = self.inner(step.name.as_str());
        let label = quoted(&format!("{}\n{}\n", step.name, lines_of(&step.operator).join("\n")));
        self.lines.push(format!("  {name} [shape=cds, label={label}];"));
        self.connect(loose, &name);
        vec![(name, String::new())]
    }

    /// One box for steps that follow one another.
    fn run(&mut self, name: &str, title: &str, steps: &[Step]) {
        let described = steps.iter().map(|step| format!("{}: {}", step.name, lines_of(&step.operator).join("; ")));
        let title = Some(title.to_owned()).filter(|title| !title.is_empty());
        let label: Vec<String> = title.into_iter().chain(described).collect();
        self.lines.push(format!("  {name} [shape=box, style=rounded, label={}];", quoted(&(label.join("\n") + "\n"))));
        for model in models(steps) {
            self.lines.push(format!("  {} -> {name} [style=dashed];", node("model", model)));
        }
        for step in steps {
            for topic in step.operator.further_inputs() {
                self.lines.push(format!("  {} -> {name};", node("topic", topic.as_str())));
            }
            let late = vec![(name.to_owned(), "late".to_owned())];
            self.leave(late, step.operator.late());
        }
    }

    fn leave(&mut self, loose: Loose, to: Option<&Sink>) {
        for topic in to.into_iter().flat_map(Sink::topics) {
            self.connect(loose.clone(), &node("topic", topic.as_str()));
        }
    }

    fn connect(&mut self, loose: Loose, to: &str) {
        for (from, label) in loose {
            let label = if label.is_empty() { String::new() } else { format!(" [label={}]", quoted(&label)) };
            self.lines.push(format!("  {from} -> {to}{label};"));
        }
    }

    /// A node within the pipeline.
    fn inner(&self, name: &str) -> String {
        node("pipeline", &format!("{} {name}", self.pipeline.name))
    }
}

/// The steps that follow one another, and what begins with a branch, a merge or a repartition.
fn split(steps: &[Step]) -> (&[Step], &[Step]) {
    let forks =
        |step: &Step| matches!(step.operator, Operator::Branch(_) | Operator::Merge(_) | Operator::Repartition(_));
    steps.split_at(steps.iter().position(forks).unwrap_or(steps.len()))
}

/// The models that steps look up, each once.
fn models(steps: &[Step]) -> BTreeSet<&str> {
    let snapshots = steps.iter().filter_map(|step| match &step.operator {
        Operator::Snapshot(snapshot) => Some(snapshot.models.as_slice()),
        Operator::Join(Join::Model(join)) => Some(std::slice::from_ref(&join.entry)),
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
