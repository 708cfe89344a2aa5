//! What stands behind the verbs of plain steps.

use riverrun_event::{ModelName, OperatorName};
use riverrun_topology::Expression;
use riverrun_topology::document::Path;
use riverrun_topology::operators::flat_map::FlatMap;
use riverrun_topology::operators::map::{Map, MapError};
use riverrun_topology::operators::snapshot;

use super::At;
use super::reader::Reader;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Node, Value};

impl Reader<'_> {
    pub(super) fn set(&mut self, node: &Node, place: Span) -> Option<Vec<(Path, Expression)>> {
        self.some_entries(node, place, "fields and what they get, such as `data.total: data.price * 2`")?;
        let read = node.entries().iter().filter_map(|entry| {
            let path = self.path_text(&entry.name, entry.name_span);
            let expression = self.expression(&entry.node);
            path.zip(expression)
        });
        Some(read.collect())
    }

    pub(super) fn rename(&mut self, node: &Node, place: Span) -> Option<Vec<(Path, Path)>> {
        self.some_entries(node, place, "fields and their new places, such as `data.dest: data.destination`")?;
        let read = node.entries().iter().filter_map(|entry| {
            let from = self.path_text(&entry.name, entry.name_span);
            let to = self.path(&entry.node);
            from.zip(to)
        });
        Some(read.collect())
    }

    pub(super) fn map(&mut self, node: &Node, place: Span) -> Option<Map> {
        self.some_entries(node, place, "the fields of the new data, such as `total: data.price * data.count`")?;
        let read = node.entries().iter().map(|entry| Some((entry.name.clone(), self.expression(&entry.node)?)));
        let read: Vec<Option<(String, Expression)>> = read.collect();
        match Map::new(read.into_iter().collect::<Option<_>>()?) {
            Ok(map) => Some(map),
            Err(error) => {
                let name = match &error {
                    MapError::Name(name) | MapError::Twice(name) => name.as_str(),
                    MapError::Empty => "",
                };
                let span =
                    node.entries().iter().rev().find(|entry| entry.name == name).map_or(place, |entry| entry.name_span);
                let help = match name.strip_prefix("data.") {
                    Some(rest) => format!("all of the data is new here, so leave `data.` out: `{rest}`"),
                    None => "a field is written name, or part.name within an object".to_owned(),
                };
                self.report(Diagnostic::error(codes::PATH, span, error.to_string()).note("this one").help(help));
                None
            }
        }
    }

    pub(super) fn flat_map(&mut self, node: &Node, place: Span) -> Option<FlatMap> {
        let Value::Mapping(_) = &node.value else {
            return self.expression(node).map(|each| FlatMap { each, place: None });
        };
        let fields = self.fields(node, place, &fields::FLAT_MAP)?;
        let each = fields.require(self, "each").and_then(|node| self.expression(node));
        let path = fields.get("as").map(|node| self.path(node));
        if path == Some(None) {
            return None;
        }
        Some(FlatMap { each: each?, place: path.flatten() })
    }

    pub(super) fn remove(&mut self, node: &Node) -> Option<Vec<Path>> {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            let diagnostic = Diagnostic::error(codes::VALUE, node.span, "`remove` names no field").note("empty");
            self.report(diagnostic.help("name a field such as data.year, or drop the step"));
            return None;
        }
        Some(node.one_or_many().iter().filter_map(|item| self.path(item)).collect())
    }

    pub(super) fn snapshot(
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

    pub(super) fn transformer(&mut self, node: &Node, place: Span) -> Option<At<OperatorName>> {
        let node = match &node.value {
            Value::Mapping(_) => self.fields(node, place, &fields::TRANSFORM)?.require(self, "name")?,
            _ => node,
        };
        self.name(node, "a transformer", OperatorName::new)
    }

    /// Reports a verb that has nothing behind it.
    pub(super) fn some_entries(&mut self, node: &Node, place: Span, expected: &str) -> Option<()> {
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
