//! Reads whole topics through the interface, as NDJSON, page by page, and asks the server how far it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::{Failure, Interruption};
use crate::http::{Connection, Request, Response};
use crate::position::Position;
use crate::scenario_app::SCORED;

/// Records asked for at once.
const PAGE_RECORDS: usize = 5_000;
/// How long a page may take.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the pipeline may take to work off what waits for it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// More dead letters than any round makes.
const DEAD_LETTERS_MAX: usize = 1_000_000;

/// A record as a reader sees it: the members of its line, each as the bytes it has there.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    members: BTreeMap<String, Box<RawValue>>,
}

impl Record {
    fn parse(line: &str) -> Option<Self> {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(line).ok()?;
        let position: String = serde_json::from_str(members.remove("rrposition")?.get()).ok()?;
        Some(Self { position: Position::parse(&position)?, members })
    }

    /// A member that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.members.get(name)?.get()).ok()
    }

    /// The data as it is in the line.
    #[must_use]
    pub fn data(&self) -> Option<&str> {
        self.members.get("data").map(|data| data.get())
    }

    /// The data as a value.
    #[must_use]
    pub fn data_value(&self) -> Option<Value> {
        serde_json::from_str(self.data()?).ok()
    }

    /// Everything but the position, byte for byte; two runs that did the same agree in it.
    #[must_use]
    pub fn content(&self) -> BTreeMap<&str, &str> {
        self.members.iter().map(|(name, value)| (name.as_str(), value.get())).collect()
    }
}

/// Reads from one server.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// A reader of the server at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { connection: Connection::new(address, READ_TIMEOUT) }
    }

    /// All records of a topic, in order within each partition.
    ///
    /// # Errors
    /// [`Failure::Broken`] when an answer is no NDJSON of records, or offsets are not dense.
    pub fn read_topic(&mut self, topic: &str, partitions: u32) -> Result<Vec<Record>, Failure> {
        let mut ends = vec![0_u64; partitions as usize];
        let mut records = Vec::new();
        loop {
            let page = self.read_lines(&page_path(topic, &ends))?;
            if page.is_empty() {
                return Ok(records);
            }
            for record in page {
                check_dense(&record, topic, &mut ends)?;
                records.push(record);
            }
        }
    }

    /// The records of a topic from these offsets on, one for each partition, which are moved behind what was read. Offsets increase; gaps
    /// are allowed, as transactions leave them on Kafka.
    ///
    /// # Errors
    /// [`Failure::Broken`] when an answer is no NDJSON of records, or an offset comes again.
    pub fn read_on(&mut self, topic: &str, ends: &mut [u64]) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        loop {
            let page = self.read_lines(&page_path(topic, ends))?;
            if page.is_empty() {
                return Ok(records);
            }
            for record in page {
                let position = &record.position;
                let end = ends.get_mut(position.partition as usize).filter(|_| position.topic == topic);
                match end {
                    Some(end) if position.offset >= *end => *end = position.offset + 1,
                    end => {
                        return Err(Failure::broken(format!("reading {topic} from offset {end:?} gave {position}")));
                    }
                }
                records.push(record);
            }
        }
    }

    /// The dead letters of the pipeline.
    ///
    /// # Errors
    /// [`Failure::Broken`] when the answer is no NDJSON of records.
    pub fn read_dead_letters(&mut self) -> Result<Vec<Record>, Failure> {
        self.read_lines(&format!("/dead-letters?pipeline={SCORED}&limit={DEAD_LETTERS_MAX}"))
    }

    /// Waits until models and pipeline have worked off everything.
    ///
    /// # Errors
    /// [`Failure::Broken`] when the server failed, a pipeline stopped, or it takes too long.
    pub fn wait_idle(&mut self, interruption: &Interruption) -> Result<(), Failure> {
        let end = Instant::now() + IDLE_TIMEOUT;
        loop {
            let text = self.get("/status")?;
            let status: Value = serde_json::from_slice(&text.body).unwrap_or_default();
            if status.get("health").and_then(Value::as_str) != Some("serving") {
                return Err(Failure::broken(format!("the server does not serve: {}", text.excerpt())));
            }
            if is_idle(&status) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(Failure::broken(format!("the pipeline was not done after {IDLE_TIMEOUT:?}: {status}")));
            }
            interruption.sleep(Duration::from_millis(20))?;
        }
    }

    /// Replays the pipeline into another topic and waits for the end.
    ///
    /// # Errors
    /// [`Failure::Broken`] when it is refused or fails.
    pub fn replay(&mut self, to: &str) -> Result<(), Failure> {
        let body = format!(r#"{{"to":"{to}","from":"beginning","recompute":false}}"#);
        let request = Request::post(format!("/pipelines/{SCORED}/replays"), "application/json", body);
        let response = self.send(&request)?;
        let text = String::from_utf8_lossy(&response.body);
        let last: Value = text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
        if response.status == 200 && last.get("done") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        Err(Failure::broken(format!("the replay into {to} ended with {} {last}", response.status)))
    }

    fn read_lines(&mut self, path: &str) -> Result<Vec<Record>, Failure> {
        let response = self.get(path)?;
        let text = String::from_utf8_lossy(&response.body);
        let parse = |line: &str| {
            Record::parse(line)
                .ok_or_else(|| Failure::broken(format!("GET {path} gave a line that is no record: {line}")))
        };
        text.lines().filter(|line| !line.is_empty()).map(parse).collect()
    }

    fn get(&mut self, path: &str) -> Result<Response, Failure> {
        let response = self.send(&Request::get(path))?;
        if response.status == 200 {
            return Ok(response);
        }
        Err(Failure::broken(format!("GET {path} was answered with {} {}", response.status, response.excerpt())))
    }

    fn send(&mut self, request: &Request) -> Result<Response, Failure> {
        // Reading changes nothing and a replay takes a fresh topic each time, but a lost answer without a fault is worth a report.
        let sent = self.connection.send(request);
        sent.map_err(|error| Failure::broken(format!("{} {} had no answer: {error:?}", request.method, request.path)))
    }
}

