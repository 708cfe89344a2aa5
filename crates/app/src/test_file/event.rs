//! Events of a test: those that are given, and those that are expected.

use riverrun_event::{ModelName, TopicName};
use riverrun_topology::Topology;
use serde_json::Value as Json;

use super::{Aspect, ExpectedField, ExpectedRecord, Given, GivenData, fields, json};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::{Fields, Reader};
use crate::yaml::{Node, Value};

/// Fields that are attributes of CloudEvents, and what they are called there.
const ATTRIBUTES: [(&str, &str); 7] = [
    ("id", "id"),
    ("source", "source"),
    ("type", "type"),
    ("subject", "subject"),
    ("time", "time"),
    ("key", "partitionkey"),
    ("content_type", "datacontenttype"),
];

impl Reader<'_> {
    pub(super) fn given_event(&mut self, node: &Node, topology: &Topology) -> Option<Given> {
        let place = node.entries().first().map_or(node.span, |entry| entry.name_span);
        let fields = self.fields(node, place, &fields::GIVEN)?;
        self.one_of(&fields, &["data", "raw"]);
        let topic = fields.require(self, "topic").and_then(|node| self.name(node, "a topic", TopicName::new));
        let mut attributes = Vec::new();
        for (field, attribute) in ATTRIBUTES {
            let value = fields.get(field).and_then(|node| self.plain(node));
            attributes.extend(value.map(|value| (attribute.to_owned(), value)));
        }
        for entry in fields.get("attributes").map(|node| self.named(node, ATTRIBUTES_EXAMPLE)).unwrap_or_default() {
            let value = self.plain(&entry.node);
            attributes.extend(value.map(|value| (entry.name.clone(), value)));
        }
        let data = fields.get("data").and_then(json::text).map(GivenData::Json);
        let raw = fields.get("raw").and_then(|node| self.plain(node)).map(GivenData::Raw);
        let refused = fields.get("refused").and_then(|node| self.code(node));
        let topic = self.known_topic(topic?, topology)?;
        Some(Given { span: place, topic, attributes, data: data.or(raw), refused })
    }

    pub(super) fn expected_event(&mut self, node: &Node) -> Option<ExpectedRecord> {
        let place = node.entries().first().map_or(node.span, |entry| entry.name_span);
        let fields = self.fields(node, place, &fields::EXPECTED)?;
        self.one_of(&fields, &["data", "contains", "no_data"]);
        let mut expected = self.expected_data(&fields);
        if self.said(&fields, "no_data") {
            expected.push(ExpectedField { aspect: Aspect::NoData, value: Json::Null });
        }
        for field in ["id", "source", "type", "subject"] {
            self.expected_text(&fields, field, Aspect::Attribute(field.to_owned()), &mut expected);
        }
        self.expected_text(&fields, "key", Aspect::Key, &mut expected);
        if let Some(time) = fields.get("time").and_then(|node| self.time(node)) {
            expected.push(field(Aspect::Attribute("time".to_owned()), time.to_string().into()));
        }
        for entry in fields.get("attributes").map(|node| self.named(node, ATTRIBUTES_EXAMPLE)).unwrap_or_default() {
            let value = self.text_or_null(&entry.node);
            expected.extend(value.map(|value| field(Aspect::Attribute(entry.name.clone()), value)));
        }
        Some(ExpectedRecord { span: place, fields: expected })
    }

    pub(super) fn expected_dead_letter(&mut self, node: &Node, topology: &Topology) -> Option<ExpectedRecord> {
        let place = node.entries().first().map_or(node.span, |entry| entry.name_span);
        let fields = self.fields(node, place, &fields::DEAD_LETTER)?;
        self.one_of(&fields, &["data", "contains"]);
        self.one_of(&fields, &["pipeline", "model"]);
        let mut expected = Vec::new();
        if let Some(name) = fields.get("pipeline").and_then(|node| self.pipeline_named(node, topology)) {
            expected.push(field(Aspect::Attribute("rrpipeline".to_owned()), name.value.as_str().into()));
        }
        if let Some(name) = fields.get("model").and_then(|node| self.model_named(node, topology)) {
            expected.push(field(Aspect::Attribute("rrpipeline".to_owned()), format!("model:{name}").into()));
        }
        if let Some(code) = fields.get("code").and_then(|node| self.code(node)) {
            expected.push(field(Aspect::Attribute("rrerrorcode".to_owned()), code.into()));
        }
        if let Some(part) = fields.get("error").and_then(|node| self.plain(node)) {
            expected.push(field(Aspect::Within("rrerror".to_owned()), part.into()));
        }
        self.expected_text(&fields, "operator", Aspect::Attribute("rroperator".to_owned()), &mut expected);
        self.expected_text(&fields, "id", Aspect::Attribute("id".to_owned()), &mut expected);
        self.expected_text(&fields, "key", Aspect::Key, &mut expected);
        expected.extend(self.expected_data(&fields));
        Some(ExpectedRecord { span: place, fields: expected })
    }

    fn expected_data(&mut self, fields: &Fields<'_>) -> Vec<ExpectedField> {
        let mut expected = Vec::new();
        for (name, aspect) in [("data", Aspect::Data), ("contains", Aspect::Contains)] {
            let value = fields.get(name).and_then(json::text).and_then(|text| serde_json::from_str(&text).ok());
            expected.extend(value.map(|value| field(aspect, value)));
        }
        expected
    }

    fn expected_text(&mut self, fields: &Fields<'_>, name: &str, aspect: Aspect, expected: &mut Vec<ExpectedField>) {
        let value = fields.get(name).and_then(|node| self.text_or_null(node));
        expected.extend(value.map(|value| field(aspect, value)));
    }

    fn model_named(&mut self, node: &Node, topology: &Topology) -> Option<ModelName> {
        let name = self.name(node, "a model", ModelName::new)?;
        if topology.models.contains_key(&name.value) {
            return Some(name.value);
        }
        let known = topology.models.keys().map(ModelName::as_str);
        self.unknown("model", "models of the app", name.value.as_str(), name.span, known);
        None
    }

    /// Whether a field is there; its value can only be `true`.
    pub(super) fn said(&mut self, fields: &Fields<'_>, name: &str) -> bool {
        let only_true = |text: &str| if text == "true" { Ok(()) } else { Err("only true is of use".to_owned()) };
        fields.get(name).map(|node| self.parsed(node, "`true`", only_true)).is_some()
    }

    /// A text as it stands: nothing is filled in, since a test says all of its own.
    pub(super) fn plain(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Scalar(scalar) => Some(scalar.text.clone()),
            _ => {
                self.wrong_kind(node, "a text");
                None
            }
        }
    }

    fn text_or_null(&mut self, node: &Node) -> Option<Json> {
        match node.value {
            Value::Null => Some(Json::Null),
            _ => self.plain(node).map(Json::from),
        }
    }

    fn code(&mut self, node: &Node) -> Option<String> {
        self.parsed(node, "a code such as RR0301", |text| {
            let digits = text.strip_prefix("RR").unwrap_or_default();
            let good = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
            if good { Ok(text.to_owned()) } else { Err("codes are RR and four digits".to_owned()) }
        })
    }

    /// Reports fields of which at most one has a meaning.
    pub(super) fn one_of(&mut self, fields: &Fields<'_>, names: &[&str]) {
        let mut given = names.iter().filter_map(|name| fields.entry(name));
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            let message = format!("`{}` and `{}` are not said together", first.name, second.name);
            self.report(
                Diagnostic::error(codes::TEST_FIELDS, second.name_span, message)
                    .note("the second one")
                    .label(first.name_span, "the first one")
                    .help("keep one of them"),
            );
        }
    }
}

const ATTRIBUTES_EXAMPLE: &str = "attributes by name, such as `correlationid: c-1`";

fn field(aspect: Aspect, value: Json) -> ExpectedField {
    ExpectedField { aspect, value }
}
