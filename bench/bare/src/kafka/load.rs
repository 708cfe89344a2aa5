//! Fills the topics: tables as they are, flights as those of airports that are so many times busier.
//!
//! Each hour has its own flights again and again, spread over the hour under new ids: times never go back, the weather is that of the
//! month, and a window of an hour counts something. Records follow the CloudEvents binding in binary mode; their time is the event's,
//! as Kafka Streams wants it.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use krafka::producer::Producer;
use krafka::{Compression, Kafka, Record};
use riverrun_bare::Outcome;
use riverrun_bare::flights::{FileEvent, Flight, load_beside, load_flights};

use super::{FLIGHTS, PARTITIONS, topics};

const HOUR_SECONDS: i64 = 3_600;
/// The tables, and the field that keys each.
const TABLES: [(&str, &str); 3] = [("planes", "tailnum"), ("airlines", "carrier"), ("weather", "origin")];

/// What is loaded.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// HOST:PORT of the broker
    #[arg(long)]
    brokers: String,
    /// The flights, NDJSON or NDJSON.gz, with the tables beside them
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
    /// How many flights; those of the file are repeated
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
}

/// Makes the topics and fills them.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let kafka = super::connect(&arguments.brokers).await?;
    topics::create(&kafka, &[(FLIGHTS, PARTITIONS), ("planes", 1), ("airlines", 1), ("weather", 1)]).await?;
    // Without transactions, so that the last offset is that of the last record.
    let producer = producer(&kafka).await?;
    for (topic, key) in TABLES {
        for event in load_beside(&arguments.flights, topic)? {
            let key = event.text_field(key)?.unwrap_or_default();
            enqueue(&producer, table_row(topic, key, &event)?).await?;
        }
    }
    let mut flights = load_flights(&arguments.flights)?;
    // Without an aircraft there is nothing to count by.
    flights.retain(|flight| !flight.key.is_empty());
    flights.sort_by_key(|flight| flight.time);
    for (number, (flight, milliseconds)) in repeated(&flights, arguments.events).enumerate() {
        let id = format!("{}-{number}", flight.id);
        let headers = headers(&id, &flight.source, &flight.kind, milliseconds)?;
        let record = record(FLIGHTS, flight.key.clone(), flight.data.clone(), headers, milliseconds);
        enqueue(&producer, record).await?;
    }
    producer.flush().await?;
    Ok(())
}

async fn producer(kafka: &Kafka) -> Outcome<Producer> {
    let producer = kafka.producer().compression(Compression::Lz4).batch_size(256 * 1024);
    Ok(producer.linger(Duration::from_millis(20)).build().await?)
}

async fn enqueue(producer: &Producer, record: Record) -> Outcome<()> {
    // Whether it is written shows when all is flushed.
    drop(producer.enqueue(record).await?);
    Ok(())
}

/// So many flights with their times, in milliseconds since 1970. Every hour gets its share.
fn repeated(flights: &[Flight], events: u64) -> impl Iterator<Item = (&Flight, i64)> {
    let all = u64::try_from(flights.len()).unwrap_or(u64::MAX).max(1);
    let mut before = 0;
    flights.chunk_by(|one, next| one.time / HOUR_SECONDS == next.time / HOUR_SECONDS).flat_map(move |hour| {
        let after = before + u64::try_from(hour.len()).unwrap_or_default();
        let share = after * events / all - before * events / all;
        before = after;
        (0..share).zip(hour.iter().cycle()).map(move |(number, flight)| {
            let within = number * 1_000 * HOUR_SECONDS.unsigned_abs() / share;
            let start = flight.time - flight.time.rem_euclid(HOUR_SECONDS);
            (flight, start * 1_000 + i64::try_from(within).unwrap_or_default())
        })
    })
}

fn table_row(topic: &str, key: String, event: &FileEvent) -> Outcome<Record> {
    let milliseconds = DateTime::parse_from_rfc3339(&event.time)?.timestamp_millis();
    let headers = headers(&event.id, &event.source, &event.kind, milliseconds)?;
    Ok(record(topic, key, event.data.get().to_owned(), headers, milliseconds))
}

/// The attributes that every event here has.
fn headers(id: &str, source: &str, kind: &str, milliseconds: i64) -> Outcome<krafka::Headers> {
    let time = DateTime::from_timestamp_millis(milliseconds).ok_or("a time out of range")?;
    let time = time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let header = |(name, value): (&str, &str)| (name.to_owned(), Some(bytes::Bytes::copy_from_slice(value.as_bytes())));
    let attributes =
        [("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", source), ("ce_type", kind), ("ce_time", &time)];
    Ok(attributes.into_iter().map(header).collect())
}

fn record(topic: &str, key: String, data: String, headers: krafka::Headers, milliseconds: i64) -> Record {
    let mut record = Record::new(topic, data).key(key).timestamp(milliseconds);
    record.headers = headers;
    record
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn flight(time: i64) -> Flight {
        let text = || time.to_string();
        Flight { id: text(), source: text(), kind: text(), key: text(), time, data: text() }
    }

    #[test]
    fn an_hour_is_filled_with_its_own_flights_and_times_never_go_back() {
        let flights = [flight(100), flight(200), flight(3_700)];
        let found: Vec<(i64, i64)> = repeated(&flights, 6).map(|(flight, time)| (flight.time, time)).collect();
        let expected =
            [(100, 0), (200, 900_000), (100, 1_800_000), (200, 2_700_000), (3_700, 3_600_000), (3_700, 5_400_000)];
        assert_eq!(found, expected);
        for events in [0, 1, 2, 1_000] {
            let times: Vec<i64> = repeated(&flights, events).map(|(_, time)| time).collect();
            assert_eq!(times.len(), usize::try_from(events).unwrap());
            assert!(times.is_sorted());
        }
    }
}
