//! An event as a service makes it, before it is stored.

use riverrun_event::attribute::is_forbidden;
use riverrun_event::key::KeyTooLong;
use riverrun_event::{AttributeError, Attributes, ContextError, Event, Key, NameError, Text, Time, TopicName, context};

/// An event to be published: a topic, a type, and what else it needs. Nothing is checked before it is stored.
///
/// ```
/// use riverrun_outbox::NewEvent;
///
/// let event = NewEvent::new("orders", "order.placed").key("o-17").json(br#"{"amount": 12.5}"#).attribute("tenant", "blue");
/// assert_eq!(event.topic(), "orders");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    topic: String,
    key: Option<String>,
    attributes: Vec<(String, String)>,
    event: Event,
}

/// Why an event cannot be stored, and never can be as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The topic's name.
    #[error(transparent)]
    Topic(#[from] NameError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyTooLong),
    /// An attribute of CloudEvents.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// An attribute of one's own.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// What else there is, most of it found by the database.
    #[error("{0}")]
    Refused(String),
}

impl NewEvent {
    /// An event of a type for a topic, without key and data, that happens now.
    #[must_use]
    pub fn new(topic: &str, kind: &str) -> Self {
        let mut event = Event::new("", "", kind);
        event.time = Some(Time::now());
        Self { topic: topic.to_owned(), key: None, attributes: Vec::new(), event }
    }

    /// What makes events related: events of one topic and key are handed on in the order in which their transactions commit.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The data as JSON text. Without any data, the event says that what it is about is gone.
    #[must_use]
    pub fn json(mut self, json: impl AsRef<[u8]>) -> Self {
        self.event.data = Some(json.as_ref().to_vec().into());
        self
    }

    /// The data in another media type.
    #[must_use]
    pub fn data(mut self, content_type: &str, data: impl AsRef<[u8]>) -> Self {
        self.event.content_type = Some(content_type.into());
        self.event.data = Some(data.as_ref().to_vec().into());
        self
    }

    /// The id, unique within the source. Without it, one is made when the event is stored.
    #[must_use]
    pub fn id(mut self, id: &str) -> Self {
        self.event.id = id.into();
        self
    }

    /// Where the event comes from, a URI reference. Without it, the outbox's own.
    #[must_use]
    pub fn source(mut self, source: &str) -> Self {
        self.event.source = source.into();
        self
    }

    /// What the event is about, within the source.
    #[must_use]
    pub fn subject(mut self, subject: &str) -> Self {
        self.event.subject = Some(subject.into());
        self
    }

    /// When it happened, where that is not now.
    #[must_use]
    pub fn time(mut self, time: Time) -> Self {
        self.event.time = Some(time);
        self
    }

    /// The schema of the data, a URI.
    #[must_use]
    pub fn data_schema(mut self, schema: &str) -> Self {
        self.event.data_schema = Some(schema.into());
        self
    }

    /// Adds an extension attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The topic as it was named.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The same event with an id and a source.
    pub(crate) fn completed(&self, source: &str, id: impl FnOnce() -> String) -> Self {
        let mut completed = self.clone();
        if completed.event.id.is_empty() {
            completed.event.id = id().into();
        }
        if completed.event.source.is_empty() {
            completed.event.source = source.into();
        }
        completed
    }

    /// The rules of every door, but for the data, which the database reads.
    ///
    /// # Errors
    /// [`Invalid`] names the rule.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        TopicName::new(&self.topic)?;
        if let Some(key) = &self.key {
            Key::new(key.clone())?;
            // It becomes the attribute `partitionkey`.
            if key.chars().any(is_forbidden) {
                return Err(Invalid::Refused(
                    "control characters are not allowed in the key (CloudEvents 1.0)".to_owned(),
                ));
            }
        }
        let mut attributes = Attributes::default();
        self.attributes.iter().try_for_each(|(name, value)| attributes.add(name, value))?;
        Ok(context::check(&self.event)?)
    }

    /// As the function `riverrun_store` takes it.
    pub(crate) fn row(&self) -> Row<'_> {
        let text = |text: &'_ Option<Text>| text.as_ref().map(ToString::to_string);
        let event = &self.event;
        let attributes = self.attributes.iter().flat_map(|(name, value)| [name.clone(), value.clone()]);
        Row {
            topic: &self.topic,
            key: self.key.as_deref(),
            id: &event.id,
            source: &event.source,
            kind: &event.kind,
            subject: text(&event.subject),
            time: event.time.map(|time| time.to_string()),
            content_type: text(&event.content_type),
            data_schema: text(&event.data_schema),
            attributes: (!self.attributes.is_empty()).then(|| attributes.collect()),
            data: event.data.as_deref(),
        }
    }
}

/// The arguments of `riverrun_store`, in their order.
pub(crate) struct Row<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a str>,
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) subject: Option<String>,
    pub(crate) time: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) data_schema: Option<String>,
    pub(crate) attributes: Option<Vec<String>>,
    pub(crate) data: Option<&'a [u8]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: NewEvent, expected: Option<&str>) {
        let completed = event.completed("/shop", || "1".to_owned());
        assert_eq!(completed.check().err().map(|invalid| invalid.to_string()).as_deref(), expected);
    }

    #[test]
    fn the_rules_are_those_of_the_doors() {
        let event = || NewEvent::new("orders", "order.placed");
        check(event(), None);
        check(event().id(""), None);
        check(NewEvent::new("orders", ""), Some("the required attribute \"type\" is missing or empty"));
        check(
            event().subject("a\nb"),
            Some("attribute \"subject\": control characters are not allowed (CloudEvents 1.0)"),
        );
        check(
            event().attribute("Tenant", "x"),
            Some("attribute \"Tenant\": a name has only a-z and 0-9 (CloudEvents 1.0)"),
        );
        check(event().source("a b"), Some("attribute \"source\": ' ' cannot stand in a URI; percent-encode it"));
        check(event().key("o\u{0}17"), Some("control characters are not allowed in the key (CloudEvents 1.0)"));
        assert!(NewEvent::new("_orders", "x").completed("/", String::new).check().is_err());
    }
}
