//! Steps about entities: which one an event belongs to, and what holds of it.

use riverrun_event::ModelName;
use riverrun_topology::document::Path;
use riverrun_topology::operators::identify::Identify;
use riverrun_topology::operators::monitor::{Absence, Condition, Direction, Monitor, Rate, Threshold};
use riverrun_topology::{Expression, Operator};

use super::reader::{Fields, Reader};
use super::step::StepPart;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::yaml::{Entry, Value};

impl Reader<'_> {
    pub(super) fn identify(&mut self, entry: &Entry) -> Option<Operator> {
        let fields = self.fields(&entry.node, entry.name_span, &fields::IDENTIFY)?;
        let entity = fields.require(self, "entity").and_then(|node| self.name(node, "an entity", ModelName::new));
        let matches = fields.require(self, "match").and_then(|node| {
            let read: Vec<_> = node.one_or_many().iter().map(|item| self.expression(item)).collect();
            read.into_iter().collect::<Option<Vec<Expression>>>()
        });
        let scope = match fields.get("within") {
            Some(node) => self.expression(node),
            None => Expression::parse(Identify::ONE_SCOPE).ok(),
        };
        let place = self.place(&fields, || Identify::default_place(&entity.as_ref()?.value));
        let identify = Identify { entity: entity?.value, matches: matches?, scope: scope?, place: place? };
        Some(Operator::Identify(identify))
    }

    pub(super) fn monitor(&mut self, entry: &Entry, part: &mut StepPart) -> Option<Operator> {
        let fields = self.fields(&entry.node, entry.name_span, &fields::MONITOR)?;
        let kind = self.exactly_one(&fields, entry.name_span, &["threshold", "rate", "absence"])?;
        let watched = fields.entry(kind)?;
        let condition = match kind {
            "threshold" => {
                let fits = self.only_with(&fields, "threshold", &["late"]);
                self.threshold(watched).filter(|_| fits).map(Condition::Threshold)
            }
            "rate" => self.rate(watched).map(Condition::Rate),
            _ => self.absence(watched).map(Condition::Absence),
        };
        let (late, view) = (self.late(&fields, part), self.view(&fields));
        let place = self.place(&fields, || Path::parse(Monitor::PLACE_DEFAULT).ok());
        Some(Operator::Monitor(Monitor { condition: condition?, place: place?, late: late?, view: view? }))
    }

    fn threshold(&mut self, entry: &Entry) -> Option<Threshold> {
        let fields = self.fields(&entry.node, entry.name_span, &fields::THRESHOLD)?;
        let value = fields.require(self, "value").and_then(|node| self.expression(node));
        let word = self.exactly_one(&fields, entry.name_span, &["above", "below"]);
        let limit = word.and_then(|word| fields.require(self, word)).and_then(|node| self.expression(node));
        let clear = fields.get("clear").map(|node| self.expression(node));
        let direction = if word? == "above" { Direction::Above } else { Direction::Below };
        let clear = match clear {
            Some(clear) => Some(clear?),
            None => None,
        };
        match Threshold::new(value?, direction, limit?, clear) {
            Ok(threshold) => Some(threshold),
            Err(error) => {
                let message = format!("the value cannot be compared with its limit: {}", error.message);
                self.report(Diagnostic::error(codes::EXPRESSION, entry.name_span, message).note("in here"));
                None
            }
        }
    }

    fn rate(&mut self, entry: &Entry) -> Option<Rate> {
        let fields = self.fields(&entry.node, entry.name_span, &fields::RATE)?;
        let more_than = fields.require(self, "more_than").and_then(|node| self.number(node, 0, fields::RATE_MAX));
        let within = fields.require(self, "within").and_then(|node| self.duration(node));
        Some(Rate { more_than: more_than?, within: within? })
    }

    fn absence(&mut self, entry: &Entry) -> Option<Absence> {
        let node = match &entry.node.value {
            Value::Mapping(_) => {
                let fields: Fields<'_> = self.fields(&entry.node, entry.name_span, &fields::ABSENCE)?;
                fields.require(self, "of")?
            }
            _ => &entry.node,
        };
        self.duration(node).map(|of| Absence { of })
    }
}
