//! `topics`: what is kept, and how the doors accept it.

use std::time::Duration;

use riverrun_event::TopicName;
use riverrun_event::limits::PARTITIONS_MAX;
use riverrun_topology::{Compact, Topic, TypePattern};

use super::reader::Reader;
use super::settings::Defaults;
use super::{At, unit};
use crate::fields;
use crate::source::Span;
use crate::yaml::{Entry, Node};

/// A declared topic. What could not be read is as if it were not given.
pub(crate) struct TopicPart {
    pub(crate) name: At<TopicName>,
    pub(crate) topic: Topic,
    /// Where each pattern of `accept` stands.
    pub(crate) accept: Vec<At<TypePattern>>,
}

/// How long records stay.
#[derive(Clone, Copy, Default)]
pub(crate) struct Retention {
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: Option<u64>,
}

impl Reader<'_> {
    pub(super) fn topics(&mut self, node: &Node, defaults: &Defaults) -> Vec<TopicPart> {
        let entries = self.named(node, "topics by name, such as `orders: { key: data.customer }`");
        entries.iter().filter_map(|entry| self.topic(entry, defaults)).collect()
    }

    fn topic(&mut self, entry: &Entry, defaults: &Defaults) -> Option<TopicPart> {
        let name = self.key_name(&entry.name, entry.name_span, "a topic", TopicName::new);
        let fields = self.fields(&entry.node, entry.name_span, &fields::TOPIC);
        let mut topic = defaults
            .topic(name.as_ref().map_or_else(|| TopicName::new("unnamed"), |name| Ok(name.value.clone())).ok()?);
        let mut accept = Vec::new();
        if let Some(fields) = fields {
            if let Some(partitions) = fields.get("partitions").and_then(|node| self.partitions(node)) {
                topic.partitions = partitions;
            }
            topic.key = fields.get("key").and_then(|node| self.expression(node));
            topic.id = fields.get("id").and_then(|node| self.expression(node));
            topic.time = fields.get("time").and_then(|node| self.expression(node));
            accept = fields.get("accept").map(|node| self.patterns(node)).unwrap_or_default();
            topic.accept = accept.iter().map(|pattern| pattern.value.clone()).collect();
            if let Some(entry) = fields.entry("retention") {
                let retention = self.retention(&entry.node, entry.name_span);
                (topic.retention_age, topic.retention_bytes) = (retention.age, retention.bytes);
            }
            topic.compact = fields.entry("compact").and_then(|entry| self.compact(&entry.node, entry.name_span));
        }
        name.map(|name| TopicPart { name, topic, accept })
    }

    pub(super) fn partitions(&mut self, node: &Node) -> Option<u32> {
        self.number(node, 1, u64::from(PARTITIONS_MAX)).and_then(|count| u32::try_from(count).ok())
    }

    pub(super) fn retention(&mut self, node: &Node, place: Span) -> Retention {
        let Some(fields) = self.fields(node, place, &fields::RETENTION) else { return Retention::default() };
        Retention {
            age: fields.get("age").and_then(|node| self.parsed(node, unit::DURATION, unit::duration)),
            bytes: fields.get("size").and_then(|node| self.parsed(node, unit::SIZE, unit::size)),
        }
    }

    fn compact(&mut self, node: &Node, place: Span) -> Option<Compact> {
        let fields = self.fields(node, place, &fields::COMPACT)?;
        let mut duration = |field| fields.get(field).and_then(|node| self.parsed(node, unit::DURATION, unit::duration));
        let (after, deletions) = (duration("after"), duration("deletions"));
        let default = Compact::default();
        Some(Compact { after: after.unwrap_or(default.after), deletions: deletions.unwrap_or(default.deletions) })
    }

    fn patterns(&mut self, node: &Node) -> Vec<At<TypePattern>> {
        let expected = "an event type such as order.placed, or device.* for all that begin so";
        let pattern = |text: &str| match text.find('*') {
            _ if text.trim().is_empty() => Err("it is empty".to_owned()),
            Some(star) if star + 1 < text.len() => Err("`*` stands at the end only".to_owned()),
            _ => Ok(TypePattern(text.to_owned())),
        };
        let items = node.one_or_many();
        items
            .iter()
            .filter_map(|item| self.parsed(item, expected, pattern).map(|value| At { value, span: item.span }))
            .collect()
    }
}
