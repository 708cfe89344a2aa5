//! Which consumers there are and which topics they read, durably: state rows of a group of its own.
//!
//! Row key: the consumer's name. Value: `1`, then each topic on a line of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::{AppName, ConsumerName, OperatorName, TopicName};
use riverrun_log::{Commit, Direction, GroupName, Log, StateChange, TaskCommit, TaskId, TaskInputs};
use tokio::task::spawn_blocking;

use super::error::ConsumerError;
use super::seat::Seat;

/// Most consumers of one server.
pub const CONSUMERS_MAX: usize = 256;

/// The only task of the group.
const TASK: TaskId = TaskId(0);
/// The first line of a row; another one says that a newer version wrote it.
const VERSION: &str = "1";

/// The consumers as they are stored.
pub(super) struct Registry {
    seat: Seat,
    operator: OperatorName,
}

impl Registry {
    /// Opens the registry and reads all of it.
    pub(super) async fn open(
        log: &Arc<dyn Log>,
        app: &AppName,
    ) -> Result<(Self, BTreeMap<ConsumerName, Vec<TopicName>>), ConsumerError> {
        let failed = |reason: String| ConsumerError::Log(format!("the list of consumers: {reason}"));
        let tasks = vec![TaskInputs { task: TASK, inputs: Vec::new() }];
        let seat = Seat::take(log, GroupName::consumers(app), tasks).await?;
        let operator = OperatorName::internal("_consumers").map_err(|error| failed(error.to_string()))?;
        let state = seat.tasks().next().map(|task| Arc::clone(&task.state));
        let state = state.ok_or_else(|| failed("its task was not assigned".to_owned()))?;
        let owner = operator.clone();
        // Names are ASCII: every one is below this.
        let scan = move || state.scan(&owner, b"", &[0xff], Direction::Ascending, CONSUMERS_MAX);
        let rows = spawn_blocking(scan).await.map_err(|error| failed(error.to_string()))?;
        let rows = rows.map_err(|error| failed(error.to_string()))?;
        let read = |(key, value): &(Bytes, Bytes)| {
            decode(key, value).ok_or_else(|| failed(format!("row {} is not understood", key.escape_ascii())))
        };
        let known = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok((Self { seat, operator }, known))
    }

    /// Stores the topics of a consumer, or that there is none.
    pub(super) async fn put(&self, name: &ConsumerName, topics: Option<&[TopicName]>) -> Result<(), ConsumerError> {
        let Some(task) = self.seat.tasks().next() else { return Ok(()) };
        let mut change = TaskCommit::new(task.task, task.epoch);
        let key = Bytes::copy_from_slice(name.as_str().as_bytes());
        change.state = vec![StateChange { operator: self.operator.clone(), key, value: topics.map(encode) }];
        self.seat.commit(Commit { tasks: vec![change] }).await?;
        Ok(())
    }
}

fn encode(topics: &[TopicName]) -> Bytes {
    let lines = std::iter::once(VERSION).chain(topics.iter().map(TopicName::as_str));
    lines.collect::<Vec<_>>().join("\n").into()
}

fn decode(key: &[u8], value: &[u8]) -> Option<(ConsumerName, Vec<TopicName>)> {
    let name = ConsumerName::new(std::str::from_utf8(key).ok()?).ok()?;
    let mut lines = std::str::from_utf8(value).ok()?.lines();
    if lines.next() != Some(VERSION) {
        return None;
    }
    let topics = lines.map(TopicName::internal).collect::<Result<_, _>>().ok()?;
    Some((name, topics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        for topics in [&[][..], &["flights"], &["flights", "_dead-letters.departures"]] {
            let topics: Vec<TopicName> = topics.iter().map(|topic| TopicName::internal(topic).unwrap()).collect();
            let name = ConsumerName::new("billing").unwrap();
            assert_eq!(decode(b"billing", &encode(&topics)), Some((name, topics)));
        }
        assert_eq!(encode(&[TopicName::new("a").unwrap()]), "1\na", "what is on disk does not change");
        for bad in ["", "2\na", "10\na", "1\nA", "a"] {
            assert_eq!(decode(b"billing", bad.as_bytes()), None, "{bad:?}");
        }
    }
}
