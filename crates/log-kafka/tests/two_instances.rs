//! Tasks between two instances: each has one owner at a time, and those of an instance that is gone go to the other.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_event::{Offset, Partition, TopicName, TopicPartition};
use riverrun_log::{
    Assigned, Assignment, Commit, CommitError, GroupName, Log, Member, Membership, Retention, TaskCommit, TaskId,
    TaskInputs, TopicSpec, Topics,
};
use riverrun_log_kafka::{KafkaLog, Options};
use tokio::time::timeout;

const TASKS: u32 = 4;
/// Longer than a session and a rebalance.
const PATIENCE: Duration = Duration::from_secs(25);

/// An instance as a worker plays it: it takes what it is given and gives up what it is asked for.
struct Instance {
    log: KafkaLog,
    member: Box<dyn Member>,
    tasks: BTreeMap<u32, Assigned>,
}

impl Instance {
    fn join(brokers: &str, name: &str, prefix: &str) -> Self {
        let mut options = Options::new(brokers, name);
        (options.prefix, options.replication) = (prefix.to_owned(), Some(1));
        (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(6));
        let log = KafkaLog::connect(options).unwrap();
        let tasks = (0..TASKS).map(|task| TaskInputs { task: TaskId(task), inputs: vec![input(task)] }).collect();
        let member =
            log.join(Membership { group: GroupName::stored("shop.totals"), tasks, seat: 0, seats: 1 }).unwrap();
        Self { log, member, tasks: BTreeMap::new() }
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
    let setting_up =
        KafkaLog::connect(Options { prefix: prefix.clone(), ..Options::new(brokers.clone(), "set-up") }).unwrap();
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
