//! Events as the schema offers them. Types of the wire: nothing else in the crate knows them.

use async_graphql::{Object, SimpleObject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riverrun_event::Record;

use crate::cloudevents::encode;

/// An event at its position.
pub(super) struct Event(pub(super) Record);

/// An immutable fact, in the terms of CloudEvents 1.0, at its position in a topic.
#[Object]
impl Event {
    /// Where it is: topic/partition@offset, for example "flights/2@991".
    async fn position(&self) -> String {
        self.0.position.to_string()
    }

    /// Unique within the source.
    async fn id(&self) -> &str {
        &self.0.event.id
    }

    /// Where the event comes from, a URI reference.
    async fn source(&self) -> &str {
        &self.0.event.source
    }

    /// What kind of fact it is, for example "flight.departed".
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        &self.0.event.kind
    }

    /// What the fact is about, within the source.
    async fn subject(&self) -> Option<&str> {
        self.0.event.subject.as_deref()
    }

    /// When it happened, in RFC 3339, if its sender said so.
    async fn time(&self) -> Option<String> {
        self.0.event.time.map(|time| time.to_string())
    }

    /// When it was stored, in RFC 3339.
    async fn accepted(&self) -> String {
        self.0.accepted.to_string()
    }

    /// What makes it related to others: same key, same partition, same order.
    async fn key(&self) -> Option<&str> {
        self.0.event.key.as_ref().and_then(|key| key.as_str())
    }

    /// Extension attributes, in the order received.
    async fn attributes(&self) -> Vec<Attribute> {
        let pair = |(name, value): (&str, &str)| Attribute { name: name.to_owned(), value: value.to_owned() };
        self.0.event.attributes.iter().map(pair).collect()
    }

    /// Media type of the data; without one the data is JSON.
    async fn data_content_type(&self) -> Option<&str> {
        self.0.event.content_type.as_deref()
    }

    /// The schema of the data, a URI.
    async fn data_schema(&self) -> Option<&str> {
        self.0.event.data_schema.as_deref()
    }

    /// The data as text: JSON text, as it was received, or the characters of text of another kind. Null where the event has
    /// no data, which deletes what it is about, and where the data is no text: then dataBase64 has it.
    async fn data(&self) -> Option<&str> {
        let data = self.0.event.data.as_deref()?;
        std::str::from_utf8(data).ok().filter(|_| encode::is_text(&self.0.event))
    }

    /// The data in base64, where it is no text.
    async fn data_base64(&self) -> Option<String> {
        let data = self.0.event.data.as_deref()?;
        let is_text = encode::is_text(&self.0.event) && std::str::from_utf8(data).is_ok();
        (!is_text).then(|| STANDARD.encode(data))
    }
}

/// An extension attribute.
#[derive(SimpleObject)]
pub(super) struct Attribute {
    /// Its name, of a-z and 0-9.
    name: String,
    /// Its value, as text.
    value: String,
}

/// An event and how to go on after it.
#[derive(SimpleObject)]
pub(super) struct Delivery {
    /// The event.
    pub(super) event: Event,
    /// From here a further read or subscription goes on: "0@12,1@7", the next offset of each partition.
    pub(super) cursor: String,
}

/// An event that failed and was set aside.
pub(super) struct DeadLetter(pub(super) Record);

/// An event that a pipeline or a model could not process and set aside, with the reason.
#[Object]
impl DeadLetter {
    /// The event, as it stands in the topic of dead letters: data and attributes are those it came with.
    async fn event(&self) -> Event {
        Event(self.0.clone())
    }

    /// The position of the event that failed.
    async fn cause(&self) -> Option<&str> {
        self.0.event.attributes.get("rrcause")
    }

    /// The error's code, for example "RR0301"; docs/errors has a page for each.
    async fn code(&self) -> Option<&str> {
        self.0.event.attributes.get("rrerrorcode")
    }

    /// What happened.
    async fn error(&self) -> Option<&str> {
        self.0.event.attributes.get("rrerror")
    }

    /// The operator that failed.
    async fn operator(&self) -> Option<&str> {
        self.0.event.attributes.get("rroperator")
    }

    /// The pipeline, or "model:" and the model's name.
    async fn pipeline(&self) -> Option<&str> {
        self.0.event.attributes.get("rrpipeline")
    }
}
