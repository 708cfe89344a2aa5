//! What the cases are written in: names, events and the calls each of them makes.

use riverrun_event::{Event, Key, Offset, OperatorName, Partition, Position, Record, TopicName, TopicPartition};

use super::wait::wait;
use crate::append::{AppendBatch, AppendError, Logged, NewRecord};
use crate::commit::{Epoch, GroupName, StateChange, TaskCommit, TaskId};
use crate::contract::{Log, Membership, TaskInputs};
use crate::topic::{Retention, TopicSpec};

/// More than any case stores in a partition.
pub(super) const EVERYTHING: usize = 64 * 1024 * 1024;

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(super) fn operator(name: &str) -> OperatorName {
    OperatorName::new(name).unwrap()
}

pub(super) fn partition(name: &str, number: u32) -> TopicPartition {
    TopicPartition::new(topic(name), Partition(number))
}

pub(super) fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: topic(name), partitions, retention: Retention::default() }
}

pub(super) fn ensure(log: &dyn Log, topics: &[(&str, u32)]) {
    let specs: Vec<_> = topics.iter().map(|(name, partitions)| spec(name, *partitions)).collect();
    assert_eq!(wait(log.ensure(&specs)), Ok(()), "ensuring {topics:?}");
}

/// An event with `id` of one source, with data made of `data`.
pub(super) fn event(id: &str, data: &str) -> Event {
    let mut event = Event::new(id, "/conformance", "test.happened");
    event.key = Some(Key::new(data.as_bytes().to_vec()).unwrap());
    event.data = Some(format!("{{\"value\":\"{data}\"}}").into());
    event
}

pub(super) fn record(to: &TopicPartition, event: Event) -> NewRecord {
    NewRecord { topic: to.topic.clone(), partition: to.partition, event }
}

pub(super) fn batch(to: &TopicPartition, ids: &[&str]) -> AppendBatch {
    AppendBatch { records: ids.iter().map(|id| record(to, event(id, id))).collect() }
}

pub(super) fn append(log: &dyn Log, batch: AppendBatch) -> Result<Vec<Logged>, AppendError> {
    wait(log.append(batch))
}

/// Appends events with these ids and gives their positions.
pub(super) fn append_ids(log: &dyn Log, to: &TopicPartition, ids: &[&str]) -> Vec<Position> {
    let logged = append(log, batch(to, ids)).unwrap();
    assert_eq!(logged.len(), ids.len(), "one answer for each record");
    logged.iter().map(|logged| logged.position().clone()).collect()
}

/// Every record of a partition, read in small portions as a worker reads.
pub(super) fn read_all(log: &dyn Log, from: &TopicPartition) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut next = Offset(0);
    loop {
        let portion = log.read(&from.at(next), 1_000).unwrap();
        let Some(last) = portion.last() else { return records };
        assert!(portion[0].position.offset >= next, "a read from {next} gave {}", portion[0].position);
        next = last.position.offset.next();
        records.extend(portion);
    }
}

pub(super) fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| &*record.event.id).collect()
}

pub(super) fn end(log: &dyn Log, of: &TopicPartition) -> Offset {
    log.describe(&of.topic).unwrap().offsets_of(of.partition).unwrap().end
}

/// A membership in `group` for tasks 0 to `tasks`, task n reading partition n of the topic `in`; the only seat.
pub(super) fn membership(group: &str, tasks: u32) -> Membership {
    let inputs = |task| TaskInputs { task: TaskId(task), inputs: vec![partition("in", task)] };
    Membership {
        group: GroupName::stored(group),
        tasks: (0..tasks).map(inputs).collect(),
        seat: 0,
        seats: 1,
        takes_over: false,
    }
}

/// A commit of task `task` that has read up to `next` of its input. The owner fills in the epoch.
pub(super) fn progress(task: u32, next: u64) -> TaskCommit {
    let mut commit = TaskCommit::new(TaskId(task), Epoch(0));
    commit.positions.push((partition("in", task), Offset(next)));
    commit
}

pub(super) fn put(operator_name: &str, key: &str, value: &str) -> StateChange {
    StateChange {
        operator: operator(operator_name),
        key: key.as_bytes().to_vec().into(),
        value: Some(value.as_bytes().to_vec().into()),
    }
}

pub(super) fn delete(operator_name: &str, key: &str) -> StateChange {
    StateChange { operator: operator(operator_name), key: key.as_bytes().to_vec().into(), value: None }
}
