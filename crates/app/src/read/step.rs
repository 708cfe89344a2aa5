//! One step: exactly one verb, and perhaps a name. Steps can hold steps; a list of them is read the same wherever it stands.

use riverrun_event::{ModelName, OperatorName, TopicName};
use riverrun_topology::operators::{filter, group_by, peek, remove, rename, select_key, set, snapshot, transform};
use riverrun_topology::{Expression, Operator};

use super::At;
use super::reader::{Fields, Reader};
use super::sink::SinkPart;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields;
use crate::source::Span;
use crate::yaml::{Entry, Node, Value};

/// A step as far as it could be read.
pub(super) struct StepPart {
    pub(super) name: Option<At<OperatorName>>,
    /// Where it stands, as a path of the file.
    pub(super) place: String,
    /// Its first word.
    pub(super) span: Span,
    pub(super) does: Option<Does>,
    pub(super) models: Vec<At<ModelName>>,
    pub(super) transformer: Option<At<String>>,
    /// Topics that its operator reads besides the flow of the steps.
    pub(super) inputs: Vec<At<TopicName>>,
    /// Topics that its operator writes besides the flow of the steps.
    pub(super) outputs: Vec<At<TopicName>>,
}

/// What a step does.
pub(super) enum Does {
    Operator(Operator),
    Branch(Vec<WayPart>),
    Merge { from: At<TopicName>, steps: Vec<StepPart> },
    Use(At<OperatorName>),
}

/// One way of a branch.
pub(super) struct WayPart {
    /// None of its own for the default.
    pub(super) name: Option<At<OperatorName>>,
    pub(super) place: String,
    pub(super) when: Option<Expression>,
    pub(super) steps: Vec<StepPart>,
    pub(super) to: Option<SinkPart>,
}

/// The verbs: the operators, one file each in `topology/src/operators`, and `use`.
const VERBS: &[&str] = &[
    "filter",
    "set",
    "map",
    "flat_map",
    "remove",
    "rename",
    "snapshot",
    "transform",
    "select_key",
    "lookup",
    "group_by",
    "repartition",
    "count",
    "aggregate",
    "reduce",
    "fold",
    "cogroup",
    "branch",
    "merge",
    "peek",
    "deduplicate",
    "sequence",
    "join",
    "table",
    "identify",
    "monitor",
    "use",
];

