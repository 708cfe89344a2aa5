//! An ordinary client during the storm: one event after the other, each sent again until it is acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Interruption};
use crate::http::{Connection, Request};

/// How long the answer to one event may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the client waits when it is told to come again, or cannot connect.
const PAUSE: Duration = Duration::from_millis(20);

/// The client, on its own thread.
pub(super) struct Publisher {
    acknowledged: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    client: JoinHandle<Result<Vec<String>, String>>,
}

impl Publisher {
    pub(super) fn start(address: SocketAddr) -> Self {
        let (acknowledged, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, over) = (Arc::clone(&acknowledged), Arc::clone(&is_over));
        let client = thread::spawn(move || publish(address, &count, &over));
        Self { acknowledged, is_over, client }
    }

    /// Waits until that many further events are acknowledged.
    pub(super) fn goes_on(&self, further: usize, interruption: &Interruption) -> Result<(), Failure> {
        let wanted = self.acknowledged.load(Ordering::SeqCst) + further;
        let end = Instant::now() + 2 * PATIENCE;
        while self.acknowledged.load(Ordering::SeqCst) < wanted {
            if self.client.is_finished() || Instant::now() > end {
                let reached = self.acknowledged.load(Ordering::SeqCst);
                return Err(Failure::broken(format!("publishing stands still at {reached} acknowledged events")));
            }
            interruption.sleep(Duration::from_millis(5))?;
        }
        Ok(())
    }

    /// Ends with the event in hand; gives the ids of everything that was acknowledged.
    pub(super) fn end(self) -> Result<Vec<String>, Failure> {
        self.is_over.store(true, Ordering::SeqCst);
        match self.client.join() {
            Ok(Ok(acknowledged)) => Ok(acknowledged),
            Ok(Err(wrong)) => Err(Failure::broken(wrong)),
            Err(_) => Err(Failure::Environment("the publisher's thread panicked".to_owned())),
        }
    }
}

fn publish(address: SocketAddr, count: &AtomicUsize, is_over: &AtomicBool) -> Result<Vec<String>, String> {
    let mut connection = Connection::new(address, PATIENCE);
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("storm-{number}");
        let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/storm","type":"order","data":{number}}}"#);
        let request = Request::post("/topics/orders/events", "application/cloudevents+json", body);
        loop {
            if is_over.load(Ordering::SeqCst) {
                return Ok(acknowledged);
            }
            match connection.send(&request) {
                Ok(response) if response.status == 202 => break,
                Ok(response) if response.status == 429 => thread::sleep(PAUSE),
                Ok(response) => return Err(format!("{id} was answered with {}", response.status)),
                // Idle for a moment too long, it lost its connection; the id makes sending it again harmless.
                Err(_) => thread::sleep(PAUSE),
            }
        }
        acknowledged.push(id);
        count.fetch_add(1, Ordering::SeqCst);
    }
    Ok(acknowledged)
}

/// The ids in the topic, and how often each is there.
pub(super) fn stored(address: SocketAddr, patience: Duration) -> Result<BTreeMap<String, usize>, Failure> {
    let answer = Connection::new(address, patience).send(&Request::get("/topics/orders/events"));
    let answer = answer.map_err(|error| Failure::broken(format!("the topic cannot be read: {error:?}")))?;
    let mut ids = BTreeMap::new();
    for line in answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let event: serde_json::Value =
            serde_json::from_slice(line).map_err(|error| Failure::broken(format!("a line is no JSON: {error}")))?;
        let id = event.get("id").and_then(|id| id.as_str()).unwrap_or_default();
        *ids.entry(id.to_owned()).or_default() += 1;
    }
    Ok(ids)
}

/// Everything that was acknowledged is there, and nothing twice.
pub(super) fn compare(acknowledged: &[String], stored: &BTreeMap<String, usize>) -> Result<(), Failure> {
    let missing = acknowledged.iter().filter(|id| !stored.contains_key(*id)).map(|id| format!("{id} is missing"));
    let repeated =
        stored.iter().filter(|(_, count)| **count > 1).map(|(id, count)| format!("{id} is there {count} times"));
    let wrong: Vec<String> = missing.chain(repeated).take(10).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Broken(wrong)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &[(&str, usize)], is_good: bool) {
        let stored = stored.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect();
        assert_eq!(compare(&["a".to_owned(), "b".to_owned()], &stored).is_ok(), is_good, "{stored:?}");
    }

    #[test]
    fn what_is_missing_or_there_twice_is_noticed() {
        check(&[("a", 1), ("b", 1)], true);
        check(&[("a", 1), ("b", 1), ("unacknowledged", 1)], true);
        check(&[("a", 1)], false);
        check(&[("a", 2), ("b", 1)], false);
    }
}
