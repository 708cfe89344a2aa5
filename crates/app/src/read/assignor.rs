//! Which instance gets which partitions, and what instances say of themselves: `kafka.assignor` and `kafka.labels`.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::OperatorName;
use riverrun_event::limits::PARTITIONS_MAX;

use super::kafka::{INSTANCE_CHARACTERS_MAX, named};
use super::reader::{Fields, Reader};
use super::unit;
use super::value::quote;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::settings::{AssignorSetting, InstanceLabel};
use crate::source::Span;
use crate::yaml::{Entry, Node, Value};

const KINDS: &str = "write `round_robin`, or one of `{ static: ... }`, `{ score: ... }` and `{ custom: name }`";

impl Reader<'_> {
    pub(super) fn labels(&mut self, node: &Node) -> BTreeMap<String, InstanceLabel> {
        let mut labels = BTreeMap::new();
        for entry in self.named(node, "a mapping of names to texts and numbers") {
            let name = self.instance_name(entry, "a label");
            let label = self.label(&entry.node);
            labels.extend(name.zip(label));
        }
        labels
    }

    fn label(&mut self, node: &Node) -> Option<InstanceLabel> {
        let text = self.text(node, "a text or a number")?;
        // What quotes make a text stays one, unless they are only there for the sake of `${...}`.
        let may_be_number = text.from_outside || matches!(&node.value, Value::Scalar(scalar) if scalar.is_plain());
        let number = text.value.parse().ok().filter(|number: &f64| may_be_number && number.is_finite());
        Some(number.map_or(InstanceLabel::Text(text.value), InstanceLabel::Number))
    }

    pub(super) fn assignor(&mut self, entry: &Entry) -> Option<AssignorSetting> {
        let Value::Mapping(_) = &entry.node.value else {
            let expected = "round_robin, `{ static: ... }`, `{ score: ... }` or `{ custom: name }`";
            return self.parsed(&entry.node, expected, |text| match text {
                "round_robin" => Ok(AssignorSetting::RoundRobin),
                _ => Err("unknown".to_owned()),
            });
        };
        let fields = self.fields(&entry.node, entry.name_span, &fields::KAFKA_ASSIGNOR)?;
        match (fields.get("static"), fields.get("score"), fields.get("custom")) {
            (Some(node), None, None) => self.fixed(&fields, node),
            (None, Some(node), None) => {
                self.without_reassigning(&fields, |reader| reader.score_expression(node).map(AssignorSetting::Score))
            }
            (None, None, Some(node)) => self.without_reassigning(&fields, |reader| {
                let name = reader.name(node, "an assignor", OperatorName::new)?;
                reader.custom_assignor = Some((name.value.to_string(), name.span));
                Some(AssignorSetting::Custom(name.value.to_string()))
            }),
            (None, None, None) => {
                let message = "the assignor is none of `static`, `score` and `custom`";
                self.report(
                    Diagnostic::error(codes::MISSING_FIELD, entry.name_span, message).note("this one").help(KINDS),
                );
                None
            }
            _ => {
                let message = "the assignor is more than one of `static`, `score` and `custom`";
                self.report(Diagnostic::error(codes::VALUE, entry.name_span, message).note("this one").help(KINDS));
                None
            }
        }
    }

    fn without_reassigning<T>(&mut self, fields: &Fields<'_>, read: impl FnOnce(&mut Self) -> T) -> T {
        if let Some(entry) = fields.entry("reassign_after") {
            let message = "`reassign_after` is for `static`, whose partitions wait for their instance";
            let help =
                "leave it out; with other assignors the partitions of an instance that has gone go to others at once";
            self.report(Diagnostic::error(codes::VALUE, entry.name_span, message).note("not here").help(help));
        }
        read(self)
    }

    fn fixed(&mut self, fields: &Fields<'_>, node: &Node) -> Option<AssignorSetting> {
        let mut owners: BTreeMap<u32, (&str, Span)> = BTreeMap::new();
        let mut instances: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
        for entry in self.named(node, "a mapping of instances to their partitions") {
            let name = self.instance_name(entry, "an instance");
            let mut own = BTreeSet::new();
            for item in entry.node.one_or_many() {
                let number = self.number(item, 0, u64::from(PARTITIONS_MAX) - 1);
                let Some(partition) = number.and_then(|number| u32::try_from(number).ok()) else { continue };
                if let Some((first, span)) = owners.insert(partition, (&entry.name, item.span)) {
                    let message =
                        format!("partition {partition} is given to both {} and {}", quote(first), quote(&entry.name));
                    self.report(
                        Diagnostic::error(codes::DUPLICATE, item.span, message)
                            .note("the second time")
                            .label(span, "the first time")
                            .help("a partition has one instance; leave out those that any may have"),
                    );
                }
                own.insert(partition);
            }
            instances.extend(name.map(|name| (name, own)));
        }
        let reassign_after = match fields.get("reassign_after") {
            Some(node) => Some(self.parsed(node, unit::DURATION, unit::duration)?),
            None => None,
        };
        Some(AssignorSetting::Static { instances, reassign_after })
    }

    fn instance_name(&mut self, entry: &Entry, what: &str) -> Option<String> {
        let checked = named(&entry.name, INSTANCE_CHARACTERS_MAX);
        let refuse = |reason: String| {
            let message = format!("{} cannot be the name of {what}", quote(&entry.name));
            let help = "write a name of at most 64 letters, digits, `.`, `_` and `-`";
            self.report(Diagnostic::error(codes::NAME, entry.name_span, message).note(reason).help(help));
        };
        checked.map_err(refuse).ok()
    }
}