impl Reader<'_> {
    /// The steps of a list at `place`.
    pub(super) fn steps(&mut self, node: &Node, place: &str) -> Vec<StepPart> {
        match &node.value {
            Value::List(items) => {
                let placed = items.iter().enumerate();
                placed.filter_map(|(index, item)| self.step(item, format!("{place}[{index}]"))).collect()
            }
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

    fn step(&mut self, node: &Node, place: String) -> Option<StepPart> {
        let before = self.diagnostics.len();
        let first = node.entries().first().map_or(node.span, |entry| entry.name_span);
        let fields = self.fields(node, first, &fields::STEP)?;
        let name = fields.get("name").and_then(|node| self.name(node, "a step", OperatorName::new));
        let verbs: Vec<&'static str> = VERBS.iter().copied().filter(|verb| fields.get(verb).is_some()).collect();
        let mut part = StepPart {
            name,
            place,
            span: first,
            does: None,
            models: Vec::new(),
            transformer: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        if let [verb] = *verbs {
            part.does = self.verb(verb, &fields, &mut part);
        } else if verbs.is_empty() && self.diagnostics.len() == before {
            self.report(Diagnostic::error(codes::STEP, first, "a step without a verb").note("does nothing").help(
                format!(
                    "a step says one of {}",
                    VERBS.iter().map(|verb| format!("`{verb}`")).collect::<Vec<_>>().join(", ")
                ),
            ));
        } else if let [first, second, ..] = *verbs {
            self.several_verbs(&fields, first, second);
            // What stands behind each verb is still read, for its own mistakes.
            for verb in verbs {
                let _ = self.verb(verb, &fields, &mut part);
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

    fn verb(&mut self, verb: &str, fields: &Fields<'_>, part: &mut StepPart) -> Option<Does> {
        let entry = fields.entry(verb)?;
        match verb {
            "branch" => self.branch(entry, &part.place).map(Does::Branch),
            "merge" => self.merge(entry, &part.place),
            "use" => self.name(&entry.node, "a fragment", OperatorName::new).map(Does::Use),
            _ => self.operator(verb, entry, part).map(Does::Operator),
        }
    }

    fn operator(&mut self, verb: &str, entry: &Entry, part: &mut StepPart) -> Option<Operator> {
        let node = &entry.node;
        match verb {
            "filter" => self.expression(node).map(|condition| Operator::Filter(filter::Filter { condition })),
            "set" => self.set(node, entry.name_span).map(|fields| Operator::Set(set::Set { fields })),
            "map" => self.map(node, entry.name_span).map(Operator::Map),
            "flat_map" => self.flat_map(node, entry.name_span).map(Operator::FlatMap),
            "remove" => self.remove(node).map(|fields| Operator::Remove(remove::Remove { fields })),
            "rename" => self.rename(node, entry.name_span).map(|fields| Operator::Rename(rename::Rename { fields })),
            "select_key" => self.expression(node).map(|key| Operator::SelectKey(select_key::SelectKey { key })),
            "lookup" => self.lookup(node, entry.name_span).map(Operator::Lookup),
            "group_by" => self.expression(node).map(|key| Operator::GroupBy(group_by::GroupBy { key })),
            "repartition" => self.repartition(node, entry.name_span).map(Operator::Repartition),
            "peek" => self.expression(node).map(|value| Operator::Peek(peek::Peek { value })),
            "deduplicate" => self.deduplicate(entry, part),
            "sequence" => self.sequence(entry, part),
            "join" => self.join(entry, part),
            "table" => self.table(entry),
            "identify" => self.identify(entry),
            "monitor" => self.monitor(entry, part),
            "count" | "aggregate" | "reduce" | "fold" | "cogroup" => {
                self.aggregate(verb, entry, part).map(|aggregate| Operator::Aggregate(Box::new(aggregate)))
            }
            "snapshot" => {
                let taken = self.snapshot(node, entry.name_span, &mut part.models)?;
                Some(Operator::Snapshot(snapshot::Snapshot { models: taken }))
            }
            _ => {
                let name = self.transformer(node, entry.name_span)?;
                part.transformer = Some(At { value: name.value.to_string(), span: name.span });
                Some(Operator::Transform(transform::Transform {
                    transformer_name: name.value.to_string(),
                    transformer: None,
                }))
            }
        }
    }

    fn branch(&mut self, entry: &Entry, place: &str) -> Option<Vec<WayPart>> {
        let expected = "ways and their conditions, such as `big: { when: data.total > 1000, to: big-orders }`";
        self.some_entries(&entry.node, entry.name_span, expected)?;
        let mut ways: Vec<WayPart> = entry.node.entries().iter().filter_map(|way| self.way(way, place)).collect();
        // Wherever it is written, the default takes what the others leave.
        ways.sort_by_key(|way| way.name.is_none());
        Some(ways)
    }

    fn way(&mut self, entry: &Entry, place: &str) -> Option<WayPart> {
        let is_default = entry.name == "default";
        let place = format!("{place}.branch.{}", entry.name);
        let name = if is_default {
            None
        } else {
            Some(self.key_name(&entry.name, entry.name_span, "a way of a branch", OperatorName::new)?)
        };
        let fields = self.fields(&entry.node, entry.name_span, &fields::WAY)?;
        let when = match fields.get("when") {
            Some(node) if is_default => {
                let message = "`default` takes what the other ways leave, so it has no condition";
                self.report(
                    Diagnostic::error(codes::VALUE, node.span, message)
                        .note("not here")
                        .help("give the way another name, or drop its `when`"),
                );
                return None;
            }
            None if is_default => None,
            _ => Some(fields.require(self, "when").and_then(|node| self.expression(node))?),
        };
        let steps = fields.get("steps").map(|node| self.steps(node, &format!("{place}.steps"))).unwrap_or_default();
        let to = fields.entry("to").and_then(|entry| self.sink(entry));
        Some(WayPart { name, place, when, steps, to })
    }

    fn merge(&mut self, entry: &Entry, place: &str) -> Option<Does> {
        let place = format!("{place}.merge.steps");
        if let Value::Scalar(_) = &entry.node.value {
            let from = self.name(&entry.node, "a topic", TopicName::new)?;
            return Some(Does::Merge { from, steps: Vec::new() });
        }
        let fields = self.fields(&entry.node, entry.name_span, &fields::MERGE)?;
        let from = fields.require(self, "from").and_then(|node| self.name(node, "a topic", TopicName::new));
        let steps = fields.get("steps").map(|node| self.steps(node, &place)).unwrap_or_default();
        Some(Does::Merge { from: from?, steps })
    }
}
