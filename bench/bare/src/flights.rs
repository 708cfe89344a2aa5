//! Loads the flights and the four tables they refer to, as the files have them: CloudEvents in NDJSON, gzip or plain.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Outcome;

/// An event of a file, its data as received.
#[derive(Debug, Deserialize)]
pub struct FileEvent {
    /// Unique within the source.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// CloudEvents' type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Event time, RFC 3339.
    pub time: String,
    /// The data, JSON text.
    pub data: Box<RawValue>,
}

impl FileEvent {
    /// A field of the data, when it is there and text.
    ///
    /// # Errors
    /// When the data cannot be read.
    pub fn text_field(&self, name: &str) -> Outcome<Option<String>> {
        let data: serde_json::Value = serde_json::from_str(self.data.get())?;
        Ok(data.get(name).and_then(serde_json::Value::as_str).map(str::to_owned))
    }
}

/// A flight ready to be stored.
#[derive(Debug)]
pub struct Flight {
    /// Unique within the source.
    pub id: String,
    /// Who sent it.
    pub source: String,
    /// CloudEvents' type.
    pub kind: String,
    /// The aircraft; empty when it is not known.
    pub key: String,
    /// Event time, seconds since 1970.
    pub time: i64,
    /// The data, JSON text.
    pub data: String,
}

impl Flight {
    /// As a CloudEvent in structured mode, under another id.
    #[must_use]
    pub fn structured(&self, id: &str) -> String {
        let time = chrono::DateTime::from_timestamp(self.time, 0).unwrap_or_default();
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"{}","type":"{}","time":"{}","data":{}}}"#,
            self.source,
            self.kind,
            time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            self.data
        )
    }
}

/// The versions of one model: entity, then time, then (position, data).
pub type Versions = HashMap<String, BTreeMap<i64, (String, String)>>;

/// The four models.
#[derive(Debug)]
pub struct Models {
    /// By tail number.
    pub planes: Versions,
    /// By carrier.
    pub airlines: Versions,
    /// By the airport it is the weather of.
    pub weather: Versions,
    /// By their FAA code.
    pub airports: Versions,
}

/// The flights of `file`, in its order, keyed by aircraft.
///
/// # Errors
/// When the file cannot be read or a line of it is no event.
pub fn load_flights(file: &Path) -> Outcome<Vec<Flight>> {
    load(file)?
        .into_iter()
        .map(|event| {
            let key = event.text_field("tailnum")?.unwrap_or_default();
            let time = unix_seconds(&event.time)?;
            let data = String::from(Box::<str>::from(event.data));
            Ok(Flight { id: event.id, source: event.source, kind: event.kind, key, time, data })
        })
        .collect()
}

/// The tables that lie beside the file of flights, with the same ending.
///
/// # Errors
/// When a file cannot be read or a line of it is no event.
pub fn load_models(flights: &Path) -> Outcome<Models> {
    let versions = |topic: &str, key: &str| -> Outcome<Versions> {
        let mut versions = Versions::new();
        for (offset, event) in load_beside(flights, topic)?.into_iter().enumerate() {
            let entity = versions.entry(event.text_field(key)?.unwrap_or_default()).or_default();
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

/// The events of the file of another topic, which lies beside `flights` with the same ending.
///
/// # Errors
/// When the file cannot be read or a line of it is no event.
pub fn load_beside(flights: &Path, topic: &str) -> Outcome<Vec<FileEvent>> {
    let name = flights.file_name().and_then(|name| name.to_str()).unwrap_or_default().replace("flights", topic);
    load(&flights.with_file_name(name))
}

/// The events of a file, in its order.
///
/// # Errors
/// When the file cannot be read or a line of it is no event.
pub fn load(path: &Path) -> Outcome<Vec<FileEvent>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let compressed = path.extension().is_some_and(|ending| ending == "gz");
    let plain: Box<dyn Read> = if compressed { Box::new(flate2::read::GzDecoder::new(file)) } else { Box::new(file) };
    BufReader::new(plain).lines().map(|line| Ok(serde_json::from_str(&line?)?)).collect()
}

fn unix_seconds(text: &str) -> Outcome<i64> {
    Ok(chrono::DateTime::parse_from_rfc3339(text)?.timestamp())
}
