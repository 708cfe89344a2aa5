//! The rules for the context attributes of an event, the same wherever events come in.

use crate::Event;
use crate::attribute::is_forbidden;
use crate::limits::CONTEXT_VALUE_BYTES_MAX;

/// Why an event cannot be accepted as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// A required attribute is missing or empty.
    #[error("the required attribute {0:?} is missing or empty")]
    Missing(&'static str),
    /// An attribute has a value it cannot have.
    #[error("attribute {attribute:?}: {message}")]
    Attribute {
        /// Its name, as CloudEvents has it.
        attribute: &'static str,
        /// What is wrong and what was expected.
        message: String,
    },
}

/// Checks the context attributes against CloudEvents' rules and the limits.
///
/// # Errors
/// [`ContextError`] names the attribute at fault.
pub fn check(event: &Event) -> Result<(), ContextError> {
    for (attribute, value) in [("id", &event.id), ("source", &event.source), ("type", &event.kind)] {
        if value.is_empty() {
            return Err(ContextError::Missing(attribute));
        }
        check_text(attribute, value)?;
    }
    check_uri("source", &event.source)?;
    for (attribute, value) in
        [("subject", &event.subject), ("dataschema", &event.data_schema), ("datacontenttype", &event.content_type)]
    {
        let Some(value) = value else { continue };
        if value.is_empty() {
            return refused(attribute, "it must not be empty; leave it out instead");
        }
        check_text(attribute, value)?;
    }
    event.data_schema.as_deref().map_or(Ok(()), |uri| check_uri("dataschema", uri))?;
    event.content_type.as_deref().map_or(Ok(()), check_media_type)
}

fn refused(attribute: &'static str, message: &str) -> Result<(), ContextError> {
    Err(ContextError::Attribute { attribute, message: message.to_owned() })
}

fn check_text(attribute: &'static str, value: &str) -> Result<(), ContextError> {
    if value.len() > CONTEXT_VALUE_BYTES_MAX {
        let message = format!("it has {} bytes; at most {CONTEXT_VALUE_BYTES_MAX} are allowed", value.len());
        return Err(ContextError::Attribute { attribute, message });
    }
    if value.chars().any(is_forbidden) {
        return refused(attribute, "control characters are not allowed (CloudEvents 1.0)");
    }
    Ok(())
}

/// Refuses what can stand in no URI; letters beyond ASCII pass, since senders write IRIs.
fn check_uri(attribute: &'static str, value: &str) -> Result<(), ContextError> {
    let never = |byte: &u8| matches!(byte, b' ' | b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`');
    match value.as_bytes().iter().find(|byte| never(byte)) {
        Some(byte) => refused(attribute, &format!("{:?} cannot stand in a URI; percent-encode it", char::from(*byte))),
        None => Ok(()),
    }
}

/// A media type is `type/subtype` with optional parameters (RFC 2046).
fn check_media_type(value: &str) -> Result<(), ContextError> {
    let is_token = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(()),
        _ => refused("datacontenttype", "expected a media type such as application/json"),
    }
}
