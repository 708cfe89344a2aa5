//! How many flights each aircraft has in each hour: a map of counts for each partition, written and emptied when its hour is over.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use krafka::consumer::ConsumerRecord;
use krafka::{Kafka, Record};
use riverrun_bare::Outcome;

use super::flow::{Arguments, Transform};

const HOUR_MS: i64 = 3_600_000;

/// The counts of the open hours.
#[derive(Clone, Default)]
pub(super) struct Count {
    partitions: HashMap<i32, Hour>,
}

/// The open hour of a partition.
#[derive(Clone, Default)]
struct Hour {
    start: i64,
    counts: HashMap<Bytes, u64>,
    changed: BTreeSet<Bytes>,
    /// Aircraft of hours that are over since the last commit.
    over: Vec<(i64, Bytes)>,
}

impl Count {
    /// Nothing has been counted.
    #[expect(clippy::unused_async, reason = "as what has something to read")]
    pub(super) async fn start(_: &Kafka) -> Outcome<Self> {
        Ok(Self::default())
    }
}

impl Transform for Count {
    fn take(&mut self, arguments: &Arguments, input: ConsumerRecord) -> Outcome<Vec<Record>> {
        let hour = self.partitions.entry(input.partition).or_default();
        let start = input.timestamp - input.timestamp.rem_euclid(HOUR_MS);
        let mut outputs = Vec::new();
        if start > hour.start {
            let (from, to) = (shown(hour.start), shown(hour.start + HOUR_MS));
            for (aircraft, count) in hour.counts.drain() {
                let data = format!("{{\"window\":{{\"start\":\"{from}\",\"end\":\"{to}\"}},\"count\":{count}}}");
                let mut output = arguments.output(&input, data.into_bytes(), lineage(&input, "/bench/count"));
                output.key = Some(aircraft.clone());
                outputs.push(output);
                hour.over.push((hour.start, aircraft));
            }
            hour.changed.clear();
            hour.start = start;
        }
        let aircraft = input.key.unwrap_or_default();
        *hour.counts.entry(aircraft.clone()).or_default() += 1;
        hour.changed.insert(aircraft);
        Ok(outputs)
    }

    fn changes(&mut self, arguments: &Arguments) -> Vec<Record> {
        let mut changes = Vec::new();
        for (partition, hour) in &mut self.partitions {
            let gone = hour.over.drain(..).map(|(start, aircraft)| (row(start, &aircraft), None));
            changes.extend(gone.map(|(row, value)| arguments.change(*partition, row, value)));
            for aircraft in std::mem::take(&mut hour.changed) {
                let count = hour.counts.get(&aircraft).copied().unwrap_or_default();
                changes.push(arguments.change(
                    *partition,
                    row(hour.start, &aircraft),
                    Some(count.to_be_bytes().into()),
                ));
            }
        }
        changes
    }
}

fn row(start: i64, aircraft: &[u8]) -> Vec<u8> {
    [aircraft, b"\0", &start.to_be_bytes()].concat()
}

fn shown(milliseconds: i64) -> String {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default().to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// The attributes of an output that `input` has caused, as the product writes them; values are shared with the input where they can be.
pub(super) fn lineage(input: &ConsumerRecord, source: &'static str) -> krafka::Headers {
    let attribute = |name: &str| {
        let header = input.headers.iter().find(|(known, _)| known == name);
        header.and_then(|(_, value)| value.clone()).unwrap_or_default()
    };
    let position = format!("{}/{}@{}", input.topic, input.partition, input.offset);
    let length = position.len();
    let id = Bytes::from(position + "/to.0");
    let caused_by = attribute("ce_id");
    let attributes = [
        ("ce_specversion", Bytes::from_static(b"1.0")),
        ("ce_source", Bytes::from_static(source.as_bytes())),
        ("ce_type", attribute("ce_type")),
        ("ce_time", attribute("ce_time")),
        ("ce_rrcause", id.slice(..length)),
        ("ce_id", id),
        ("ce_causationid", caused_by.clone()),
        ("ce_causationsource", attribute("ce_source")),
        ("ce_correlationid", caused_by),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect()
}
