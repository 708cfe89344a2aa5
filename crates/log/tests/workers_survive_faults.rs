//! A worker as the runtime is one: it reads, counts, commits, and starts over after every fault. Whatever the seed, each
//! input is counted and copied exactly once, in order; and the same seed gives the same log, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use riverrun_event::{Event, Offset, OperatorName, Partition, Record, Time, TopicName, TopicPartition};
use riverrun_log::*;

const INPUTS: usize = 60;

/// The in-memory log answers within a few turns or not at all.
fn ready<T>(answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    (0..3).find_map(|_| match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    })
}

fn place(topic: &str) -> TopicPartition {
    TopicPartition::new(TopicName::new(topic).unwrap(), Partition(0))
}

fn open(faults: Faults) -> MemoryLog {
    let log = MemoryLog::stepping(Time::from_unix(1_700_000_000, 0), Duration::from_millis(1)).with_faults(faults);
    let spec = |name| TopicSpec { name: TopicName::new(name).unwrap(), partitions: 1, retention: Retention::default() };
    ready(log.ensure(&[spec("in"), spec("out")])).unwrap().unwrap();
    for number in 0..INPUTS {
        let record = NewRecord {
            topic: place("in").topic,
            partition: Partition(0),
            event: Event::new(number.to_string(), "/test", "counted"),
        };
        ready(log.append(AppendBatch { records: vec![record] })).unwrap().unwrap();
    }
    log
}

fn membership() -> Membership {
    let tasks = vec![TaskInputs { task: TaskId(0), inputs: vec![place("in")] }];
    Membership { group: GroupName::stored("g"), tasks, seat: 0, seats: 1, takes_over: false }
}

fn counter() -> OperatorName {
    OperatorName::new("count").unwrap()
}

fn read(log: &MemoryLog, from: &TopicPartition, next: Offset) -> Vec<Record> {
    log.read(&from.at(next), 100).unwrap()
}

/// A commit of what was read: the count goes up and the inputs go out.
fn step(task: &Assigned, next: Offset, records: &[Record]) -> TaskCommit {
    let count = task.state.get(&counter(), b"n").unwrap().map_or(0, |value| number(&value));
    let mut commit = TaskCommit::new(task.task, task.epoch);
    let to = place("out");
    commit.records = records
        .iter()
        .map(|record| NewRecord { topic: to.topic.clone(), partition: to.partition, event: record.event.clone() })
        .collect();
    let value = Some((count + records.len()).to_string().into_bytes().into());
    commit.state = vec![StateChange { operator: counter(), key: "n".into(), value }];
    let to = records.last().unwrap().position.offset.next();
    commit.positions = vec![(place("in"), to)];
    let ranges = vec![InputRange { input: place("in"), from: next, to }];
    commit.order = Some(Order { ranges, ..Order::default() });
    commit
}

