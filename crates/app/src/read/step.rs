//! One step of a pipeline: exactly one verb, and perhaps a name.

use riverrun_event::{ModelName, OperatorName};
use riverrun_topology::document::Path;
use riverrun_topology::operators::{filter, remove, rename, set, snapshot, transform};
use riverrun_topology::{Expression, Operator};

use super::At;
use super::reader::{Fields, Reader};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Node, Value};

/// A step as far as it could be read.
pub(super) struct StepPart {
    pub(super) name: Option<At<OperatorName>>,
    pub(super) operator: Option<Operator>,
    pub(super) models: Vec<At<ModelName>>,
    pub(super) transformer: Option<At<String>>,
}

/// The verbs, one file each in `topology/src/operators`.
const VERBS: [&str; 6] = ["filter", "set", "remove", "rename", "snapshot", "transform"];

impl Reader<'_> {
    pub(super) fn steps(&mut self, node: &Node) -> Vec<StepPart> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| self.step(item)).collect(),
            Value::Null => Vec::new(),
            _ => {
                let message = format!("`steps` takes a list, found {}", node.kind());
                self.report(
                    Diagnostic::error(codes::WRONG_KIND, node.span, message)
                        .note("not a list")
                        .help("put `- ` in front of each step, as in `- filter: data.amount > 10`"),
                );
                Vec::new()
            }
        }
    }

    fn step(&mut self, node: &Node) -> Option<StepPart> {
        let before = self.diagnostics.len();
        let place = node.entries().first().map_or(node.span, |entry| entry.name_span);
        let fields = self.fields(node, place, &fields::STEP)?;
        let name = fields.get("name").and_then(|node| self.name(node, "a step", OperatorName::new));
        let verbs: Vec<&'static str> = VERBS.into_iter().filter(|verb| fields.get(verb).is_some()).collect();
        let mut part = StepPart { name, operator: None, models: Vec::new(), transformer: None };
        if let [verb] = *verbs {
            part.operator = self.operator(verb, &fields, &mut part.models, &mut part.transformer);
        } else if verbs.is_empty() && self.diagnostics.len() == before {
            self.report(
                Diagnostic::error(codes::STEP, place, "a step without a verb")
                    .note("does nothing")
                    .help(format!("a step says one of {}", VERBS.map(|verb| format!("`{verb}`")).join(", "))),
            );
        } else if let [first, second, ..] = *verbs {
            self.several_verbs(&fields, first, second);
            // What stands behind each verb is still read, for its own mistakes.
            for verb in verbs {
                let _ = self.operator(verb, &fields, &mut part.models, &mut part.transformer);
            }
        }
        Some(part)
    }

    fn several_verbs(&mut self, fields: &Fields<'_>, first: &str, second: &str) {
        let place = |verb: &str| fields.entry(verb).map(|entry| entry.name_span).unwrap_or_default();
        let message = format!("one step says both `{first}` and `{second}`");
        self.report(
            Diagnostic::error(codes::STEP, place(second), message)
                .note("the second verb")
                .label(place(first), "the first verb")
                .help("make each a step of its own with `- ` in front: their order matters"),
        );
    }

    fn operator(
        &mut self,
        verb: &str,
        fields: &Fields<'_>,
        models: &mut Vec<At<ModelName>>,
        transformer: &mut Option<At<String>>,
    ) -> Option<Operator> {
        let entry = fields.entry(verb)?;
        let node = &entry.node;
        match verb {
            "filter" => self.expression(node).map(|condition| Operator::Filter(filter::Filter { condition })),
            "set" => self.set(node, entry.name_span).map(|fields| Operator::Set(set::Set { fields })),
            "remove" => self.remove(node).map(|fields| Operator::Remove(remove::Remove { fields })),
            "rename" => self.rename(node, entry.name_span).map(|fields| Operator::Rename(rename::Rename { fields })),
            "snapshot" => {
                let taken = self.snapshot(node, entry.name_span, models)?;
                Some(Operator::Snapshot(snapshot::Snapshot { models: taken }))
            }
            _ => {
                let name = self.transformer(node, entry.name_span)?;
                *transformer = Some(At { value: name.value.to_string(), span: name.span });
                Some(Operator::Transform(transform::Transform {
                    transformer_name: name.value.to_string(),
                    transformer: None,
                }))
            }
        }
    }

    fn set(&mut self, node: &Node, place: Span) -> Option<Vec<(Path, Expression)>> {
        self.some_entries(node, place, "fields and what they get, such as `data.total: data.price * 2`")?;
        let read = node.entries().iter().filter_map(|entry| {
            let path = self.path_text(&entry.name, entry.name_span);
            let expression = self.expression(&entry.node);
            path.zip(expression)
        });
        Some(read.collect())
    }

    fn rename(&mut self, node: &Node, place: Span) -> Option<Vec<(Path, Path)>> {
        self.some_entries(node, place, "fields and their new places, such as `data.dest: data.destination`")?;
        let read = node.entries().iter().filter_map(|entry| {
            let from = self.path_text(&entry.name, entry.name_span);
            let to = self.path(&entry.node);
            from.zip(to)
        });
        Some(read.collect())
    }

    fn remove(&mut self, node: &Node) -> Option<Vec<Path>> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            let diagnostic = Diagnostic::error(codes::VALUE, node.span, "`remove` names no field").note("empty");
            self.report(diagnostic.help("name a field such as data.year, or drop the step"));
            return None;
        }
        Some(node.one_or_many().iter().filter_map(|item| self.path(item)).collect())
    }

    fn snapshot(
        &mut self,
        node: &Node,
        place: Span,
        models: &mut Vec<At<ModelName>>,
    ) -> Option<Vec<snapshot::SnapshotModel>> {
        self.some_entries(node, place, "models and their keys, such as `plane: { key: data.tailnum }`")?;
        let mut taken = Vec::new();
        for entry in node.entries() {
            let model = self.key_name(&entry.name, entry.name_span, "a model", ModelName::new);
            models.extend(model.clone());
            let Some(fields) = self.fields(&entry.node, entry.name_span, &fields::SNAPSHOT_MODEL) else { continue };
            let key = fields.require(self, "key").and_then(|node| self.expression(node));
            let place = match fields.get("as") {
                Some(node) => self.path(node),
                None => Path::from_segments(vec!["snapshot".into(), entry.name.as_str().into()]),
            };
            if let (Some(model), Some(key), Some(place)) = (model, key, place) {
                taken.push(snapshot::SnapshotModel { model: model.value, key, place });
            }
        }
        Some(taken)
    }

    fn transformer(&mut self, node: &Node, place: Span) -> Option<At<OperatorName>> {
        let node = match &node.value {
            Value::Mapping(_) => self.fields(node, place, &fields::TRANSFORM)?.require(self, "name")?,
            _ => node,
        };
        self.name(node, "a transformer", OperatorName::new)
    }

    /// Reports a verb that has nothing behind it.
    fn some_entries(&mut self, node: &Node, place: Span, expected: &str) -> Option<()> {
        match &node.value {
            Value::Mapping(entries) if !entries.is_empty() => Some(()),
            Value::Null | Value::Mapping(_) => {
                let message = format!("expected {expected}, found nothing");
                self.report(Diagnostic::error(codes::WRONG_KIND, place, message).note("nothing follows"));
                None
            }
            _ => {
                self.wrong_kind(node, expected);
                None
            }
        }
    }
}
