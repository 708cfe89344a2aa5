//! Each flight with its plane, airline and weather as of its time: two fields parsed, three maps looked up, texts put together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use krafka::consumer::ConsumerRecord;
use krafka::{Kafka, Record};
use riverrun_bare::Outcome;
use serde::Deserialize;

use super::flow::{Arguments, Transform};
use super::{count, topics};

/// The tables, in the order in which they stand in an output, and what each is called there.
const MODELS: [(&str, &str); 3] = [("planes", "plane"), ("airlines", "airline"), ("weather", "weather")];

/// By entity, then time in milliseconds: the position and the data of a version.
type Versions = HashMap<String, BTreeMap<i64, (String, String)>>;

/// The tables, read from their topics.
#[derive(Clone)]
pub(super) struct Snapshot(Arc<[Versions; 3]>);

impl Snapshot {
    /// Reads the tables.
    pub(super) async fn read(kafka: &Kafka) -> Outcome<Self> {
        let mut models: [Versions; 3] = Default::default();
        for ((topic, _), versions) in MODELS.into_iter().zip(&mut models) {
            topics::read(kafka, topic, 1, |record| {
                let data = String::from_utf8(record.value.unwrap_or_default().to_vec())?;
                let entity = String::from_utf8(record.key.unwrap_or_default().to_vec())?;
                let position = format!("{topic}/{}@{}", record.partition, record.offset);
                versions.entry(entity).or_default().insert(record.timestamp, (position, data));
                Ok(())
            })
            .await?;
        }
        Ok(Self(Arc::new(models)))
    }
}

#[derive(Deserialize)]
struct Fields<'a> {
    carrier: &'a str,
    origin: &'a str,
}

impl Transform for Snapshot {
    fn take(&mut self, arguments: &Arguments, input: ConsumerRecord) -> Outcome<Vec<Record>> {
        let value = input.value.as_deref().unwrap_or_default();
        let fields: Fields<'_> = serde_json::from_slice(value)?;
        let aircraft = std::str::from_utf8(input.key.as_deref().unwrap_or_default())?;
        let mut data = Vec::with_capacity(value.len() + 512);
        data.extend_from_slice(value.strip_suffix(b"}").unwrap_or(value));
        data.extend_from_slice(b",\"snapshot\":{");
        let mut seen = String::with_capacity(64);
        for (index, (((_, model), versions), key)) in
            MODELS.into_iter().zip(&*self.0).zip([aircraft, fields.carrier, fields.origin]).enumerate()
        {
            let comma = if index == 0 { "" } else { "," };
            let version = versions.get(key).and_then(|entity| entity.range(..=input.timestamp).next_back());
            let (position, found) = version.map_or(("-", "null"), |(_, (position, found))| (position, found));
            for text in [comma, "\"", model, "\":", found] {
                data.extend_from_slice(text.as_bytes());
            }
            [comma, model, "=", position].into_iter().for_each(|text| seen.push_str(text));
        }
        data.extend_from_slice(b"}}");
        let mut headers = count::lineage(&input, "/bench/snapshot");
        headers.push(("ce_rrsnapshot".to_owned(), Some(seen.into())));
        Ok(vec![arguments.output(&input, data, headers)])
    }

    fn changes(&mut self, _: &Arguments) -> Vec<Record> {
        Vec::new()
    }
}
