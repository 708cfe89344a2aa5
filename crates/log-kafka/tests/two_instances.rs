//! Tasks between two instances: each has one owner at a time, and those of an instance that is gone go to the other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Partition, TopicName, TopicPartition};
use riverrun_log::{
    Assigned, Assignment, Commit, CommitError, GroupName, Log, Member, Membership, Observe, Retention, StateChange,
    TaskCommit, TaskId, TaskInputs, TopicSpec, Topics,
};
use riverrun_log_kafka::{KafkaLog, Options};
use tempfile::TempDir;
use tokio::time::timeout;

const TASKS: u32 = 4;
/// Longer than a session and a rebalance.
const PATIENCE: Duration = Duration::from_secs(25);

/// An instance as a worker plays it: it takes what it is given and gives up what it is asked for.
struct Instance {
    _directory: TempDir,
    log: KafkaLog,
    member: Box<dyn Member>,
    tasks: BTreeMap<u32, Assigned>,
}

impl Instance {
    fn join(brokers: &str, name: &str, prefix: &str) -> Self {
        let (directory, log) = opened(brokers, name, prefix);
        let tasks = (0..TASKS).map(|task| TaskInputs { task: TaskId(task), inputs: vec![input(task)] }).collect();
        let member = log
            .join(Membership { group: GroupName::stored("shop.totals"), tasks, seat: 0, seats: 1, takes_over: false })
            .unwrap();
        Self { _directory: directory, log, member, tasks: BTreeMap::new() }
    }

    /// Follows the group until it has these tasks.
    async fn has(&mut self, expected: &[u32]) {
        let following = async {
            while self.tasks.keys().copied().collect::<Vec<_>>() != expected {
                match self.member.next().await {
                    Assignment::Assigned(assigned) => drop(self.tasks.insert(assigned.task.0, assigned)),
                    Assignment::Revoke(revoke) => {
                        revoke.tasks.iter().for_each(|task| drop(self.tasks.remove(&task.0)));
                        let _told = revoke.acknowledge.send(());
                    }
                }
            }
        };
        let followed = timeout(PATIENCE, following).await;
        assert!(followed.is_ok(), "has {:?} and not {expected:?}", self.tasks.keys());
    }

    async fn commit(&self, task: u32, next: u64) -> Result<(), CommitError> {
        let mut commit = TaskCommit::new(TaskId(task), self.tasks[&task].epoch);
        commit.positions = vec![(input(task), Offset(next))];
        self.member.commit(Commit { tasks: vec![commit] }).await.map(drop)
    }

    fn position(&self, task: u32) -> u64 {
        self.tasks[&task].positions[&input(task)].0
    }
}

