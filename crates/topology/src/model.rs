//! A model: a keyed entity kept from a topic, with its history.

use std::time::Duration;

use riverrun_event::{ModelName, TopicName};

use crate::expression::Expression;

/// A declared model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its name.
    pub name: ModelName,
    /// The topic that feeds it.
    pub from: TopicName,
    /// Which of the topic's events count; all without it.
    pub when: Option<Expression>,
    /// The entity an event is about; the event's key without it.
    pub key: Option<Expression>,
    /// The part of the data that is merged (JSON Merge Patch, RFC 7396) into what is known; without it an event's data replaces it.
    pub merge: Option<Expression>,
    /// How far back versions are kept, by event time; for ever without it.
    pub history: Option<Duration>,
    /// Where it is kept.
    pub placement: Placement,
}

/// Where a model is kept that does not live with the pipeline's own input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Whole, once for all tasks: any event can look up any entity.
    #[default]
    Broadcast,
    /// In the tasks that look it up, each with the entities of its partition: for models too large to be whole in one place. It is
    /// looked up by the events' key only.
    Copartitioned,
}

impl Placement {
    /// The word of the app file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Broadcast => "broadcast",
            Self::Copartitioned => "copartitioned",
        }
    }
}

impl Model {
    /// A model fed by every event of `from`, by the event's key, kept for ever.
    #[must_use]
    pub fn new(name: ModelName, from: TopicName) -> Self {
        Self { name, from, when: None, key: None, merge: None, history: None, placement: Placement::Broadcast }
    }
}
