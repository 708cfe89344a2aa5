//! `models`: keyed entities kept from topics.

use std::time::Duration;

use riverrun_event::{ModelName, TopicName};
use riverrun_topology::{Expression, Placement};

use super::reader::Reader;
use super::{At, unit};
use crate::fields;
use crate::yaml::{Entry, Node};

/// A declared model. What could not be read is as if it were not given.
pub(crate) struct ModelPart {
    pub(crate) name: At<ModelName>,
    pub(crate) from: Option<At<TopicName>>,
    pub(crate) when: Option<Expression>,
    pub(crate) key: Option<Expression>,
    pub(crate) merge: Option<Expression>,
    pub(crate) history: Option<Duration>,
    pub(crate) placement: Placement,
}

impl Reader<'_> {
    pub(super) fn models(&mut self, node: &Node) -> Vec<ModelPart> {
        let entries = self.named(node, "models by name, such as `customer: { from: customers }`");
        entries.iter().filter_map(|entry| self.model(entry)).collect()
    }

    fn model(&mut self, entry: &Entry) -> Option<ModelPart> {
        let name = self.key_name(&entry.name, entry.name_span, "a model", ModelName::new);
        let fields = self.fields(&entry.node, entry.name_span, &fields::MODEL)?;
        let from = fields.require(self, "from").and_then(|node| self.name(node, "a topic", TopicName::new));
        let when = fields.get("when").and_then(|node| self.expression(node));
        let key = fields.get("key").and_then(|node| self.expression(node));
        let merge = fields.get("merge").and_then(|node| self.expression(node));
        let history = fields.get("history").and_then(|node| self.parsed(node, unit::DURATION, unit::duration));
        let placement = fields.get("placement").and_then(|node| {
            self.parsed(node, "broadcast or copartitioned", |text| match text {
                "broadcast" => Ok(Placement::Broadcast),
                "copartitioned" => Ok(Placement::Copartitioned),
                _ => Err("unknown".to_owned()),
            })
        });
        let placement = placement.unwrap_or_default();
        name.map(|name| ModelPart { name, from, when, key, merge, history, placement })
    }
}
