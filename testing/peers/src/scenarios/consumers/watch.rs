//! The consumer as its server reports it, looked at again and again: positions may only go forward.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use riverrun_torture::http::{Connection, Request};
use serde_json::Value;

/// What was seen.
pub(super) struct Watch {
    connection: Connection,
    last: Option<Value>,
    /// Per partition, the position committed last.
    pub(super) committed: BTreeMap<String, u64>,
    /// Positions that were lower than before.
    pub(super) backwards: Vec<String>,
}

impl Watch {
    pub(super) fn new(address: SocketAddr) -> Self {
        let connection = Connection::new(address, Duration::from_secs(5));
        Self { connection, last: None, committed: BTreeMap::new(), backwards: Vec::new() }
    }

    /// Looks, if the server answers.
    pub(super) fn look(&mut self) {
        let answer = self.connection.send(&Request::get("/consumers/jobs"));
        let Some(answer) = answer.ok().filter(|answer| answer.status == 200) else { return };
        let Ok(report) = serde_json::from_slice::<Value>(&answer.body) else { return };
        for held in report.get("partitions").and_then(Value::as_array).into_iter().flatten() {
            let partition = held.get("partition").and_then(Value::as_str).unwrap_or_default();
            let next = held.get("committed").and_then(Value::as_u64).unwrap_or_default();
            let before = self.committed.insert(partition.to_owned(), next).unwrap_or_default();
            if next < before {
                self.backwards.push(format!("{partition}@{before} to @{next}"));
            }
        }
        self.last = Some(report);
    }

    /// What it has yet to commit, as of the last look.
    pub(super) fn lag(&self) -> Option<u64> {
        self.last.as_ref()?.get("lag")?.as_u64()
    }

    /// How many partitions each reader had at the last look.
    pub(super) fn shares(&self) -> BTreeMap<String, usize> {
        let partitions = self.last.as_ref().and_then(|report| report.get("partitions")?.as_array());
        let mut shares = BTreeMap::new();
        for reader in partitions.into_iter().flatten().filter_map(|held| held.get("reader")?.as_str()) {
            *shares.entry(reader.to_owned()).or_default() += 1;
        }
        shares
    }

    /// How many readers it had at the last look.
    pub(super) fn readers(&self) -> Option<u64> {
        self.last.as_ref()?.get("readers")?.as_u64()
    }
}
