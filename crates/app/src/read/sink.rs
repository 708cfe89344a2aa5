//! `to`: a topic, or a choice of topics.

use riverrun_event::TopicName;
use riverrun_topology::{Route, Sink};

use super::At;
use super::reader::Reader;
use crate::fields;
use crate::yaml::{Entry, Value};

/// Where events leave, with the places of the topics.
pub(crate) struct SinkPart {
    pub(crate) sink: Sink,
    pub(crate) topics: Vec<At<TopicName>>,
}

impl Reader<'_> {
    pub(super) fn sink(&mut self, entry: &Entry) -> Option<SinkPart> {
        let Value::Mapping(_) = &entry.node.value else {
            let topic = self.name(&entry.node, "a topic", TopicName::new)?;
            return Some(SinkPart { sink: Sink::Topic(topic.value.clone()), topics: vec![topic] });
        };
        let fields = self.fields(&entry.node, entry.name_span, &fields::ROUTE)?;
        let expression = fields.require(self, "route").and_then(|node| self.expression(node));
        let topics = fields.require(self, "topics").map(|node| {
            let read = node.one_or_many().iter().map(|item| self.name(item, "a topic", TopicName::new));
            // Each is read, for its own mistakes.
            read.collect::<Vec<_>>().into_iter().collect::<Option<Vec<_>>>()
        });
        let default = fields.get("default").map(|node| self.name(node, "a topic", TopicName::new));
        let (expression, topics) = (expression?, topics??);
        let default = default.map_or(Some(None), |read| read.map(Some))?;
        let route = Route {
            expression,
            topics: topics.iter().map(|topic| topic.value.clone()).collect(),
            default: default.as_ref().map(|topic| topic.value.clone()),
        };
        Some(SinkPart { sink: Sink::Route(route), topics: topics.into_iter().chain(default).collect() })
    }
}
