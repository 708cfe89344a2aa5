//! One step of a test: the clock, what comes in, what came out.

use riverrun_event::{PipelineName, Time, TopicName};
use riverrun_topology::Topology;

use super::fields;
use super::{ClockMove, ExpectedRecord, ExpectedTopic, Given, TestStep};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{At, Fields, Reader, unit};
use crate::source::Span;
use crate::spelling;
use crate::yaml::{Entry, Node, Value};

/// The word for a topic that got no events.
const NOTHING: &str = "nothing";

/// Reads a step; `name` is where the test is named.
pub(super) fn read(reader: &mut Reader<'_>, topology: &Topology, node: &Node, name: Span) -> Option<TestStep> {
    let place = node.entries().first().map_or(name, |entry| entry.name_span);
    let fields = reader.fields(node, place, &fields::STEP)?;
    Some(TestStep {
        span: place,
        clock: reader.clock(&fields),
        given: fields.get("given").map(|node| reader.given(node, topology)).unwrap_or_default(),
        expect: fields.get("expect").map(|node| reader.expect(node, topology)).unwrap_or_default(),
        dead_letters: fields.get("dead_letters").map(|node| reader.dead_letters(node, topology)).unwrap_or_default(),
        views: fields.get("views").map(|node| reader.views(node, topology)).unwrap_or_default(),
        lookups: fields.entry("lookups").map(|entry| reader.lookups(entry, topology)).unwrap_or_default(),
        stopped: fields.get("stopped").and_then(|node| reader.pipeline_named(node, topology)).map(|name| name.value),
    })
}

impl Reader<'_> {
    fn clock(&mut self, fields: &Fields<'_>) -> Option<ClockMove> {
        if let (Some(at), Some(after)) = (fields.entry("at"), fields.entry("after")) {
            self.report(
                Diagnostic::error(codes::TEST_FIELDS, after.name_span, "one step says both `at` and `after`")
                    .note("the second move of the clock")
                    .label(at.name_span, "the first one")
                    .help("keep one of them, or make two steps"),
            );
        }
        let at = fields.get("at").and_then(|node| self.time(node)).map(ClockMove::At);
        let after = fields.get("after").and_then(|node| self.parsed(node, unit::DURATION, unit::duration));
        at.or(after.map(ClockMove::After))
    }

    pub(super) fn time(&mut self, node: &Node) -> Option<Time> {
        let expected = "a time such as 2026-03-01T12:00:00Z";
        self.parsed(node, expected, |text| Time::parse(text).map_err(|error| error.to_string()))
    }

    fn given(&mut self, node: &Node, topology: &Topology) -> Vec<Given> {
        let Value::List(items) = &node.value else {
            self.no_list(node, "given", "- { topic: orders, data: { total: 10 } }");
            return Vec::new();
        };
        items.iter().filter_map(|item| self.given_event(item, topology)).collect()
    }

    fn expect(&mut self, node: &Node, topology: &Topology) -> Vec<ExpectedTopic> {
        let entries = self.named(node, "topics and what they got, such as `bills: nothing`");
        entries.iter().filter_map(|entry| self.expected_topic(entry, topology)).collect()
    }

    fn expected_topic(&mut self, entry: &Entry, topology: &Topology) -> Option<ExpectedTopic> {
        let topic = self.key_name(&entry.name, entry.name_span, "a topic", TopicName::new);
        let records = self.records(&entry.node, entry.name_span, "expect", |reader, item| reader.expected_event(item));
        let topic = self.known_topic(topic?, topology)?;
        Some(ExpectedTopic { topic, span: entry.name_span, records })
    }

    fn dead_letters(&mut self, node: &Node, topology: &Topology) -> Vec<ExpectedRecord> {
        self.records(node, node.span, "dead_letters", |reader, item| reader.expected_dead_letter(item, topology))
    }

    fn records(
        &mut self,
        node: &Node,
        place: Span,
        field: &str,
        mut read: impl FnMut(&mut Self, &Node) -> Option<ExpectedRecord>,
    ) -> Vec<ExpectedRecord> {
        match &node.value {
            Value::Scalar(scalar) if scalar.text == NOTHING => Vec::new(),
            Value::List(items) => items.iter().filter_map(|item| read(self, item)).collect(),
            Value::Null => {
                let message = format!("`{field}` does not say what is expected");
                let help = "write `nothing`, or a list of events, each with `- ` in front";
                self.report(Diagnostic::error(codes::WRONG_KIND, place, message).note("nothing follows").help(help));
                Vec::new()
            }
            _ => {
                self.no_list(node, field, "- data: { total: 10 }");
                Vec::new()
            }
        }
    }

    fn no_list(&mut self, node: &Node, field: &str, example: &str) {
        if !matches!(node.value, Value::Broken) {
            let message = format!("`{field}` takes a list of events, found {}", node.kind());
            let diagnostic = Diagnostic::error(codes::WRONG_KIND, node.span, message).note("not a list");
            self.report(diagnostic.help(format!("put `- ` in front of each event, as in `{example}`")));
        }
    }

    pub(super) fn known_topic(&mut self, topic: At<TopicName>, topology: &Topology) -> Option<TopicName> {
        if topology.topics.contains_key(&topic.value) {
            return Some(topic.value);
        }
        let known = topology.topics.keys().map(TopicName::as_str);
        self.unknown("topic", "topics of the app", topic.value.as_str(), topic.span, known);
        None
    }

    pub(super) fn pipeline_named(&mut self, node: &Node, topology: &Topology) -> Option<At<PipelineName>> {
        let name = self.name(node, "a pipeline", PipelineName::new)?;
        if topology.pipelines.contains_key(&name.value) {
            return Some(name);
        }
        let known = topology.pipelines.keys().map(PipelineName::as_str);
        self.unknown("pipeline", "pipelines of the app", name.value.as_str(), name.span, known);
        None
    }

    pub(super) fn unknown<'k>(
        &mut self,
        what: &str,
        all: &str,
        name: &str,
        span: Span,
        known: impl Iterator<Item = &'k str> + Clone,
    ) {
        let help = spelling::suggestion(name, all, known);
        let message = format!("the app has no {what} `{name}`");
        self.report(Diagnostic::error(codes::REFERENCE, span, message).note("not in the app file").help(help));
    }
}