fn number(value: &[u8]) -> usize {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// One membership, until a commit fails (false) or all is read (true). Revocations are acknowledged, and the task comes back.
fn work(log: &MemoryLog) -> bool {
    let mut member = log.join(membership()).unwrap();
    let mut owned: Option<(Assigned, Offset)> = None;
    loop {
        match ready(member.next()) {
            Some(Assignment::Assigned(task)) => {
                let next = task.positions[&place("in")];
                let before = owned.replace((task, next));
                assert!(before.is_none(), "assigned while owned");
            }
            Some(Assignment::Revoke(revoke)) => {
                assert_eq!(revoke.tasks, [TaskId(0)]);
                owned = None;
                revoke.acknowledge.send(()).unwrap();
                continue;
            }
            None => {}
        }
        let Some((task, next)) = &mut owned else { panic!("no task, and none to come") };
        let records = read(log, &place("in"), *next);
        let Some(last) = records.last() else { return true };
        let commit = Commit { tasks: vec![step(task, *next, &records)] };
        match ready(member.commit(commit)).unwrap() {
            Ok(_) => *next = last.position.offset.next(),
            // The log took the task meanwhile and says so next; or it is over, and only joining again brings it back.
            Err(CommitError::Fenced { .. }) => owned = None,
            Err(CommitError::Uncertain(_)) => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Works to the end; how many memberships it took, and the log.
fn run(faults: Faults) -> (usize, MemoryLog) {
    let log = open(faults);
    let failed = (0..1_000).take_while(|_| !work(&log)).count();
    (failed + 1, log)
}

fn everything(log: &MemoryLog) -> (Vec<Record>, Vec<(u64, Order)>) {
    let records = log.read(&place("out").at(Offset(0)), usize::MAX).unwrap();
    (records, log.orders(&GroupName::stored("g"), TaskId(0), 0, usize::MAX).unwrap())
}

fn check(seed: u64) -> usize {
    let (memberships, log) = run(Faults::frequent(seed));
    let (records, orders) = everything(&log);
    let ids: Vec<_> = records.iter().map(|record| record.event.id.to_string()).collect();
    assert_eq!(ids, (0..INPUTS).map(|number| number.to_string()).collect::<Vec<_>>(), "seed {seed}");
    let mut member = log.join(membership()).unwrap();
    let Some(Assignment::Assigned(task)) = ready(member.next()) else { panic!("not assigned") };
    assert_eq!(task.state.get(&counter(), b"n").unwrap().map(|value| number(&value)), Some(INPUTS), "seed {seed}");
    let ranges: Vec<_> = orders.iter().flat_map(|(_, order)| &order.ranges).collect();
    assert!(ranges.is_sorted_by(|one, next| one.to == next.from), "seed {seed}: {ranges:?}");
    assert_eq!(everything(&run(Faults::frequent(seed)).1), (records, orders), "seed {seed}, run again");
    memberships
}

#[test]
fn each_input_counts_once_whatever_the_faults() {
    let memberships: usize = (0..200).map(check).sum();
    assert!(memberships > 400, "{memberships} memberships in 200 runs: the faults hardly strike");
}

#[test]
fn a_revocation_acknowledged_first_fences_the_commit_in_flight() {
    // A seed whose revocations let the commit happen when it is not acknowledged, and one that does not: both must fence.
    for seed in 0..20 {
        let log = open(Faults { seed, revocations_per_mille: 1_000, ..Faults::default() });
        let mut member = log.join(membership()).unwrap();
        let Some(Assignment::Assigned(task)) = ready(member.next()) else { panic!("not assigned") };
        let records = read(&log, &place("in"), Offset(0));
        let mut commit = member.commit(Commit { tasks: vec![step(&task, Offset(0), &records)] });
        assert!(commit.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let Some(Assignment::Revoke(revoke)) = ready(member.next()) else { panic!("not revoked") };
        drop(revoke);
        assert_eq!(ready(commit), Some(Err(CommitError::Fenced { task: TaskId(0) })));
        let Some(Assignment::Assigned(again)) = ready(member.next()) else { panic!("not assigned again") };
        assert!(again.epoch > task.epoch);
        assert_eq!(again.positions[&place("in")], Offset(0), "nothing was committed");
        assert!(read(&log, &place("out"), Offset(0)).is_empty());
    }
}

#[test]
fn a_stopped_log_takes_nothing_and_says_why() {
    let log = open(Faults::default());
    let mut member = log.join(membership()).unwrap();
    let Some(Assignment::Assigned(task)) = ready(member.next()) else { panic!("not assigned") };
    let records = read(&log, &place("in"), Offset(0));
    log.stop("the disk is gone");
    let why = || "the disk is gone".to_owned();
    assert_eq!(log.health(), Health::Stopped { reason: why() });
    let answer = ready(member.commit(Commit { tasks: vec![step(&task, Offset(0), &records)] }));
    assert_eq!(answer, Some(Err(CommitError::Failed(why()))));
    assert_eq!(ready(log.append(AppendBatch::default())), Some(Err(AppendError::Failed(why()))));
    assert_eq!(log.join(membership()).err(), Some(JoinError::Failed(why())));
    assert_eq!(read(&log, &place("in"), Offset(0)), records, "what is stored can be read");
}
