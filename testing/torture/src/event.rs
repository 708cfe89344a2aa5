//! What is sent: an event, and its CloudEvents 1.0 forms over HTTP (structured, binary, batch), written here once more on purpose.

use std::fmt::Write;

use serde_json::Value;

/// Media type of one event in structured mode.
pub const STRUCTURED: &str = "application/cloudevents+json";
/// Media type of several events.
pub const BATCH: &str = "application/cloudevents-batch+json";

/// An event to be sent. All events of a run happen on one day, so a time is a number of seconds and they compare as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Unique within the source.
    pub id: String,
    /// Which sender.
    pub source: String,
    /// CloudEvents' type.
    pub kind: String,
    /// What it is about.
    pub subject: Option<String>,
    /// Seconds into the day.
    pub time_seconds: u64,
    /// Value of the extension attribute `note`.
    pub note: Option<String>,
    /// JSON text, sent and expected back byte for byte; none deletes the entity.
    pub data: Option<String>,
}

impl Event {
    /// The time as RFC 3339. The day lies in the past and has no daylight saving to think of.
    #[must_use]
    pub fn time(&self) -> String {
        time_of_day(self.time_seconds)
    }

    /// The key the topics' `data.account` gives, else the subject; none when there is neither.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        self.data_value()
            .and_then(|data| Some(data.get("account")?.as_str()?.to_owned()))
            .or_else(|| self.subject.clone())
    }

    /// The data as a JSON value.
    #[must_use]
    pub fn data_value(&self) -> Option<Value> {
        serde_json::from_str(self.data.as_deref()?).ok()
    }

    /// Structured mode.
    #[must_use]
    pub fn structured(&self) -> String {
        let mut text = format!(
            r#"{{"specversion":"1.0","id":{},"source":{},"type":{},"time":{}"#,
            quoted(&self.id),
            quoted(&self.source),
            quoted(&self.kind),
            quoted(&self.time())
        );
        for (name, value) in [("subject", &self.subject), ("note", &self.note)] {
            if let Some(value) = value {
                text.push_str(&format!(r#","{name}":{}"#, quoted(value)));
            }
        }
        if let Some(data) = &self.data {
            text.push_str(&format!(r#","datacontenttype":"application/json","data":{data}"#));
        }
        text.push('}');
        text
    }

    /// Binary mode: attributes as headers; the body is the data.
    #[must_use]
    pub fn binary(&self) -> (Vec<(String, String)>, Vec<u8>) {
        let time = self.time();
        let required = [("specversion", "1.0"), ("id", &self.id), ("source", &self.source), ("type", &self.kind)];
        let optional = [("time", Some(&time)), ("subject", self.subject.as_ref()), ("note", self.note.as_ref())];
        let given = optional.into_iter().filter_map(|(name, value)| Some((name, value?.as_str())));
        let mut headers: Vec<_> = required
            .into_iter()
            .chain(given)
            .map(|(name, value)| (format!("ce-{name}"), percent_encoded(value)))
            .collect();
        if self.data.is_some() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        (headers, self.data.clone().unwrap_or_default().into_bytes())
    }
}

/// A batch of events.
#[must_use]
pub fn batch(events: &[Event]) -> String {
    format!("[{}]", events.iter().map(Event::structured).collect::<Vec<_>>().join(","))
}

/// Seconds into the day of all events, as RFC 3339.
#[must_use]
pub fn time_of_day(seconds: u64) -> String {
    format!("2024-03-01T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// CloudEvents' HTTP binding, 3.1.3.2: space, double quote, percent and everything beyond printable ASCII is encoded.
fn percent_encoded(value: &str) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_graphic() && byte != b'"' && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        Event {
            id: "o-1".into(),
            source: "/torture/0".into(),
            kind: "order.placed".into(),
            subject: None,
            time_seconds: 3_661,
            note: Some("50% é".into()),
            data: Some(r#"{"account": "a1"}"#.into()),
        }
    }

    #[test]
    fn structured_mode_keeps_the_data_as_it_is() {
        assert_eq!(
            event().structured(),
            r#"{"specversion":"1.0","id":"o-1","source":"/torture/0","type":"order.placed","time":"2024-03-01T01:01:01Z","note":"50% é","datacontenttype":"application/json","data":{"account": "a1"}}"#
        );
        assert_eq!(event().key().as_deref(), Some("a1"));
    }

    #[test]
    fn binary_mode_percent_encodes_attributes() {
        let (headers, body) = event().binary();
        assert!(headers.contains(&("ce-note".into(), "50%25%20%C3%A9".into())));
        assert_eq!(body, br#"{"account": "a1"}"#);
    }

    #[test]
    fn an_event_without_data_takes_its_key_from_the_subject() {
        let deletion = Event { data: None, subject: Some("a2".into()), ..event() };
        assert_eq!(deletion.key().as_deref(), Some("a2"));
        assert!(!deletion.structured().contains("data\""));
    }
}
