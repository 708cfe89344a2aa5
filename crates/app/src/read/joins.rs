//! Steps that bring events of a key together.

use std::time::Duration;

use riverrun_topology::document::Path;
use riverrun_topology::operators::deduplicate::Deduplicate;
use riverrun_topology::operators::sequence::{Ending, Sequence};
use riverrun_topology::{Operator, Sink};

use super::reader::{Fields, Reader};
use super::step::StepPart;
use super::unit;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Entry, Value};

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

    fn ending(&mut self, fields: &Fields<'_>, place: Span) -> Option<Ending> {
        let word = self.exactly_one(fields, place, &["then", "absent"])?;
        let condition = fields.get(word).and_then(|node| self.expression(node));
        let place = self.place(fields, || Path::parse(Sequence::PLACE_DEFAULT).ok());
        if word == "then" {
            return Some(Ending::Then { condition: condition?, place: place? });
        }
        if let Some(entry) = fields.entry("as") {
            let message = "`absent` puts nothing into the event, so there is no place for it";
            self.report(
                Diagnostic::error(codes::STEP_FIELDS, entry.name_span, message).note("not here").help("drop the `as`"),
            );
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

    pub(super) fn duration(&mut self, node: &crate::yaml::Node) -> Option<Duration> {
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
}
