//! Records over the limit of their topic: they are refused by name, and nothing else is.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use riverrun_event::{Event, Offset, Partition, TopicName, TopicPartition};
use riverrun_log::{
    AppendBatch, AppendError, Assignment, Commit, CommitError, GroupName, Log, Membership, NewRecord, Retention,
    TaskCommit, TaskId, TaskInputs, TopicSpec, Topics,
};
use riverrun_log_kafka::{KafkaLog, Options};

/// More than a topic of ours takes.
const TOO_LARGE: usize = 17 * 1024 * 1024;

/// Bytes that do not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(bytes).collect()
}

fn record(id: &str, bytes: usize) -> NewRecord {
    let mut event = Event::new(id, "/test", "test");
    event.data = Some(noise(bytes).into());
    NewRecord { topic: TopicName::new("in").unwrap(), partition: Partition(0), event }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_record_over_the_limit_is_refused_alone() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else {
        panic!("RIVERRUN_TEST_KAFKA names no broker; `cargo xtask services start kafka` starts one")
    };
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(brokers, "one", directory.path().join("state"));
    (options.prefix, options.replication) = (format!("large{}.", std::process::id()), Some(1));
    (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(2));
    let log = KafkaLog::connect(options).unwrap();
    let input = TopicPartition::new(TopicName::new("in").unwrap(), Partition(0));
    let topic = TopicSpec { name: input.topic.clone(), partitions: 1, retention: Retention::default() };
    log.ensure(&[topic]).await.unwrap();

    // They wait together, and so are in one transaction at first.
    let append = |id, bytes| log.append(AppendBatch { records: vec![record(id, bytes)] });
    let opening = append("first", 10);
    let (small, large, last) = (append("small", 100_000), append("large", TOO_LARGE), append("last", 10));
    opening.await.unwrap();
    small.await.unwrap();
    let Err(AppendError::TooLarge { reason }) = large.await else { panic!("it was not refused") };
    assert!(reason.contains("large") && reason.contains(".in takes no record of this size"), "{reason}");
    last.await.unwrap();

    let tasks = vec![TaskInputs { task: TaskId(0), inputs: vec![input.clone()] }];
    let mut member =
        log.join(Membership { group: GroupName::stored("g"), tasks, seat: 0, seats: 1, takes_over: false }).unwrap();
    let assigned = tokio::time::timeout(Duration::from_secs(25), member.next()).await.unwrap();
    let Assignment::Assigned(assigned) = assigned else { panic!("nothing is assigned") };
    let mut commit = TaskCommit::new(assigned.task, assigned.epoch);
    commit.positions = vec![(input.clone(), Offset(1))];
    commit.records = vec![record("with a large one", 10), record("large", TOO_LARGE)];
    let refused = member.commit(Commit { tasks: vec![commit] }).await;
    assert!(matches!(&refused, Err(CommitError::TooLarge(reason)) if reason.contains(".in takes")), "{refused:?}");

    let read = log.read(&input.at(Offset(0)), 10_000_000).unwrap();
    let ids: Vec<&str> = read.iter().map(|record| &*record.event.id).collect();
    assert_eq!(ids, ["first", "small", "last"]);
}
