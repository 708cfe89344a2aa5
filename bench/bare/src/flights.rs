//! Loads the flights and the four tables they refer to, as the files have them: CloudEvents in NDJSON, gzip or plain.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Outcome;
use crate::record::Record;

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

/// An event ready to be stored.
pub(crate) struct Flight {
    id: String,
    source: String,
    kind: String,
    key: String,
    time: i64,
    data: String,
}

impl Flight {
    /// As a record. `id` is the caller's, so that repeated flights can be told apart.
    pub(crate) fn record<'a>(&'a self, id: &'a str) -> Record<'a> {
        Record {
            id: id.as_bytes(),
            source: self.source.as_bytes(),
            kind: self.kind.as_bytes(),
            key: self.key.as_bytes(),
            time: self.time,
            attributes: b"",
            data: self.data.as_bytes(),
        }
    }

    /// As a CloudEvent in structured mode, under another id.
    pub(crate) fn structured(&self, id: &str) -> String {
        let time = chrono::DateTime::from_timestamp(self.time, 0).unwrap_or_default();
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"{}","type":"{}","time":"{}","data":{}}}"#,
            self.source,
            self.kind,
            time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            self.data
        )
    }

    /// The id of the file.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// The versions of one model: entity, then time, then (position, data).
pub(crate) type Versions = HashMap<String, BTreeMap<i64, (String, String)>>;

/// The four models.
pub(crate) struct Models {
    pub(crate) planes: Versions,
    pub(crate) airlines: Versions,
    pub(crate) weather: Versions,
    pub(crate) airports: Versions,
}

/// The flights of `file`, in its order, keyed by aircraft.
pub(crate) fn load_flights(file: &Path) -> Outcome<Vec<Flight>> {
    load(file)?
        .into_iter()
        .map(|event| {
            let key = text_field(event.data.get(), "tailnum")?;
            let time = unix_seconds(&event.time)?;
            let data = String::from(Box::<str>::from(event.data));
            Ok(Flight { id: event.id, source: event.source, kind: event.kind, key, time, data })
        })
        .collect()
}

/// The tables that lie beside the file of flights, with the same ending.
pub(crate) fn load_models(flights: &Path) -> Outcome<Models> {
    let versions = |topic: &str, key: &str| -> Outcome<Versions> {
        let name = flights.file_name().and_then(|name| name.to_str()).unwrap_or_default().replace("flights", topic);
        let mut versions = Versions::new();
        for (offset, event) in load(&flights.with_file_name(name))?.into_iter().enumerate() {
            let entity = versions.entry(text_field(event.data.get(), key)?).or_default();
            let version = (format!("{topic}/0@{offset}"), event.data.get().to_owned());
            entity.insert(unix_seconds(&event.time)?, version);
        }
        Ok(versions)
    };
    Ok(Models {
        planes: versions("planes", "tailnum")?,
        airlines: versions("airlines", "carrier")?,
        weather: versions("weather", "origin")?,
        airports: versions("airports", "faa")?,
    })
}

fn load(path: &Path) -> Outcome<Vec<FileEvent>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let compressed = path.extension().is_some_and(|ending| ending == "gz");
    let plain: Box<dyn Read> = if compressed { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    BufReader::new(plain).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

/// A field of the data as text; a null or missing one is the empty text.
fn text_field(data: &str, name: &str) -> Outcome<String> {
    let data: serde_json::Value = serde_json::from_str(data)?;
    Ok(data.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
}

fn unix_seconds(text: &str) -> Outcome<i64> {
    Ok(chrono::DateTime::parse_from_rfc3339(text)?.timestamp())
}
