//! From what a door received to a record for the log.
//!
//! After this an event has valid attributes, a key where there is one, a topic and a partition, and JSON data that is JSON. It
//! stores nothing and asks the log nothing, so accepting the same event again gives the same record (save for generated ids).
//!
//! The key comes from the topic's `key:` expression; where there is none, or it gives null, from the attribute
//! `partitionkey`; else from `subject`. `partitionkey` is not kept as an attribute: the key is printed under that name on the way
//! out. Without any of them the event has no key and no order is promised.

use std::collections::BTreeMap;

use riverrun_event::attribute::is_forbidden;
use riverrun_event::context::{self, ContextError};
use riverrun_event::limits::Limits;
use riverrun_event::partitioner::partition_of;
use riverrun_event::{Event, Key, Time, TopicName};
use riverrun_log::NewRecord;
use riverrun_topology::json::{self, JsonError};
use riverrun_topology::{Draft, EvaluationError, Expression, Topic, Value};

use crate::identity::{Identities, IdentityError};
use crate::received::Received;

/// The `source` of plain JSON events.
pub const SOURCE_DEFAULT: &str = "/http";

/// Where an event is to go.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// The topic the sender named, as [`Acceptor::topic`] found it.
    Topic(&'a Topic),
    /// The one topic whose `accept:` patterns match the event's type.
    ByType,
}

/// Why an event was not accepted. Nothing was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// No such topic is declared.
    #[error("topic {topic:?} is not declared; declared are: {}", known.join(", "))]
    UnknownTopic {
        /// As the sender named it.
        topic: String,
        /// The topics there are.
        known: Vec<String>,
    },
    /// The topic is one of Riverrun's own.
    #[error("topic {0:?} is written by Riverrun itself; names that start with '_' cannot be written from outside")]
    InternalTopic(String),
    /// No topic, or more than one, takes events of this type.
    #[error("{}", no_route(kind, topics))]
    NoRoute {
        /// The event's type.
        kind: String,
        /// The topics that match, when there are several.
        topics: Vec<String>,
    },
    /// An attribute breaks a rule of all events.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The event says it will happen later than the limit allows.
    #[error("attribute \"time\": {time} is more than {seconds_max} s ahead of this machine's clock ({now})")]
    TimeAhead {
        /// The event's time.
        time: Time,
        /// The door's clock.
        now: Time,
        /// How far ahead it may be.
        seconds_max: i64,
    },
    /// The topic's expression for `key`, `id` or `time` does not fit the event.
    #[error("the {attribute} of topic {topic} is taken from {expression:?}: {message}")]
    Expression {
        /// `key`, `id` or `time`.
        attribute: &'static str,
        /// The topic.
        topic: TopicName,
        /// The expression as declared.
        expression: String,
        /// What went wrong and what was expected.
        message: String,
    },
    /// The data is declared to be JSON and is not, or is too deep.
    #[error("data: {0}")]
    Data(#[from] JsonError),
}

fn no_route(kind: &str, topics: &[String]) -> String {
    let instead = "post it to /topics/{topic}/events, or correct `accept:` in the app file";
    if topics.is_empty() {
        return format!("no topic accepts events of type {kind:?}; {instead}");
    }
    format!("several topics accept events of type {kind:?} ({}); {instead}", topics.join(", "))
}

/// Turns received events into records. One serves all doors.
#[derive(Debug)]
pub struct Acceptor {
    topics: BTreeMap<Box<str>, Topic>,
    limits: Limits,
    identities: Identities,
}

impl Acceptor {
    /// An acceptor for these topics.
    ///
    /// # Errors
    /// [`IdentityError`] when the system gives no random numbers, without which no unique ids can be made.
    pub fn new(topics: impl IntoIterator<Item = Topic>, limits: Limits) -> Result<Self, IdentityError> {
        let topics = topics.into_iter().map(|topic| (topic.name.as_str().into(), topic)).collect();
        Ok(Self { topics, limits, identities: Identities::new()? })
    }

    /// The topic a sender named, if it may be written.
    ///
    /// # Errors
    /// [`AcceptError::UnknownTopic`] or [`AcceptError::InternalTopic`].
    pub fn topic(&self, name: &str) -> Result<&Topic, AcceptError> {
        if name.starts_with('_') {
            return Err(AcceptError::InternalTopic(name.to_owned()));
        }
        self.topics.get(name).ok_or_else(|| self.unknown_topic(name))
    }

    /// The declared topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    /// The refusal of a topic that does not exist, with those that do.
    #[must_use]
    pub fn unknown_topic(&self, name: &str) -> AcceptError {
        let known = self.topics.keys().map(ToString::to_string).collect();
        AcceptError::UnknownTopic { topic: name.chars().take(200).collect(), known }
    }

    /// The topic an event is to go to.
    ///
    /// # Errors
    /// [`AcceptError::NoRoute`] when its type leads to no topic, or to several.
    pub fn resolve<'a>(&'a self, target: Target<'a>, received: &Received) -> Result<&'a Topic, AcceptError> {
        match target {
            Target::Topic(topic) => Ok(topic),
            Target::ByType => self.route(&received.event.kind),
        }
    }

