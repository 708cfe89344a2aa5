//! One line of input: a CloudEvent in structured JSON as it is, or bare data that becomes the data of one.

use std::hash::{BuildHasher, RandomState};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::library::{Expression, text_of};

/// A line that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventLine {
    /// Its number in the input, from 1.
    pub(crate) number: u64,
    /// A CloudEvent in structured JSON.
    pub(crate) json: String,
    /// Whether it was bare data, so that its id is one of ours.
    pub(crate) is_wrapped: bool,
}

/// A line that was not published, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its number in the input, from 1.
    pub(crate) number: u64,
    /// Riverrun's code, when the door refused it.
    pub(crate) code: Option<String>,
    /// Why.
    pub(crate) reason: String,
    /// The line as it was read, for a file of rejects.
    pub(crate) text: String,
}

/// How bare data becomes an event.
#[derive(Clone, Debug)]
pub(crate) struct PlainData {
    /// The event's source.
    pub(crate) source: String,
    /// The event's type.
    pub(crate) kind: String,
    /// Ids are `<id_prefix>-<line number>`, unless the topic takes them from the data.
    pub(crate) id_prefix: String,
    /// Where the topic says that ids and times of bare data are.
    pub(crate) identity: Identity,
}

/// What the app file says about bare data of a topic. The door does the same for a single plain request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// Where the id is.
    pub(crate) id: Option<Expression>,
    /// Where the time is.
    pub(crate) time: Option<Expression>,
}

impl PlainData {
    /// Bare data published to `topic`, with ids no other run gives.
    pub(crate) fn new(topic: &str, source: Option<String>, kind: Option<String>, id_prefix: Option<String>) -> Self {
        Self {
            identity: Identity::default(),
            source: source.unwrap_or_else(|| "/riverrun/publish".to_owned()),
            kind: kind.unwrap_or_else(|| topic.to_owned()),
            id_prefix: id_prefix.unwrap_or_else(random_prefix),
        }
    }
}

/// 128 random bits in hexadecimal: the keys of two fresh hashers, which the standard library takes from the system.
fn random_prefix() -> String {
    let bits = || RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{:016x}{:016x}", bits(), bits())
}

/// What tells a CloudEvent from bare data, and what every CloudEvent needs.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    specversion: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// Makes a line ready, or says why it cannot be published. An empty line gives `None`.
pub(super) fn prepare(bytes: &[u8], number: u64, plain: &PlainData) -> Option<Result<EventLine, Refused>> {
    let lossy = || String::from_utf8_lossy(bytes).trim_end().to_owned();
    let refused = |reason: String| Refused { number, code: None, reason, text: lossy() };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim(),
        Err(error) => return Some(Err(refused(format!("byte {} is no valid UTF-8", error.valid_up_to() + 1)))),
    };
    if text.is_empty() {
        return None;
    }
    Some(event_line(text, number, plain).map_err(refused))
}

fn event_line(text: &str, number: u64, plain: &PlainData) -> Result<EventLine, String> {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return Err(format!("no valid JSON: {error}").replace(" at line 1 column", " at column"));
    }
    if text.starts_with('{') {
        let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if envelope.specversion.is_some() {
            return envelope.check().map(|()| EventLine { number, json: text.to_owned(), is_wrapped: false });
        }
    }
    Ok(EventLine { number, json: wrapped(text, number, plain)?, is_wrapped: true })
}

impl Envelope<'_> {
    /// Refuses here what the door would refuse anyway, so that one such line costs no round trips.
    fn check(&self) -> Result<(), String> {
        for (name, value) in [("id", self.id), ("source", self.source), ("type", self.kind)] {
            if value.is_none_or(|value| !value.get().starts_with('"') || value.get() == "\"\"") {
                return Err(format!("the CloudEvent has no {name:?}, or it is no text"));
            }
        }
        Ok(())
    }
}

fn wrapped(data: &str, number: u64, plain: &PlainData) -> Result<String, String> {
    let text = |text: String| serde_json::Value::from(text).to_string();
    let id = match &plain.identity.id {
        None => format!("{}-{number}", plain.id_prefix),
        Some(expression) => text_of(expression, data)?
            .ok_or_else(|| format!("the topic's id is {:?}, which gives nothing here", expression.source()))?,
    };
    let time = match &plain.identity.time {
        None => None,
        Some(expression) => text_of(expression, data)?,
    };
    let time = time.map(|time| format!(r#","time":{}"#, text(time))).unwrap_or_default();
    let (id, source, kind) = (text(id), text(plain.source.clone()), text(plain.kind.clone()));
    Ok(format!(
        r#"{{"specversion":"1.0","id":{id},"source":{source},"type":{kind}{time},"datacontenttype":"application/json","data":{data}}}"#
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expected: Result<&str, &str>) {
        let plain = PlainData::new("orders", None, None, Some("p".into()));
        let prepared = prepare(line, 7, &plain).unwrap();
        let shown = prepared.as_ref().map(|line| line.json.as_str()).map_err(|refused| refused.reason.as_str());
        assert_eq!(shown, expected, "{}", String::from_utf8_lossy(line));
    }

    #[test]
    fn cloudevents_pass_as_they_are_and_bare_data_is_wrapped() {
        let event = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1.50}}"#;
        check(format!("{event}\r\n").as_bytes(), Ok(event));
        let wrapped = |data: &str| {
            format!(
                r#"{{"specversion":"1.0","id":"p-7","source":"/riverrun/publish","type":"orders","datacontenttype":"application/json","data":{data}}}"#
            )
        };
        check(br#"{"n":1.50}"#, Ok(&wrapped(r#"{"n":1.50}"#)));
        check(b"42", Ok(&wrapped("42")));
    }

    #[test]
    fn what_is_no_event_says_why() {
        check(b"{\"a\":", Err("no valid JSON: EOF while parsing a value at column 5"));
        check(b"\"\xff\"", Err("byte 2 is no valid UTF-8"));
        check(
            br#"{"specversion":"1.0","source":"/s","type":"t"}"#,
            Err("the CloudEvent has no \"id\", or it is no text"),
        );
        assert_eq!(prepare(b" \r\n", 1, &PlainData::new("a", None, None, None)), None);
    }

    #[test]
    fn prefixes_differ() {
        assert_ne!(random_prefix(), random_prefix());
    }
}
