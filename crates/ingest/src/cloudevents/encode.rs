//! Records on their way out: CloudEvents in structured JSON, one line each, plus `rrposition` and, where there is a key,
//! `partitionkey`.
//!
//! JSON data goes out as the bytes that came in, except that raw line breaks between its tokens become spaces, so that a line
//! stays a line. Text that is valid UTF-8 goes out as a JSON string, everything else as `data_base64`. The data of a JSON event
//! is trusted to be JSON: doors check it and operators render it. A key that is not UTF-8 (no door lets one in) is left out.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use riverrun_event::{Event, Record};

use super::{PARTITION_KEY, POSITION};

/// Appends the record's line to `out`, with its line break.
pub fn line(record: &Record, out: &mut Vec<u8>) {
    object(record, out);
    out.push(b'\n');
}

/// Appends the record's JSON object to `out`; it holds no line break.
pub fn object(record: &Record, out: &mut Vec<u8>) {
    let event = &record.event;
    out.reserve(256 + event.bytes());
    out.extend_from_slice(br#"{"specversion":"1.0""#);
    member("id", &event.id, out);
    member("source", &event.source, out);
    member("type", &event.kind, out);
    optional("subject", event.subject.as_deref(), out);
    if let Some(time) = event.time {
        // Writing into a vector cannot fail, here and below.
        let _infallible = write!(out, r#","time":"{time}""#);
    }
    optional("datacontenttype", event.content_type.as_deref(), out);
    optional("dataschema", event.data_schema.as_deref(), out);
    for (name, value) in event.attributes.iter().filter(|(name, _)| ![PARTITION_KEY, POSITION].contains(name)) {
        member(name, value, out);
    }
    optional(PARTITION_KEY, event.key.as_ref().and_then(|key| key.as_str()), out);
    let _infallible = write!(out, r#","{POSITION}":"{}""#, record.position);
    data(event, out);
    out.push(b'}');
}

/// Appends `,"name":"value"`; `name` needs no escapes.
fn member(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    string(value, out);
}

fn optional(name: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        member(name, value, out);
    }
}

fn data(event: &Event, out: &mut Vec<u8>) {
    let Some(data) = &event.data else { return };
    if event.is_json() {
        out.extend_from_slice(b",\"data\":");
        if data.contains(&b'\n') || data.contains(&b'\r') {
            out.extend(data.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        } else {
            out.extend_from_slice(data);
        }
        return;
    }
    match std::str::from_utf8(data) {
        Ok(text) if is_text(event) => member("data", text, out),
        _ => {
            out.extend_from_slice(b",\"data_base64\":\"");
            out.extend_from_slice(STANDARD.encode(data).as_bytes());
            out.push(b'"');
        }
    }
}

/// Whether the data is declared to be JSON or other text in UTF-8.
pub(crate) fn is_text(event: &Event) -> bool {
    event.is_json() || event.content_type.as_deref().is_some_and(is_text_type)
}

fn is_text_type(media_type: &str) -> bool {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"'))
    });
    essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
        && charset
            .is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii"))
}

/// Appends `text` as a JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    let needs_escape = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(needs_escape) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((&byte, tail)) = tail.split_first() {
            escape(byte, out);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            let _infallible = write!(out, "\\u{byte:04x}");
        }
    }
}
