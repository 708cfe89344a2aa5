//! The cluster as another client sees it: a program in Python over librdkafka, which shares no code with the product's client.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Failure, OrEnvironment};

/// A committed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) key: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) value: Option<String>,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| line.get(name).and_then(Value::as_str).map(str::to_owned);
        let headers = line.get("headers")?.as_object()?.iter();
        Some(Self {
            partition: line.get("partition")?.as_u64()?.try_into().ok()?,
            offset: line.get("offset")?.as_u64()?,
            key: text("key"),
            headers: headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect(),
            value: text("value"),
        })
    }

    /// An attribute of the CloudEvent that the record is.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.headers.get(&format!("ce_{name}")).map(String::as_str)
    }
}

/// The other client.
#[derive(Clone, Debug)]
pub(super) struct Outside {
    /// An interpreter with the client's package.
    pub(super) python: PathBuf,
    pub(super) script: PathBuf,
    pub(super) brokers: String,
}

impl Outside {
    /// Every committed record of a topic, in the order of each partition.
    ///
    /// # Errors
    /// [`Failure::Broken`] when transactions stay open, or the client finds anything else wrong.
    pub(super) fn read(&self, topic: &str) -> Result<Vec<Record>, Failure> {
        let parse = |line: &str| {
            Record::parse(line).ok_or_else(|| Failure::Environment(format!("the other client wrote no record: {line}")))
        };
        self.run(&["read", &self.brokers, topic])?.lines().map(parse).collect()
    }

    /// Waits until the groups with this prefix have committed all there is, and one of them every partition of a topic that is
    /// not empty.
    ///
    /// # Errors
    /// [`Failure::Broken`] when one stays behind.
    pub(super) fn wait_idle(&self, prefix: &str, topic: &str, patience: Duration) -> Result<(), Failure> {
        self.run(&["idle", &self.brokers, prefix, topic, &patience.as_secs().to_string()]).map(drop)
    }

    fn run(&self, words: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(words).stdin(Stdio::null());
        let output = command.output().or_environment("cannot start the other client")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(Failure::broken(format!("another client, asked to {}: {}", words.join(" "), said.trim())))
    }
}

#[cfg(test)]
impl Record {
    /// A record for tests of the checks.
    pub(super) fn sample(partition: u32, offset: u64, id: &str, cause: &str, value: &str) -> Self {
        let headers = [("ce_id", id), ("ce_rrcause", cause)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { partition, offset, key: Some("a".to_owned()), headers, value: Some(value.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_record() {
        let line =
            r#"{"partition": 2, "offset": 9, "key": null, "headers": {"ce_id": "o-1", "x": null}, "value": "{}"}"#;
        let record = Record::parse(line).unwrap();
        assert_eq!((record.partition, record.offset, record.key.as_deref()), (2, 9, None));
        assert_eq!((record.attribute("id"), record.attribute("x")), (Some("o-1"), None));
        assert_eq!(Record::parse("{}"), None);
    }
}
