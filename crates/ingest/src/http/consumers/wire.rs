//! What the consumers' routes read and write as JSON.

use serde::{Deserialize, Serialize};

use crate::consumers::{ConsumerReport, Page, PartitionReport, ReadRequest, ReaderName};
use crate::http::cursor::QueryError;
use crate::http::problem::DoorError;

/// The body of a commit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Commit {
    pub(super) cursor: String,
}

/// The body of a reset.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    pub(super) to: String,
    #[serde(default)]
    pub(super) topic: Option<String>,
}

/// A consumer as it stands, as JSON.
#[derive(Debug, Serialize)]
pub struct ConsumerStatus {
    name: String,
    readers: usize,
    lag: u64,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Partition {
    partition: String,
    committed: u64,
    end: u64,
    lag: u64,
    reader: Option<String>,
}

impl From<&ConsumerReport> for ConsumerStatus {
    fn from(report: &ConsumerReport) -> Self {
        let partition = |partition: &PartitionReport| Partition {
            partition: partition.partition.to_string(),
            committed: partition.committed.0,
            end: partition.end.0,
            lag: partition.lag(),
            reader: partition.reader.as_ref().map(ToString::to_string),
        };
        Self {
            name: report.name.to_string(),
            readers: report.readers,
            lag: report.partitions.iter().map(PartitionReport::lag).sum(),
            partitions: report.partitions.iter().map(partition).collect(),
        }
    }
}

#[derive(Serialize)]
struct Head<'a> {
    reader: String,
    session: u64,
    partitions: Vec<String>,
    /// To be committed once the events are processed; null where there is nothing to commit.
    cursor: Option<&'a str>,
}

/// A page as one JSON object; its events are the lines.
pub(super) fn page(request: &ReadRequest, page: &Page) -> Vec<u8> {
    let cursor = page.cursor.to_string();
    let head = Head {
        reader: request.reader.to_string(),
        session: request.session.as_secs(),
        partitions: page.partitions.iter().map(ToString::to_string).collect(),
        cursor: Some(&*cursor).filter(|cursor| !cursor.is_empty()),
    };
    // Text and numbers only: it can always be written.
    let mut document = serde_json::to_vec(&head).unwrap_or_default();
    document.pop();
    document.extend_from_slice(br#","events":["#);
    let events = page.lines.strip_suffix(b"\n").unwrap_or_default();
    // An event's line holds no other line break.
    document.extend(events.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte }));
    document.extend_from_slice(b"]}\n");
    document
}

/// A name for a reader that brought none.
pub(super) fn new_reader_name() -> Result<ReaderName, DoorError> {
    // 64 random bits: no two readers of a consumer draw the same ones.
    let mut random = [0_u8; 8];
    let refused = |error: &dyn std::fmt::Display| QueryError::new("reader", format!("name it yourself: {error}"));
    getrandom::fill(&mut random).map_err(|error| refused(&error))?;
    let name = format!("reader-{:016x}", u64::from_be_bytes(random));
    Ok(name.parse().map_err(|error| refused(&error))?)
}
