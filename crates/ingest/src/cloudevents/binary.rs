//! Binary mode: attributes are `ce-` headers, the body is the data (CloudEvents HTTP Protocol Binding 1.0.2, 3.1).
//!
//! An empty body means that there is no data. The `Content-Type` header is the attribute `datacontenttype`.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use riverrun_event::attribute::CONTEXT_ATTRIBUTES;

use super::{DecodeError, FromWire as _, Received};

/// What the headers of attributes start with.
const PREFIX: &str = "ce-";

/// Whether a request is meant in binary mode: it has some `ce-` header.
#[must_use]
pub fn is_binary(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(PREFIX))
}

/// Decodes a request in binary mode.
///
/// # Errors
/// [`DecodeError`] names the attribute at fault.
pub fn decode(headers: &HeaderMap, body: Bytes) -> Result<Received, DecodeError> {
    let mut received = Received::new();
    if !headers.contains_key("ce-specversion") {
        return Err(DecodeError::NoSpecVersion);
    }
    for name in headers.keys() {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
        let mut values = headers.get_all(name).iter();
        let value =
            values.next().map(|value| header_text(attribute, value.as_bytes())).transpose()?.unwrap_or_default();
        if values.next().is_some() {
            return Err(DecodeError::Repeated(name.as_str().to_owned()));
        }
        if attribute == "datacontenttype" || attribute == "data" {
            let message = "send the data as the body and its media type as the header Content-Type";
            return Err(DecodeError::invalid(attribute, message));
        }
        if !(CONTEXT_ATTRIBUTES.contains(&attribute) && received.context(attribute, &value)?) {
            received.extension(attribute, &value)?;
        }
    }
    if let Some(media_type) = headers.get(CONTENT_TYPE) {
        // A media type is plain ASCII: it is not percent-encoded (3.1.1).
        let text = media_type.to_str().map_err(|_| DecodeError::invalid("datacontenttype", "expected a media type"))?;
        received.event.content_type = Some(text.into());
    }
    received.event.data = (!body.is_empty()).then_some(body);
    Ok(received)
}

/// The attribute value a header stands for: quotes undone, then one round of percent-decoding (3.1.3.2).
fn header_text<'a>(attribute: &str, value: &'a [u8]) -> Result<Cow<'a, str>, DecodeError> {
    let invalid = || DecodeError::invalid(attribute, "the header is not UTF-8 once it is percent-decoded");
    let unquoted = unquote(value);
    if !unquoted.contains(&b'%') {
        return match unquoted {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| invalid()),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| invalid()),
        };
    }
    String::from_utf8(percent_decode(&unquoted)).map(Cow::Owned).map_err(|_| invalid())
}

/// Takes the quotes off a quoted string and its backslash escapes out (RFC 9110, 5.6.4).
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let [b'"', inner @ .., b'"'] = value else { return Cow::Borrowed(value) };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        plain.push(if byte == b'\\' { bytes.next().copied().unwrap_or(byte) } else { byte });
    }
    Cow::Owned(plain)
}

/// Replaces every `%xy` by its byte; a `%` that starts no such triple stays.
fn percent_decode(value: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let byte = match (first, tail) {
            (b'%', [high, low, after @ ..]) => hex_value(*high).zip(hex_value(*low)).map(|(high, low)| {
                rest = after;
                high << 4 | low
            }),
            _ => None,
        };
        decoded.push(byte.unwrap_or(*first));
    }
    decoded
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: Option<&str>) {
        let text = header_text("x", header.as_bytes());
        assert_eq!(text.as_deref().ok(), expected, "{header}");
    }

    #[test]
    fn header_values_are_decoded_as_the_binding_says() {
        check("plain", Some("plain"));
        check("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀"));
        check("%e2%82%ac", Some("€"));
        check("%41", Some("A"));
        check("%C0%A0", None);
        check("%2541", Some("%41"));
        check("100%", Some("100%"));
        check("%zz%4", Some("%zz%4"));
        check("\"a \\\"quoted\\\" one\"", Some("a \"quoted\" one"));
        check("\"%41\\%41\"", Some("AA"));
        check("\"", Some("\""));
        check("ü", Some("ü"));
    }
}
