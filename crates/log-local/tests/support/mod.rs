//! What the tests of the local log have in common: opening with a clock they turn themselves, and short ways to write and read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, dead_code, unreachable_pub)]

use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use riverrun_event::{Event, Offset, Partition, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::{
    AppendBatch, AppendError, Assigned, Assignment, Commit, GroupName, Log, Logged, Member, Membership, NewRecord,
    Retention, TaskCommit, TaskId, TaskInputs, TopicSpec, Topics,
};
use riverrun_log_local::{Clock, LocalLog, Options};

/// A clock in seconds since 1970 that stands until it is turned.
#[derive(Clone)]
pub struct Hand(Arc<AtomicI64>);

pub const DAY: i64 = 86_400;

impl Hand {
    pub fn at(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(seconds)))
    }

    pub fn turn(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn options(&self) -> Options {
        let hand = self.0.clone();
        let clock = Clock::new(move || Time::from_unix(hand.load(Ordering::SeqCst), 0));
        Options { clock, retention_interval: Duration::from_millis(1), ..Options::default() }
    }
}

pub fn wait<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()).block_on(future)
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: topic(name), partitions, retention: Retention::default() }
}

pub fn open(path: &Path) -> LocalLog {
    open_with(path, Options::default())
}

/// Opens with topic `t` of two partitions.
pub fn open_with(path: &Path, options: Options) -> LocalLog {
    let log = LocalLog::open(path, options).unwrap();
    wait(log.ensure(&[spec("t", 2)])).unwrap();
    log
}

pub fn event(id: &str, data: &str) -> Event {
    let mut event = Event::new(id, "/test", "tested");
    event.data = Some(data.to_owned().into());
    event
}

pub fn new_record(partition: u32, event: Event) -> NewRecord {
    NewRecord { topic: topic("t"), partition: Partition(partition), event }
}

pub fn append(log: &LocalLog, partition: u32, events: &[(&str, &str)]) -> Result<Vec<Logged>, AppendError> {
    let records = events.iter().map(|(id, data)| new_record(partition, event(id, data))).collect();
    wait(log.append(AppendBatch { records }))
}

/// Appends events with these ids and their ids as data, each in a commit of its own.
pub fn fill(log: &LocalLog, partition: u32, ids: std::ops::Range<u32>) {
    for id in ids {
        append(log, partition, &[(&format!("{partition}-{id}"), &format!("data of {id}"))]).unwrap();
    }
}

pub fn at(partition: u32, offset: u64) -> Position {
    Position { topic: topic("t"), partition: Partition(partition), offset: Offset(offset) }
}

pub fn input(partition: u32) -> TopicPartition {
    TopicPartition::new(topic("t"), Partition(partition))
}

pub fn read(log: &LocalLog, partition: u32, from: u64) -> Vec<Record> {
    log.read(&at(partition, from), usize::MAX).unwrap()
}

pub fn ids(log: &LocalLog, partition: u32, from: u64) -> Vec<String> {
    read(log, partition, from).into_iter().map(|record| record.event.id.into()).collect()
}

pub fn group() -> GroupName {
    GroupName::stored("app.pipeline")
}

/// Joins with one task per partition of `t`.
pub fn join(log: &LocalLog) -> (Box<dyn Member>, Vec<Assigned>) {
    let tasks = (0..2).map(|task| TaskInputs { task: TaskId(task), inputs: vec![input(task)] }).collect();
    let mut member = log.join(Membership { group: group(), tasks, seat: 0, seats: 1, takes_over: false }).unwrap();
    let mut assigned = Vec::new();
    for _ in 0..2 {
        let Assignment::Assigned(task) = wait(member.next()) else { panic!("nothing is revoked") };
        assigned.push(task);
    }
    (member, assigned)
}

pub fn commit_of(task: &Assigned) -> TaskCommit {
    TaskCommit::new(task.task, task.epoch)
}

pub fn commit(member: &dyn Member, task: TaskCommit) -> Result<riverrun_log::Committed, riverrun_log::CommitError> {
    wait(member.commit(Commit { tasks: vec![task] }))
}

/// Copies a folder while its owner runs, as a crash would leave it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if std::fs::copy(entry.path(), &target).is_err() {
            // Compaction may remove a file while it is looked at.
            assert!(!entry.path().exists());
        }
    }
}