fn input(task: u32) -> TopicPartition {
    TopicPartition::new(TopicName::new("in").unwrap(), Partition(task))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tasks_move_to_who_comes_and_back_from_who_goes() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    let prefix = format!("two{}.", std::process::id());
    let (_directory, setting_up) = opened(&brokers, "set-up", &prefix);
    let topic = TopicSpec { name: input(0).topic, partitions: TASKS, retention: Retention::default() };
    setting_up.ensure(&[topic]).await.unwrap();

    let mut one = Instance::join(&brokers, "one", &prefix);
    one.has(&[0, 1, 2, 3]).await;
    for task in 0..TASKS {
        one.commit(task, 10 + u64::from(task)).await.unwrap();
    }
    let stale = one.tasks[&1].epoch;

    let mut two = Instance::join(&brokers, "two", &prefix);
    // Neither may wait for the other.
    tokio::join!(one.has(&[0, 2]), two.has(&[1, 3]));
    assert_eq!((two.position(1), two.position(3)), (11, 13), "the new owner goes on where the old one has stopped");
    two.commit(1, 20).await.unwrap();
    one.commit(0, 30).await.unwrap();
    let mut late = TaskCommit::new(TaskId(1), stale);
    late.positions = vec![(input(1), Offset(99))];
    let refused = one.member.commit(Commit { tasks: vec![late] }).await;
    assert!(matches!(refused, Err(CommitError::Fenced { task: TaskId(1) })), "{refused:?}");

    // Gone without a word.
    drop(two);
    one.has(&[0, 1, 2, 3]).await;
    assert_eq!((one.position(1), one.position(3)), (20, 13));
    one.commit(1, 21).await.unwrap();
    drop(one.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_instance_follows_what_another_commits() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    let prefix = format!("follow{}.", std::process::id());
    let (owner, follower) = (opened(&brokers, "owner", &prefix), opened(&brokers, "follower", &prefix));
    owner
        .1
        .ensure(&[TopicSpec { name: input(0).topic, partitions: 1, retention: Retention::default() }])
        .await
        .unwrap();
    let group = GroupName::stored("g");
    // Asked for before there is anything to follow.
    let followed = follower.1.follow(&group, TaskId(0)).unwrap().unwrap();
    let tasks = vec![TaskInputs { task: TaskId(0), inputs: vec![input(0)] }];
    let membership = Membership { group, tasks, seat: 0, seats: 1, takes_over: false };
    let mut member = owner.1.join(membership).unwrap();
    let Assignment::Assigned(assigned) = member.next().await else { panic!("it has the only task") };
    let step = OperatorName::new("count").unwrap();
    for round in 1..=3_u64 {
        let mut commit = TaskCommit::new(TaskId(0), assigned.epoch);
        let value = Some(Bytes::from(round.to_string()));
        commit.state = vec![StateChange { operator: step.clone(), key: "k".into(), value }];
        commit.positions = vec![(input(0), Offset(round))];
        member.commit(Commit { tasks: vec![commit] }).await.unwrap();
        let mut positions = followed.positions.clone();
        let there = positions.wait_for(|positions| positions.get(&input(0)) == Some(&Offset(round)));
        timeout(PATIENCE, there).await.unwrap().unwrap();
        assert_eq!(followed.state.get(&step, b"k").unwrap().unwrap(), round.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_that_takes_over_fences_another_instance() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    let prefix = format!("over{}.", std::process::id());
    let (one, two) = (opened(&brokers, "one", &prefix), opened(&brokers, "two", &prefix));
    let step = OperatorName::new("list").unwrap();
    let take = async |log: &KafkaLog| {
        let tasks = vec![TaskInputs { task: TaskId(0), inputs: Vec::new() }];
        let membership = Membership { group: GroupName::stored("only"), tasks, seat: 0, seats: 1, takes_over: true };
        let mut member = log.join(membership).unwrap();
        match timeout(PATIENCE, member.next()).await.unwrap() {
            Assignment::Assigned(assigned) => (member, assigned),
            Assignment::Revoke(_) => panic!("revoked before it was assigned"),
        }
    };
    let commit = async |(member, assigned): &(Box<dyn Member>, Assigned), value: &'static str| {
        let mut commit = TaskCommit::new(TaskId(0), assigned.epoch);
        let value = Some(Bytes::from(value));
        commit.state = vec![StateChange { operator: step.clone(), key: "k".into(), value }];
        member.commit(Commit { tasks: vec![commit] }).await
    };
    let first = take(&one.1).await;
    commit(&first, "one").await.unwrap();
    let second = take(&two.1).await;
    assert_eq!(second.1.state.get(&step, b"k").unwrap().unwrap(), "one");
    commit(&second, "two").await.unwrap();
    let refused = commit(&first, "late").await;
    assert!(refused.is_err(), "{refused:?}");
    drop(first);
    let third = take(&one.1).await;
    assert_eq!(third.1.state.get(&step, b"k").unwrap().unwrap(), "two");
    commit(&third, "three").await.unwrap();
}

fn opened(brokers: &str, name: &str, prefix: &str) -> (TempDir, KafkaLog) {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(brokers, name, directory.path().join("state"));
    (options.prefix, options.replication) = (prefix.to_owned(), Some(1));
    (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(6));
    (directory, KafkaLog::connect(options).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_at_a_task_takes_nothing_from_its_owner() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    let (_directory, log) = opened(&brokers, "one", &format!("look{}.", std::process::id()));
    log.ensure(&[TopicSpec { name: input(0).topic, partitions: 1, retention: Retention::default() }]).await.unwrap();
    let group = GroupName::stored("g");
    let tasks = vec![TaskInputs { task: TaskId(0), inputs: vec![input(0)] }];
    let membership = Membership { group: group.clone(), tasks, seat: 0, seats: 1, takes_over: false };
    let mut member = log.join(membership).unwrap();
    let Assignment::Assigned(assigned) = member.next().await else { panic!("it has the only task") };
    let step = OperatorName::new("count").unwrap();
    let log = Arc::new(log);
    let (looking, is_over) = (Arc::clone(&log), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&is_over);
    let looking = std::thread::spawn(move || {
        while !stop.load(Ordering::SeqCst) {
            looking.orders(&group, TaskId(0), 0, 1).unwrap();
        }
    });
    for round in 0..300_u64 {
        let mut commit = TaskCommit::new(TaskId(0), assigned.epoch);
        let key = Bytes::copy_from_slice(&round.to_be_bytes());
        commit.state = vec![StateChange { operator: step.clone(), key, value: Some("here".into()) }];
        commit.positions = vec![(input(0), Offset(round + 1))];
        member.commit(Commit { tasks: vec![commit] }).await.unwrap();
        let is_here = |round: &u64| assigned.state.get(&step, &round.to_be_bytes()).unwrap().is_some();
        let gone: Vec<u64> = (0..=round).filter(|round| !is_here(round)).collect();
        assert!(gone.is_empty(), "after commit {round} the rows of {gone:?} are gone");
    }
    is_over.store(true, Ordering::SeqCst);
    looking.join().unwrap();
}