    /// Makes a record of a received event; `now` is the door's clock.
    ///
    /// # Errors
    /// [`AcceptError`] names the attribute at fault.
    pub fn accept(&self, target: Target<'_>, received: Received, now: Time) -> Result<NewRecord, AcceptError> {
        let topic = self.resolve(target, &received)?;
        let Received { mut event, partition_key, bare, data_checked } = received;
        if !data_checked
            && event.is_json()
            && let Some(data) = &event.data
        {
            json::check(data, self.limits.json_depth_max)?;
        }
        if bare {
            event = self.complete(event, topic, now)?;
        }
        context::check(&event)?;
        self.check_time(&event, now)?;
        let event = with_key(event, topic, partition_key, now)?;
        Ok(NewRecord { topic: topic.name.clone(), partition: partition_of(&event, topic.partitions), event })
    }

    /// The one topic that accepts events of this type.
    fn route(&self, kind: &str) -> Result<&Topic, AcceptError> {
        if kind.is_empty() {
            return Err(ContextError::Missing("type").into());
        }
        let accepts = |topic: &&Topic| topic.accept.iter().any(|pattern| pattern.matches(kind));
        let mut matching = self.topics.values().filter(accepts);
        match (matching.next(), matching.next()) {
            (Some(topic), None) => Ok(topic),
            _ => {
                let topics = self.topics.values().filter(accepts).map(|topic| topic.name.to_string()).collect();
                Err(AcceptError::NoRoute { kind: kind.chars().take(200).collect(), topics })
            }
        }
    }

    /// Fills in what a bare event lacks.
    fn complete(&self, mut event: Event, topic: &Topic, now: Time) -> Result<Event, AcceptError> {
        if event.source.is_empty() {
            event.source = SOURCE_DEFAULT.into();
        }
        if event.kind.is_empty() {
            event.kind = topic.name.as_str().into();
        }
        if event.id.is_empty()
            && let Some(expression) = &topic.id
        {
            let (completed, id) = evaluate(event, now, |draft| expression.evaluate_key(draft));
            event = completed;
            let id = id.map_err(|error| fault("id", topic, expression, error.message))?;
            let id = id.as_ref().and_then(Key::as_str).filter(|id| !id.is_empty());
            event.id = id.ok_or_else(|| fault("id", topic, expression, "it gives nothing".to_owned()))?.into();
        }
        if event.id.is_empty() {
            event.id = self.identities.next();
        }
        if event.time.is_none()
            && let Some(expression) = &topic.time
        {
            let (completed, time) = evaluate(event, now, |draft| expression.evaluate(draft));
            event = completed;
            let time = time.map_err(|error| error.message).and_then(time_of);
            event.time = time.map_err(|message| fault("time", topic, expression, message))?;
        }
        Ok(event)
    }

    fn check_time(&self, event: &Event, now: Time) -> Result<(), AcceptError> {
        let seconds_max = self.limits.time_ahead_seconds_max;
        let latest = now.plus(std::time::Duration::from_secs(u64::try_from(seconds_max).unwrap_or(0)));
        match event.time {
            Some(time) if time > latest => Err(AcceptError::TimeAhead { time, now, seconds_max }),
            _ => Ok(()),
        }
    }
}

/// Sends records into the entrances of their topics, where the log does not recognise what is sent again.
pub fn to_entrances(records: &mut [NewRecord]) {
    records.iter_mut().for_each(|record| record.topic = TopicName::entrance_of(&record.topic));
}

/// Lets `read` look at the event as expressions see it, and gives the event back.
fn evaluate<T>(event: Event, now: Time, read: impl FnOnce(&mut Draft) -> T) -> (Event, T) {
    let mut draft = Draft::new(event, now);
    let value = read(&mut draft);
    (draft.into_event(), value)
}

/// The time an expression gave: RFC 3339 text, or null for none.
fn time_of(value: Value) -> Result<Option<Time>, String> {
    let expected = || "expected RFC 3339 text".to_owned();
    let text = match value {
        Value::Null => None,
        Value::Text(text) => Some(text),
        Value::Json(raw) => serde_json::from_slice(&raw).map_err(|_| expected())?,
        Value::Bool(_) | Value::Number(_) => return Err(expected()),
    };
    text.map(|text| Time::parse(&text)).transpose().map_err(|error| error.to_string())
}

fn fault(attribute: &'static str, topic: &Topic, expression: &Expression, message: String) -> AcceptError {
    let expression = expression.source().to_owned();
    AcceptError::Expression { attribute, topic: topic.name.clone(), expression, message }
}

fn with_key(event: Event, topic: &Topic, partition_key: Option<Box<str>>, now: Time) -> Result<Event, AcceptError> {
    let (mut event, declared) = match &topic.key {
        None => (event, None),
        Some(expression) => {
            let (event, key) = evaluate(event, now, |draft| expression.evaluate_key(draft));
            (event, key.map_err(|EvaluationError { message }| fault("key", topic, expression, message))?)
        }
    };
    event.key = match (declared, partition_key, &event.subject) {
        (Some(key), _, _) => Some(key),
        (None, Some(text), _) => Some(sent_key("partitionkey", String::from(text))?),
        (None, None, Some(subject)) => Some(sent_key("subject", subject.to_string())?),
        (None, None, None) => None,
    };
    Ok(event)
}

fn sent_key(attribute: &'static str, text: String) -> Result<Key, ContextError> {
    if text.chars().any(is_forbidden) {
        return Err(ContextError::Attribute { attribute, message: "control characters are not allowed".to_owned() });
    }
    Key::new(text).map_err(|error| ContextError::Attribute { attribute, message: error.to_string() })
}
