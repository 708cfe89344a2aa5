//! `pipelines`: inputs, steps in order, one output.

use std::collections::HashMap;

use riverrun_event::{ModelName, OperatorName, PipelineName, TopicName};
use riverrun_topology::{OnError, Step};

use super::At;
use super::reader::Reader;
use super::step::StepPart;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Entry, Node, Value};

/// A declared pipeline. What could not be read is left out, and `is_whole` is false then.
pub(crate) struct PipelinePart {
    pub(crate) name: At<PipelineName>,
    pub(crate) from: Vec<At<TopicName>>,
    pub(crate) steps: Vec<Step>,
    pub(crate) to: Option<At<TopicName>>,
    pub(crate) on_error: Option<OnError>,
    /// The models its snapshots name.
    pub(crate) models: Vec<At<ModelName>>,
    /// The transformers it names.
    pub(crate) transformers: Vec<At<String>>,
    /// Whether everything in it could be read.
    pub(crate) is_whole: bool,
}

impl Reader<'_> {
    pub(super) fn pipelines(&mut self, node: &Node, default: Option<OnError>) -> Vec<PipelinePart> {
        let entries = self.named(node, "pipelines by name, such as `departures: { from: flights, to: departures }`");
        entries.iter().filter_map(|entry| self.pipeline(entry, default)).collect()
    }

    fn pipeline(&mut self, entry: &Entry, default: Option<OnError>) -> Option<PipelinePart> {
        let before = self.diagnostics.len();
        let name = self.key_name(&entry.name, entry.name_span, "a pipeline", PipelineName::new);
        let fields = self.fields(&entry.node, entry.name_span, &fields::PIPELINE)?;
        let from = fields.require(self, "from").map(|node| self.inputs(node)).unwrap_or_default();
        let steps = fields.get("steps").map(|node| self.steps(node)).unwrap_or_default();
        let to = fields.require(self, "to").and_then(|node| self.name(node, "a topic", TopicName::new));
        let on_error = fields.get("on_error").and_then(|node| self.on_error(node)).or(default);
        let mut part = PipelinePart {
            name: name?,
            from,
            steps: Vec::new(),
            to,
            on_error,
            models: steps.iter().flat_map(|step| step.models.clone()).collect(),
            transformers: steps.iter().filter_map(|step| step.transformer.clone()).collect(),
            is_whole: false,
        };
        part.steps = self.named_steps(steps);
        part.is_whole = self.diagnostics.len() == before;
        Some(part)
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

    pub(super) fn on_error(&mut self, node: &Node) -> Option<OnError> {
        self.parsed(node, "one of dead_letter, skip and stop", |text| match text {
            "dead_letter" => Ok(OnError::DeadLetter),
            "skip" => Ok(OnError::Skip),
            "stop" => Ok(OnError::Stop),
            other => Err(crate::spelling::nearest(other, ["dead_letter", "skip", "stop"])
                .map_or_else(|| "unknown".to_owned(), |near| format!("did you mean `{near}`?"))),
        })
    }

    /// Gives every step its name, its own or the default.
    fn named_steps(&mut self, parts: Vec<StepPart>) -> Vec<Step> {
        let mut places: HashMap<OperatorName, Span> = HashMap::new();
        for name in parts.iter().filter_map(|part| part.name.as_ref()) {
            if let Some(first) = places.insert(name.value.clone(), name.span) {
                self.report(
                    Diagnostic::error(codes::DUPLICATE, name.span, format!("two steps are named `{}`", name.value))
                        .note("the second one")
                        .label(first, "the first one")
                        .help("a step's name owns its state; give each its own"),
                );
            }
        }
        let mut steps = Vec::new();
        for StepPart { name, operator, .. } in parts {
            let Some(operator) = operator else { continue };
            // A transformer's name was read as an operator's, so the default always is one.
            let name = name.map(|name| name.value).or_else(|| Step::default_name(&operator, &steps).ok());
            steps.extend(name.map(|name| Step { name, operator }));
        }
        steps
    }
}
