//! Structured mode: one JSON object holds attributes and data (CloudEvents JSON Event Format 1.0.2).
//!
//! - `data` under a JSON content type, or none, is kept as its raw JSON text, strings included; `"data": null` is a JSON null
//!   and so data, while a missing `data` means that there is none (3.1.1). Under any other content type `data` must be a
//!   string and its characters are the data. `data_base64` gives the bytes of either.
//! - An attribute that is `null` counts as missing (2.2). Strings, booleans and 32-bit integers are kept as text in their
//!   canonical form; arrays, objects and other numbers are refused, since CloudEvents has no such values.
//! - A member that is stated twice is refused: receivers would disagree about which one counts.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use riverrun_event::attribute::CONTEXT_ATTRIBUTES;

use super::{DecodeError, FromWire as _, Received};
use crate::json::{Reader, utf8};

/// Decodes the body of a request in structured mode; data may be `depth_max` levels deep.
///
/// # Errors
/// [`DecodeError`] says what is wrong and where.
pub fn decode(body: &Bytes, depth_max: usize) -> Result<Received, DecodeError> {
    let mut reader = Reader::new(utf8(body)?);
    reader.whitespace();
    let received = event(&mut reader, body, depth_max)?;
    reader.end()?;
    Ok(received)
}

/// Reads the event that starts at the reader's place in the text of `body`.
pub(super) fn event(reader: &mut Reader<'_>, body: &Bytes, depth_max: usize) -> Result<Received, DecodeError> {
    let mut envelope = Envelope::new();
    reader.members(|name, reader| envelope.member(&name, reader, depth_max))?;
    envelope.finish(body)
}

/// What was read of an event so far.
struct Envelope<'a> {
    received: Received,
    /// Which context attributes were seen, by their index in [`CONTEXT_ATTRIBUTES`]; the bit after them is `data_base64`.
    seen: u32,
    data: Option<&'a str>,
    data_base64: Option<Cow<'a, str>>,
}

/// The member that holds data as bytes.
const DATA_BASE64: &str = "data_base64";

impl<'a> Envelope<'a> {
    fn new() -> Self {
        Self { received: Received::new(), seen: 0, data: None, data_base64: None }
    }

    fn member(&mut self, name: &str, reader: &mut Reader<'a>, depth_max: usize) -> Result<(), DecodeError> {
        self.refuse_repeated(name)?;
        match name {
            "data" => self.data = Some(reader.value(depth_max)?),
            DATA_BASE64 => self.data_base64 = string(name, reader)?,
            _ if CONTEXT_ATTRIBUTES.contains(&name) => {
                if let Some(value) = string(name, reader)? {
                    self.received.context(name, &value)?;
                } else if name == "specversion" {
                    return Err(DecodeError::NoSpecVersion);
                }
            }
            _ => {
                if let Some(value) = extension_value(name, reader)? {
                    self.received.extension(name, &value)?;
                }
            }
        }
        Ok(())
    }

    fn refuse_repeated(&mut self, name: &str) -> Result<(), DecodeError> {
        let slot = match name {
            DATA_BASE64 => CONTEXT_ATTRIBUTES.len(),
            _ => match CONTEXT_ATTRIBUTES.iter().position(|known| *known == name) {
                Some(slot) => slot,
                None => return Ok(()),
            },
        };
        let bit = 1 << slot;
        if self.seen & bit != 0 {
            return Err(DecodeError::Repeated(name.to_owned()));
        }
        self.seen |= bit;
        Ok(())
    }

    fn finish(self, body: &Bytes) -> Result<Received, DecodeError> {
        // `specversion` is the first of the context attributes.
        if self.seen & 1 == 0 {
            return Err(DecodeError::NoSpecVersion);
        }
        let mut received = self.received;
        match (self.data, self.data_base64) {
            (Some(_), Some(_)) => {
                return Err(DecodeError::invalid(DATA_BASE64, "send either \"data\" or \"data_base64\", not both"));
            }
            (Some(raw), None) if received.event.is_json() => {
                received.event.data = Some(body.slice_ref(raw.as_bytes()));
                received.data_checked = true;
            }
            (Some(raw), None) => received.event.data = Some(text_data(raw, &received)?),
            (None, Some(text)) => {
                let bytes = STANDARD.decode(text.as_bytes());
                let bytes = bytes.map_err(|error| DecodeError::invalid(DATA_BASE64, format!("no base64: {error}")))?;
                received.event.data = Some(bytes.into());
            }
            (None, None) => {}
        }
        Ok(received)
    }
}

/// Data of a content type that is not JSON: the characters of a JSON string.
fn text_data(raw: &str, received: &Received) -> Result<Bytes, DecodeError> {
    if !raw.starts_with('"') {
        let content_type = received.event.content_type.as_deref().unwrap_or_default();
        let message =
            format!("data of the content type {content_type:?} must be a JSON string, or send \"data_base64\"");
        return Err(DecodeError::invalid("data", message));
    }
    let value = Reader::new(raw).string()?;
    Ok(Bytes::copy_from_slice(value.as_bytes()))
}

/// A string, or `None` for null.
fn string<'a>(name: &str, reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    match reader.peek() {
        Some(b'"') => Ok(Some(reader.string()?)),
        // Depth 0: anything but a scalar is refused where it starts.
        Some(b'n') => reader.value(0).map(|_| None).map_err(DecodeError::from),
        Some(b'{' | b'[' | b't' | b'f' | b'-' | b'0'..=b'9') => {
            Err(DecodeError::invalid(name, "expected a JSON string"))
        }
        _ => Ok(reader.refuse("a string")?),
    }
}

/// The canonical text of an extension's value, or `None` for null.
fn extension_value<'a>(name: &str, reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, DecodeError> {
    match reader.peek() {
        Some(b't' | b'f') => Ok(Some(Cow::Borrowed(reader.value(0)?))),
        Some(b'-' | b'0'..=b'9') => {
            let raw = reader.value(0)?;
            let integer = raw.parse::<i32>().map_err(|_| {
                let message =
                    format!("{raw} is no whole number of 32 bits, as CloudEvents has them; send it as a string");
                DecodeError::invalid(name, message)
            })?;
            Ok(Some(Cow::Owned(integer.to_string())))
        }
        Some(b'{' | b'[') => {
            Err(DecodeError::invalid(name, "an extension is a string, a boolean or an integer, not an array or object"))
        }
        _ => string(name, reader),
    }
}
