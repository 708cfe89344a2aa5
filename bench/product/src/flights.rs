//! The example's events as the files have them, as events of the product.

use std::path::Path;

use bytes::Bytes;
use riverrun_bare::Outcome;
use riverrun_bare::flights::{self, FileEvent};
use riverrun_bare::workload::row_key;
use riverrun_event::{Event, Key, Time};

/// The events of `file`, in its order; `key` is the field of the data they are keyed by.
pub(crate) fn load(file: &Path, key: &str) -> Outcome<Vec<Event>> {
    flights::load(file)?.into_iter().map(|read| event(read, key)).collect()
}

/// The events of the file of another topic, which lies beside `flights` with the same ending.
pub(crate) fn load_beside(flights: &Path, topic: &str, key: &str) -> Outcome<Vec<Event>> {
    flights::load_beside(flights, topic)?.into_iter().map(|read| event(read, key)).collect()
}

fn event(read: FileEvent, key: &str) -> Outcome<Event> {
    let key = read.text_field(key)?.map(Key::new).transpose()?;
    let mut event = Event::new(read.id, read.source, read.kind);
    event.time = Some(Time::parse(&read.time)?);
    event.key = key;
    event.data = Some(Bytes::from(String::from(Box::<str>::from(read.data))));
    Ok(event)
}

/// So many flights of `file`, repeated, each with its number for id and key.
pub(crate) fn numbered(file: &Path, count: u64) -> Outcome<Vec<Event>> {
    let flights = load(file, "tailnum")?;
    let numbered = |(number, flight): (u64, &Event)| {
        let key = row_key(number);
        Ok(Event { id: key.as_str().into(), key: Some(Key::new(key)?), ..flight.clone() })
    };
    (0..count).zip(flights.iter().cycle()).map(numbered).collect()
}

/// The same event under an id of its own, so that repeated flights can be told apart.
pub(crate) fn renamed(event: &Event, number: u64) -> Event {
    Event { id: format!("{}-{number}", event.id).into(), ..event.clone() }
}
