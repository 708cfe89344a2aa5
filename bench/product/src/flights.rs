//! The example's events as the files have them: CloudEvents in NDJSON, gzip or plain.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bytes::Bytes;
use riverrun_event::{Event, Key, Time};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Outcome;

/// An event of a file, its data as received.
#[derive(Deserialize)]
struct FileEvent {
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    data: Box<RawValue>,
}

/// The events of `file`, in its order; `key` is the field of the data they are keyed by.
pub(crate) fn load(file: &Path, key: &str) -> Outcome<Vec<Event>> {
    let opened = File::open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let compressed = file.extension().is_some_and(|ending| ending == "gz");
    let plain: Box<dyn Read> =
        if compressed { Box::new(flate2::read::GzDecoder::new(opened)) } else { Box::new(opened) };
    BufReader::new(plain).lines().map(|line| event(&line?, key)).collect()
}

/// The events of the file of another topic, which lies beside `flights` with the same ending.
pub(crate) fn load_beside(flights: &Path, topic: &str, key: &str) -> Outcome<Vec<Event>> {
    let name = flights.file_name().and_then(|name| name.to_str()).unwrap_or_default().replace("flights", topic);
    load(&flights.with_file_name(name), key)
}

fn event(line: &str, key: &str) -> Outcome<Event> {
    let parsed: FileEvent = serde_json::from_str(line)?;
    let data: serde_json::Value = serde_json::from_str(parsed.data.get())?;
    let mut event = Event::new(parsed.id, parsed.source, parsed.kind);
    event.time = Some(Time::parse(&parsed.time)?);
    event.key = match data.get(key).and_then(serde_json::Value::as_str) {
        Some(text) => Some(Key::new(text.to_owned())?),
        None => None,
    };
    event.data = Some(Bytes::from(String::from(Box::<str>::from(parsed.data))));
    Ok(event)
}

/// The same event under an id of its own, so that repeated flights can be told apart.
pub(crate) fn renamed(event: &Event, number: u64) -> Event {
    Event { id: format!("{}-{number}", event.id).into(), ..event.clone() }
}
