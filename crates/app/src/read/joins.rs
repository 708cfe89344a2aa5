//! Steps that bring events of a key together.

use std::time::Duration;

use riverrun_event::{ModelName, TopicName, ViewName};
use riverrun_topology::document::Path;
use riverrun_topology::operators::deduplicate::Deduplicate;
use riverrun_topology::operators::join::{ForeignJoin, Join, JoinType, ModelJoin, Stage, StreamJoin, TableJoin};
use riverrun_topology::operators::sequence::{Ending, Sequence};
use riverrun_topology::operators::snapshot::SnapshotModel;
use riverrun_topology::operators::table::Table;
use riverrun_topology::{Operator, Sink};

use super::reader::{Fields, Reader};
use super::step::StepPart;
use super::unit;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Entry, Node, Value};

impl Reader<'_> {
    pub(super) fn deduplicate(&mut self, entry: &Entry, part: &mut StepPart) -> Option<Operator> {
        let Value::Mapping(_) = &entry.node.value else {
            let by = self.expression(&entry.node)?;
            return Some(Operator::Deduplicate(Deduplicate { by, window: None, late: None }));
        };
        let fields = self.fields(&entry.node, entry.name_span, &fields::DEDUPLICATE)?;
        let by = fields.require(self, "by").and_then(|node| self.expression(node));
        let window = self.optional_duration(&fields, "window");
        let late = self.late(&fields, part);
        Some(Operator::Deduplicate(Deduplicate { by: by?, window: window?, late: late? }))
    }

    pub(super) fn sequence(&mut self, entry: &Entry, part: &mut StepPart) -> Option<Operator> {
        let fields = self.fields(&entry.node, entry.name_span, &fields::SEQUENCE)?;
        let first = fields.require(self, "first").and_then(|node| self.expression(node));
        let within = fields.require(self, "within").and_then(|node| self.duration(node));
        let grace = self.optional_duration(&fields, "grace");
        let ending = self.ending(&fields, entry.name_span);
        let late = self.late(&fields, part);
        Some(Operator::Sequence(Sequence {
            first: first?,
            ending: ending?,
            within: within?,
            grace: grace?.unwrap_or_default(),
            late: late?,
        }))
    }

    pub(super) fn join(&mut self, entry: &Entry, part: &mut StepPart) -> Option<Operator> {
        let fields = self.fields(&entry.node, entry.name_span, &fields::JOIN)?;
        let with = self.exactly_one(&fields, entry.name_span, &["stream", "table", "model"])?;
        let named = fields.require(self, with)?;
        let kind = match fields.get("type") {
            Some(node) => self.join_type(node),
            None => Some(JoinType::Inner),
        };
        let join = match with {
            "stream" => self.stream_join(&fields, entry.name_span, (named, kind), part).map(Join::Stream),
            "table" if fields.get("by").is_some() => self.foreign_join(&fields, named, kind, part).map(Join::Foreign),
            "table" => self.table_join(&fields, named, kind, part).map(Join::Table),
            _ => self.model_join(&fields, named, kind, part).map(Join::Model),
        };
        join.map(Operator::Join)
    }

    fn join_type(&mut self, node: &Node) -> Option<JoinType> {
        self.parsed(node, "one of inner, left and outer", |text| match text {
            "inner" => Ok(JoinType::Inner),
            "left" => Ok(JoinType::Left),
            "outer" => Ok(JoinType::Outer),
            _ => Err("unknown".to_owned()),
        })
    }

    fn stream_join(
        &mut self,
        fields: &Fields<'_>,
        place: Span,
        (named, kind): (&Node, Option<JoinType>),
        part: &mut StepPart,
    ) -> Option<StreamJoin> {
        let fits = self.only_with(fields, "stream", &["by", "view"]);
        let stream = self.name(named, "a topic", TopicName::new);
        part.inputs.extend(stream.clone());
        let around = self.around(fields, place);
        let grace = self.optional_duration(fields, "grace");
        let late = self.late(fields, part);
        let put = self.place(fields, || Join::default_place(stream.as_ref()?.value.as_str()));
        let (before, after) = around?;
        let grace = grace?.unwrap_or_default();
        fits.then_some(StreamJoin {
            stream: stream?.value,
            kind: kind?,
            before,
            after,
            grace,
            place: put?,
            late: late?,
        })
    }

    /// How far before and after an event another one may be.
    fn around(&mut self, fields: &Fields<'_>, place: Span) -> Option<(Duration, Duration)> {
        if let Some(node) = fields.get("within") {
            let fits = self.only_with(fields, "within", &["before", "after"]);
            return self.duration(node).filter(|_| fits).map(|within| (within, within));
        }
        let (before, after) = (self.optional_duration(fields, "before")?, self.optional_duration(fields, "after")?);
        if before.is_none() && after.is_none() {
            let message = "a join of streams without a time would keep every event for ever";
            self.report(
                Diagnostic::error(codes::UNBOUNDED, place, message)
                    .note("without `within`")
                    .help("say how far apart two events may be: `within: 10m`, or `before:` and `after:`; for the newest event of the other side write `table:`"),
            );
            return None;
        }
        Some((before.unwrap_or_default(), after.unwrap_or_default()))
    }

    fn table_join(
        &mut self,
        fields: &Fields<'_>,
        named: &Node,
        kind: Option<JoinType>,
        part: &mut StepPart,
    ) -> Option<TableJoin> {
        let fits = self.only_with(fields, "table", &["within", "before", "after", "grace", "late"]);
        let table = self.name(named, "a topic", TopicName::new);
        part.inputs.extend(table.clone());
        let view = self.view(fields);
        let place = self.place(fields, || Join::default_place(table.as_ref()?.value.as_str()));
        fits.then_some(TableJoin { table: table?.value, kind: kind?, place: place?, view: view? })
    }

    fn foreign_join(
        &mut self,
        fields: &Fields<'_>,
        named: &Node,
        kind: Option<JoinType>,
        part: &mut StepPart,
    ) -> Option<ForeignJoin> {
        let fits = self.only_with(fields, "by", &["within", "before", "after", "grace", "late", "view"]);
        let table = self.name(named, "a topic", TopicName::new);
        part.inputs.extend(table.clone());
        let by = fields.get("by").and_then(|node| self.expression(node));
        let place = self.place(fields, || Join::default_place(table.as_ref()?.value.as_str()));
        let stage = Stage::Whole;
        fits.then_some(ForeignJoin { table: table?.value, by: by?, kind: kind?, place: place?, stage })
    }

    fn model_join(
        &mut self,
        fields: &Fields<'_>,
        named: &Node,
        kind: Option<JoinType>,
        part: &mut StepPart,
    ) -> Option<ModelJoin> {
        let fits = self.only_with(fields, "model", &["within", "before", "after", "grace", "late", "view"]);
        let model = self.name(named, "a model", ModelName::new);
        part.models.extend(model.clone());
        let key = fields.require(self, "by").and_then(|node| self.expression(node));
        let place = self.place(fields, || Join::default_place(model.as_ref()?.value.as_str()));
        let entry = SnapshotModel { model: model?.value, key: key?, place: place? };
        fits.then_some(ModelJoin { entry, kind: kind? })
    }

    pub(super) fn table(&mut self, entry: &Entry) -> Option<Operator> {
        let node = match &entry.node.value {
            Value::Mapping(_) => self.fields(&entry.node, entry.name_span, &fields::TABLE)?.require(self, "view")?,
            _ => &entry.node,
        };
        self.name(node, "a view", ViewName::new).map(|view| Operator::Table(Table { view: view.value }))
    }

    fn ending(&mut self, fields: &Fields<'_>, place: Span) -> Option<Ending> {
        let word = self.exactly_one(fields, place, &["then", "absent"])?;
        let condition = fields.get(word).and_then(|node| self.expression(node));
        let place = self.place(fields, || Path::parse(Sequence::PLACE_DEFAULT).ok());
        if word == "then" {
            return Some(Ending::Then { condition: condition?, place: place? });
        }
        if !self.only_with(fields, "absent", &["as"]) {
            return None;
        }
        Some(Ending::Absent { condition: condition? })
    }

    /// The one of some fields that is given; reports when none is, or several are.
    pub(super) fn exactly_one(
        &mut self,
        fields: &Fields<'_>,
        place: Span,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let given: Vec<_> = words.iter().filter_map(|word| Some((*word, fields.entry(word)?))).collect();
        let all: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        match given.as_slice() {
            [(word, _)] => return Some(word),
            [] => {
                let message = format!("one of {} is missing", all.join(", "));
                self.report(
                    Diagnostic::error(codes::STEP_FIELDS, place, message)
                        .note("needs one of them")
                        .help(format!("say {}", all.join(" or "))),
                );
            }
            [(first, held), (second, entry), ..] => {
                let message = format!("both `{first}` and `{second}` are given");
                self.report(
                    Diagnostic::error(codes::STEP_FIELDS, entry.name_span, message)
                        .note("the second one")
                        .label(held.name_span, "the first one")
                        .help("keep one of them, or make each a step of its own"),
                );
            }
        }
        None
    }

    /// The place that `as` names, else the default.
    pub(super) fn place(&mut self, fields: &Fields<'_>, default: impl FnOnce() -> Option<Path>) -> Option<Path> {
        match fields.get("as") {
            Some(node) => self.path(node),
            None => default(),
        }
    }

    pub(super) fn duration(&mut self, node: &Node) -> Option<Duration> {
        self.parsed(node, unit::DURATION, unit::duration)
    }

    /// `None` when it is given and has a mistake.
    pub(super) fn optional_duration(&mut self, fields: &Fields<'_>, name: &str) -> Option<Option<Duration>> {
        match fields.get(name) {
            Some(node) => self.duration(node).map(Some),
            None => Some(None),
        }
    }

    /// Where late events go; `None` when it is given and has a mistake.
    pub(super) fn late(&mut self, fields: &Fields<'_>, part: &mut StepPart) -> Option<Option<Sink>> {
        let Some(entry) = fields.entry("late") else { return Some(None) };
        let late = self.sink(entry)?;
        part.outputs.extend(late.topics);
        Some(Some(late.sink))
    }

    /// What the state is read as; `None` when it is given and has a mistake.
    pub(super) fn view(&mut self, fields: &Fields<'_>) -> Option<Option<ViewName>> {
        match fields.get("view") {
            Some(node) => self.name(node, "a view", ViewName::new).map(|view| Some(view.value)),
            None => Some(None),
        }
    }

    /// Reports fields that mean nothing beside `word`; false when there are some.
    pub(super) fn only_with(&mut self, fields: &Fields<'_>, word: &str, strangers: &[&str]) -> bool {
        let given: Vec<_> = strangers.iter().filter_map(|name| fields.entry(name)).collect();
        for entry in &given {
            let message = format!("`{}` means nothing beside `{word}`", entry.name);
            self.report(
                Diagnostic::error(codes::STEP_FIELDS, entry.name_span, message).note("not here").help("leave it out"),
            );
        }
        given.is_empty()
    }
}