/// Asks for a page behind these offsets.
fn page_path(topic: &str, ends: &[u64]) -> String {
    let cursor: Vec<String> = ends.iter().enumerate().map(|(partition, end)| format!("{partition}@{end}")).collect();
    format!("/topics/{topic}/events?from={}&limit={PAGE_RECORDS}", cursor.join(","))
}

fn check_dense(record: &Record, topic: &str, ends: &mut [u64]) -> Result<(), Failure> {
    let position = &record.position;
    let end = ends.get_mut(position.partition as usize).filter(|_| position.topic == topic);
    match end {
        Some(end) if *end == position.offset => {
            *end += 1;
            Ok(())
        }
        end => Err(Failure::broken(format!("reading {topic} gave {position} where offset {end:?} was expected"))),
    }
}

/// Whether every task and model stands at the end of its inputs.
fn is_idle(status: &Value) -> bool {
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let at_end = |partition: &Value| partition.get("next").is_some() && partition.get("next") == partition.get("end");
    let models = list(status, "models");
    let tasks: Vec<Value> = list(status, "pipelines").iter().flat_map(|pipeline| list(pipeline, "tasks")).collect();
    let has_parts = !models.is_empty() && !tasks.is_empty();
    has_parts
        && status.get("idle") != Some(&Value::Bool(false))
        && models.iter().flat_map(|model| list(model, "partitions")).all(|partition| at_end(&partition))
        && tasks.iter().flat_map(|task| list(task, "inputs")).all(|input| at_end(&input))
}

#[cfg(test)]
impl Record {
    /// A record for tests of the checks.
    pub(crate) fn sample(line: &str) -> Self {
        Self::parse(line).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_a_record() {
        let record = Record::sample(r#"{"id":"1","data":{"a": 1.0},"rrposition":"orders/2@9"}"#);
        assert_eq!(record.position.to_string(), "orders/2@9");
        assert_eq!(record.data(), Some(r#"{"a": 1.0}"#));
        assert_eq!(record.content().len(), 2);
        assert!(Record::parse(r#"{"id":"1"}"#).is_none());
    }

    #[test]
    fn idle_means_that_all_stand_at_their_ends() {
        let check = |next: u64| {
            let status = serde_json::json!({
                "models": [{"name": "account", "partitions": [{"partition": 0, "next": 3, "end": 3}]}],
                "pipelines": [{"name": "scored", "tasks": [{"inputs": [{"partition": "orders/0", "next": next, "end": 9}]}]}]
            });
            is_idle(&status)
        };
        assert!(check(9));
        assert!(!check(8));
        assert!(!is_idle(&Value::Null));
    }
}
