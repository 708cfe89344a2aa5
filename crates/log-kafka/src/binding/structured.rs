//! The structured mode: the value of the record is the whole event in the CloudEvents JSON Event Format 1.0.2.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use riverrun_event::Event;
use serde_json::value::RawValue;

use super::take;

/// What the media type of such a record begins with; batches are no part of the binding.
const MEDIA_TYPE: &str = "application/cloudevents+json";

/// Whether a record of this content type is an event as a whole.
pub(super) fn is_structured(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// Takes attributes and data over from a value; `None` where it is no such event, and nothing is changed then.
pub(super) fn decode(event: &Event, value: &Bytes) -> Option<Event> {
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(value).ok()?;
    members.get("specversion")?;
    let mut event = event.clone();
    event.content_type = None;
    let (mut data, mut base64) = (None, None);
    for (name, raw) in members {
        match name.as_str() {
            "data" => data = Some(raw.get()),
            "data_base64" => base64 = Some(serde_json::from_str::<String>(raw.get()).ok()?),
            _ => drop(text(raw.get()).map(|value| take(&mut event, &name, &value))),
        }
    }
    event.data = match (data, base64) {
        (None, Some(base64)) => Some(STANDARD.decode(base64).ok()?.into()),
        (Some(raw), _) if event.is_json() => Some(value.slice_ref(raw.as_bytes())),
        (Some(raw), _) => Some(serde_json::from_str::<String>(raw).ok()?.into()),
        (None, None) => None,
    };
    Some(event)
}

/// The value of an attribute: a string, a boolean or a number; nothing else is one.
fn text(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'n' | b'{' | b'[' => None,
        _ => Some(raw.to_owned()),
    }
}
