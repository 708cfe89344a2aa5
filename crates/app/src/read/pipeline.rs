//! `pipelines`: inputs, a tree of steps, outputs.

use riverrun_event::{PipelineName, TopicName};
use riverrun_topology::{OnError, Operator, Step};

use super::At;
use super::expand::Expanded;
use super::fragment::Fragments;
use super::reader::Reader;
use super::sink::SinkPart;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::yaml::{Entry, Node, Value};

/// A declared pipeline. What could not be read is left out, and `is_whole` is false then.
pub(crate) struct PipelinePart {
    pub(crate) name: At<PipelineName>,
    pub(crate) from: Vec<At<TopicName>>,
    /// Its steps and what they name.
    pub(crate) expanded: Expanded,
    pub(crate) to: Option<SinkPart>,
    pub(crate) on_error: Option<OnError>,
    pub(crate) auto_repartition: bool,
    /// Whether everything in it could be read.
    pub(crate) is_whole: bool,
}

impl PipelinePart {
    /// Every topic it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = &At<TopicName>> {
        self.from.iter().chain(&self.expanded.merged)
    }

    /// Every topic it writes.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &At<TopicName>> {
        self.expanded.outputs.iter().chain(self.to.iter().flat_map(|to| &to.topics))
    }
}

impl Reader<'_> {
    pub(super) fn pipelines(
        &mut self,
        node: &Node,
        fragments: &Fragments,
        default: Option<OnError>,
    ) -> Vec<PipelinePart> {
        let entries = self.named(node, "pipelines by name, such as `departures: { from: flights, to: departures }`");
        entries.iter().filter_map(|entry| self.pipeline(entry, fragments, default)).collect()
    }

    fn pipeline(&mut self, entry: &Entry, fragments: &Fragments, default: Option<OnError>) -> Option<PipelinePart> {
        let before = self.diagnostics.len();
        let name = self.key_name(&entry.name, entry.name_span, "a pipeline", PipelineName::new);
        let fields = self.fields(&entry.node, entry.name_span, &fields::PIPELINE)?;
        let from = fields.require(self, "from").map(|node| self.inputs(node)).unwrap_or_default();
        let place = format!("pipelines.{}.steps", entry.name);
        let steps = fields.get("steps").map(|node| self.steps(node, &place)).unwrap_or_default();
        let expanded = self.expand(&steps, fragments, &place);
        // Where events can leave in a branch, only the whole graph tells whether all of them do.
        if !has_exit(&expanded.steps) {
            let _ = fields.require(self, "to");
        }
        let to = fields.entry("to").filter(|entry| !matches!(entry.node.value, Value::Null));
        let to = to.and_then(|entry| self.sink(entry));
        let on_error = fields.get("on_error").and_then(|node| self.on_error(node)).or(default);
        let auto_repartition = fields.get("repartition").and_then(|node| self.auto_repartition(node)).unwrap_or(false);
        let is_whole = self.diagnostics.len() == before && expanded.is_whole;
        Some(PipelinePart { name: name?, from, expanded, to, on_error, auto_repartition, is_whole })
    }

    fn inputs(&mut self, node: &Node) -> Vec<At<TopicName>> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            self.report(
                Diagnostic::error(codes::VALUE, node.span, "`from` names no topic")
                    .note("empty")
                    .help("name at least one"),
            );
        }
        let mut inputs: Vec<At<TopicName>> = Vec::new();
        for item in node.one_or_many() {
            let Some(input) = self.name(item, "a topic", TopicName::new) else { continue };
            if let Some(first) = inputs.iter().find(|earlier| earlier.value == input.value) {
                self.report(
                    Diagnostic::error(codes::DUPLICATE, input.span, format!("`{}` is an input twice", input.value))
                        .note("the second one")
                        .label(first.span, "the first one")
                        .help("keep one of them"),
                );
                continue;
            }
            inputs.push(input);
        }
        inputs
    }

    fn auto_repartition(&mut self, node: &Node) -> Option<bool> {
        self.parsed(node, "auto or declared", |text| match text {
            "auto" => Ok(true),
            "declared" => Ok(false),
            _ => Err("unknown".to_owned()),
        })
    }

    pub(super) fn on_error(&mut self, node: &Node) -> Option<OnError> {
        self.parsed(node, "one of dead_letter, skip and stop", |text| match text {
            "dead_letter" => Ok(OnError::DeadLetter),
            "skip" => Ok(OnError::Skip),
            "stop" => Ok(OnError::Stop),
            other => Err(crate::spelling::nearest(other, ["dead_letter", "skip", "stop"])
                .map_or_else(|| "unknown".to_owned(), |near| format!("did you mean `{near}`?"))),
        })
    }
}

fn has_exit(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.operator {
        Operator::Branch(branch) => branch.arms.iter().any(|arm| arm.to.is_some() || has_exit(&arm.steps)),
        Operator::Merge(merge) => has_exit(&merge.steps),
        _ => false,
    })
}
