//! An event with typed data, as services see it.

use riverrun_event::{Attributes, Key, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What user code may fail with; text and every error convert into it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// An event whose data is a `T`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<T> {
    header: riverrun_event::Event,
    /// The payload.
    pub data: T,
}

/// The event's data is no `T`, or cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// The event has no data, which deletes the entity it is about.
    #[error("event {id:?} has no data")]
    NoData {
        /// Its id.
        id: String,
    },
    /// The data does not fit the type.
    #[error("the data of event {id:?} does not fit: {source}")]
    Data {
        /// Its id.
        id: String,
        /// What does not fit.
        source: serde_json::Error,
    },
    /// The key is too long.
    #[error(transparent)]
    Key(#[from] riverrun_event::key::KeyTooLong),
}

impl<T> Event<T> {
    /// A new event of a type such as `order.placed`, to publish. Without [`Self::with_id`] the door gives it an id; then a
    /// retry cannot be told from another event.
    pub fn new(kind: &str, data: T) -> Self {
        Self { header: riverrun_event::Event::new("", "", kind), data }
    }

    /// Sets the id, unique within the source.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.header.id = id.into();
        self
    }

    /// Sets the source, a URI reference.
    #[must_use]
    pub fn with_source(mut self, source: &str) -> Self {
        self.header.source = source.into();
        self
    }

    /// Sets the time it happened.
    #[must_use]
    pub fn at(mut self, time: Time) -> Self {
        self.header.time = Some(time);
        self
    }

    /// Sets the subject, which is the key where the topic says nothing else.
    #[must_use]
    pub fn with_subject(mut self, subject: &str) -> Self {
        self.header.subject = Some(subject.into());
        self
    }

    /// Unique within the source.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.header.id
    }

    /// Where it comes from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.header.source
    }

    /// What kind of fact it is. CloudEvents calls it `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.header.kind
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.header.subject.as_deref()
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Option<Time> {
        self.header.time
    }

    /// What makes it related to others.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        self.header.key.as_ref()
    }

    /// Extension attributes.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.header.attributes
    }

    /// The same event with other data.
    #[must_use]
    pub fn with_data<U>(self, data: U) -> Event<U> {
        Event { header: self.header, data }
    }
}

impl<T: DeserializeOwned> Event<T> {
    /// Reads the data of an event.
    ///
    /// # Errors
    /// [`EventError`] when there is none or it does not fit.
    pub fn from_wire(event: &riverrun_event::Event) -> Result<Self, EventError> {
        let Some(data) = &event.data else { return Err(EventError::NoData { id: event.id.to_string() }) };
        let data =
            serde_json::from_slice(data).map_err(|source| EventError::Data { id: event.id.to_string(), source })?;
        Ok(Self { header: riverrun_event::Event { data: None, ..event.clone() }, data })
    }
}

impl<T: Serialize> Event<T> {
    /// The event with its data as JSON.
    ///
    /// # Errors
    /// [`EventError::Data`] when the data cannot be written as JSON.
    pub fn to_wire(&self) -> Result<riverrun_event::Event, EventError> {
        let data = serde_json::to_vec(&self.data)
            .map_err(|source| EventError::Data { id: self.header.id.to_string(), source })?;
        Ok(riverrun_event::Event { data: Some(data.into()), content_type: None, ..self.header.clone() })
    }
}
