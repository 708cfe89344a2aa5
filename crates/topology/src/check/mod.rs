//! What must hold for any topology, however it was declared. Each finding names its place as a path of the app file.

mod aggregate;
mod cycle;
mod joins;
mod pipeline;
mod uses;

use std::collections::BTreeMap;

use riverrun_event::TopicName;
use riverrun_event::limits::PARTITIONS_MAX;

use crate::model::{Model, Placement};
use crate::topic::Topic;
use crate::topology::{Topology, TopologyError};

pub(crate) fn check(topology: &Topology) -> Vec<TopologyError> {
    let mut findings = Findings { topology, errors: Vec::new() };
    topology.topics.values().for_each(|topic| findings.topic(topic));
    findings.accepted_types();
    topology.models.values().for_each(|model| findings.model(model));
    topology.pipelines.values().for_each(|pipeline| findings.pipeline(pipeline));
    findings.cycles();
    findings.uses();
    findings.errors
}

struct Findings<'t> {
    topology: &'t Topology,
    errors: Vec<TopologyError>,
}

impl Findings<'_> {
    fn refuse(&mut self, place: String, message: impl Into<String>) {
        self.errors.push(TopologyError::Invalid { place, message: message.into() });
    }

    fn topic(&mut self, topic: &Topic) {
        let place = format!("topics.{}", topic.name);
        if topic.name.is_internal() {
            self.refuse(place.clone(), "names that start with '_' are Riverrun's own; choose another");
        }
        if topic.partitions == 0 || topic.partitions > PARTITIONS_MAX {
            let message =
                format!("{} partitions are not possible; a topic has 1 to {PARTITIONS_MAX}", topic.partitions);
            self.refuse(format!("{place}.partitions"), message);
        }
        for pattern in &topic.accept {
            let exact = pattern.0.strip_suffix('*').unwrap_or(&pattern.0);
            if exact.contains('*') {
                let message = format!("{:?}: a '*' can only stand at the end, for example device.*", pattern.0);
                self.refuse(format!("{place}.accept"), message);
            }
        }
    }

    /// An event of a type must have one place to go.
    fn accepted_types(&mut self) {
        let mut known: BTreeMap<&str, &TopicName> = BTreeMap::new();
        for topic in self.topology.topics.values() {
            for pattern in &topic.accept {
                if let Some(other) = known.insert(&pattern.0, &topic.name)
                    && *other != topic.name
                {
                    let message = format!("{:?} is already accepted by the topic {other}", pattern.0);
                    self.refuse(format!("topics.{}.accept", topic.name), message);
                }
            }
        }
    }

    /// Refuses a topic that is not declared or not for users; gives it otherwise.
    fn known_topic(&mut self, place: &str, name: &TopicName) -> Option<&Topic> {
        if name.is_internal() {
            self.refuse(place.to_owned(), format!("{name} is one of Riverrun's own topics and cannot be used here"));
            return None;
        }
        let topic = self.topology.topics.get(name);
        if topic.is_none() {
            let message = format!("there is no topic {name}; declared are {}", listed(self.topology.topics.keys()));
            self.refuse(place.to_owned(), message);
        }
        topic
    }

    fn model(&mut self, model: &Model) {
        let place = format!("models.{}", model.name);
        let Some(topic) = self.known_topic(&format!("{place}.from"), &model.from).cloned() else { return };
        if topic.compact.is_some() {
            self.compacted(model, &topic);
        }
        if let (Placement::Copartitioned, Some(key)) = (model.placement, &model.key)
            && topic.key.as_ref() != Some(key)
        {
            let message = format!(
                "a copartitioned model needs the key of its topic, so that an entity is where its events are; leave `key` out, key \
                 the topic {} by {}, or let the model be broadcast",
                model.from,
                key.source()
            );
            self.refuse(format!("{place}.placement"), message);
        }
        // Merging needs the events of an entity in one order, which only one partition gives.
        if let (Some(_), Some(key)) = (&model.merge, &model.key)
            && topic.key.as_ref() != Some(key)
        {
            let topic_key = topic.key.as_ref().map_or("that of the sender", |key| key.source());
            let message = format!(
                "a model with `merge` needs the key of its topic ({topic_key}), so that the events of an entity have one order; \
                 leave `key` out, or key the topic {} by {}",
                model.from,
                key.source()
            );
            self.refuse(format!("{place}.key"), message);
        }
    }

    /// A compacted topic keeps the newest record of a key, so a model made from it anew must need no more than that.
    fn compacted(&mut self, model: &Model, topic: &Topic) {
        let own_key = model.key.as_ref().is_some_and(|key| topic.key.as_ref() != Some(key));
        let reasons = [
            (model.history.is_none(), "from", "its history is for ever; give it a `history`"),
            (model.merge.is_some(), "merge", "it merges what many events say"),
            (model.when.is_some(), "when", "the newest event of a key may be one that its `when` leaves out"),
            (own_key, "key", "it has another key than the topic"),
        ];
        for (field, reason) in reasons.into_iter().filter_map(|(holds, field, reason)| holds.then_some((field, reason)))
        {
            let message = format!(
                "the topic {} is compacted and keeps only the newest event of each key, which is not enough for this model: \
                 {reason}; or take `compact` from the topic",
                topic.name
            );
            self.refuse(format!("models.{}.{field}", model.name), message);
        }
    }
}

fn listed(names: impl ExactSizeIterator<Item = impl ToString>) -> String {
    if names.len() == 0 {
        return "none".to_owned();
    }
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
