//! CloudEvents 1.0 on the wire: how events come in (structured, batch, binary, plain JSON) and how records go out.
//!
//! Decoding reads attributes straight into a [`riverrun_event::Event`] and keeps the data as the bytes that arrived, sharing the body's
//! allocation. It knows no topics: what an event lacks and which key it gets is decided by [`riverrun_accept`]. The attribute
//! `partitionkey` is taken out of the attributes, since it becomes the key; `rrposition`, which Riverrun prints on every
//! record it gives out, is dropped, so that what was read can be published again.

pub mod batch;
pub mod binary;
pub mod encode;
pub mod plain;
pub mod structured;

pub use riverrun_accept::Received;
use riverrun_event::{AttributeError, Time};

use crate::json::JsonError;

/// The extension attribute that holds the key on the wire (CloudEvents Partitioning extension).
pub const PARTITION_KEY: &str = "partitionkey";
/// The attribute that tells where a record is; printed by Riverrun, ignored when it comes in.
pub const POSITION: &str = "rrposition";
/// Media type of one event in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Media type of a batch.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// Reading attributes as the wire has them, by name.
pub(crate) trait FromWire {
    /// Adds an attribute that is none of the context attributes.
    fn extension(&mut self, name: &str, value: &str) -> Result<(), DecodeError>;

    /// Sets the context attribute `name` from its text; false when `name` is no context attribute.
    fn context(&mut self, name: &str, value: &str) -> Result<bool, DecodeError>;
}

impl FromWire for Received {
    fn extension(&mut self, name: &str, value: &str) -> Result<(), DecodeError> {
        match name {
            POSITION => Ok(()),
            PARTITION_KEY if self.partition_key.is_some() => Err(DecodeError::Repeated(name.to_owned())),
            PARTITION_KEY if value.is_empty() => Err(DecodeError::invalid(name, "it must not be empty")),
            PARTITION_KEY => {
                self.partition_key = Some(value.into());
                Ok(())
            }
            _ => Ok(self.event.attributes.add(name, value)?),
        }
    }

    fn context(&mut self, name: &str, value: &str) -> Result<bool, DecodeError> {
        let event = &mut self.event;
        match name {
            "specversion" if value == "1.0" => {}
            "specversion" => {
                return Err(DecodeError::invalid(name, format!("{value:?} is not supported; send \"1.0\"")));
            }
            "id" => event.id = value.into(),
            "source" => event.source = value.into(),
            "type" => event.kind = value.into(),
            "subject" => event.subject = Some(value.into()),
            "time" => {
                event.time = Some(Time::parse(value).map_err(|error| DecodeError::invalid(name, error.to_string()))?);
            }
            "dataschema" => event.data_schema = Some(value.into()),
            "datacontenttype" => event.content_type = Some(value.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Why a body is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is no JSON, or too deep.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member or header is stated twice.
    #[error("{0:?} is stated twice")]
    Repeated(String),
    /// `specversion` is missing; the other required attributes are asked for when the event is accepted.
    #[error("the required attribute \"specversion\" is missing; send \"1.0\"")]
    NoSpecVersion,
    /// An attribute or member has a value it cannot have.
    #[error("attribute {attribute:?}: {message}")]
    Attribute {
        /// Its name.
        attribute: String,
        /// What is wrong and what was expected.
        message: String,
    },
    /// An extension attribute breaks a rule.
    #[error(transparent)]
    Extension(#[from] AttributeError),
    /// The batch has too many events.
    #[error("the batch has more than {0} events; send several batches")]
    TooMany(usize),
}

impl DecodeError {
    pub(crate) fn invalid(attribute: &str, message: impl Into<String>) -> Self {
        // 64 characters: enough to recognise it; the sender chose the name.
        Self::Attribute { attribute: attribute.chars().take(64).collect(), message: message.into() }
    }
}
