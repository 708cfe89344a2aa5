//! What a read of a named consumer gives: events, typed when they are asked for, and the cursor that commits them.

use bytes::Bytes;
use riverrun_event::{Event as RawEvent, Key, Position};
use riverrun_ingest::cloudevents::structured;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::ClientError;
use crate::event::{Event, EventError};

/// As deep as the JSON reader goes; the server has its own, lower limit.
const DEPTH_MAX: usize = 128;

/// Events to process, and what commits them.
#[derive(Debug)]
pub struct Batch {
    events: Vec<(Position, RawEvent)>,
    texts: Vec<Box<RawValue>>,
    pub(super) cursor: String,
}

/// A read's answer.
#[derive(Deserialize)]
pub(super) struct Page {
    cursor: Option<String>,
    events: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Placed {
    rrposition: String,
}

impl Batch {
    /// The events with their data as a `T`, in order per partition.
    pub fn events<T: DeserializeOwned>(&self) -> impl Iterator<Item = Result<Event<T>, EventError>> {
        self.events.iter().map(|(_, event)| Event::from_wire(event))
    }

    /// The events as they are, with their positions.
    pub fn raw(&self) -> impl Iterator<Item = (&Position, &RawEvent)> {
        self.events.iter().map(|(position, event)| (position, event))
    }

    /// The events as the server wrote them: CloudEvents in JSON, with `rrposition`.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.get())
    }

    /// The batch of a page; none where nothing came.
    pub(super) fn read(page: Page, url: &str) -> Result<Option<Self>, ClientError> {
        let Some(cursor) = page.cursor.filter(|_| !page.events.is_empty()) else { return Ok(None) };
        let events = page.events.iter().map(|event| decode(event.get()));
        let events = events.collect::<Result<_, _>>();
        let events = events.map_err(|reason| ClientError::Answer { url: url.to_owned(), reason })?;
        Ok(Some(Self { events, texts: page.events, cursor }))
    }
}

fn decode(text: &str) -> Result<(Position, RawEvent), String> {
    let placed: Placed = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let position = placed.rrposition.parse::<Position>().map_err(|error| error.to_string())?;
    let received = structured::decode(&Bytes::copy_from_slice(text.as_bytes()), DEPTH_MAX);
    let received = received.map_err(|error| error.to_string())?;
    let key = received.partition_key.map(|key| Key::new(key.into_string())).transpose();
    let key = key.map_err(|error| error.to_string())?;
    Ok((position, RawEvent { key, ..received.event }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:8080";

    fn read(page: &str) -> Result<Option<Batch>, ClientError> {
        Batch::read(serde_json::from_str(page).unwrap(), URL)
    }

    #[test]
    fn events_come_with_position_key_and_typed_data() {
        let event = r#"{"specversion":"1.0","id":"e","source":"/s","type":"t","partitionkey":"k","rrposition":"a/1@7","data":[1, 2]}"#;
        let batch = read(&format!(r#"{{"cursor":"a/1@8~1.1","events":[{event}]}}"#)).unwrap().unwrap();
        let raw: Vec<_> = batch.raw().map(|(position, event)| (position.to_string(), event.data.clone())).collect();
        assert_eq!(raw, [("a/1@7".to_owned(), Some("[1, 2]".into()))]);
        let typed = batch.events::<Vec<u8>>().next().unwrap().unwrap();
        assert_eq!((typed.id(), typed.key().and_then(Key::as_str), &typed.data), ("e", Some("k"), &vec![1, 2]));
        assert!(matches!(batch.events::<String>().next(), Some(Err(EventError::Data { .. }))));
    }

    #[test]
    fn a_page_without_events_is_no_batch_and_other_answers_are_refused() {
        assert!(read(r#"{"cursor":null,"events":[]}"#).unwrap().is_none());
        assert!(read(r#"{"cursor":"a/1@8~1.1","events":[]}"#).unwrap().is_none());
        for event in ["{}", r#"{"rrposition":"nowhere"}"#, r#"{"rrposition":"a/1@7"}"#, "1"] {
            let answer = read(&format!(r#"{{"cursor":"a/1@8~1.1","events":[{event}]}}"#));
            assert!(matches!(answer, Err(ClientError::Answer { .. })), "{event}: {answer:?}");
        }
    }
}
