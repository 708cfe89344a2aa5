//! Over TLS, with a user: everything the log does, and what is said when the user is not who they say.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun_event::{Event, Offset, Partition, TopicName, TopicPartition};
use riverrun_log::{
    AppendBatch, Assigned, Assignment, Commit, GroupName, Log, Membership, NewRecord, Retention, TaskCommit, TaskId,
    TaskInputs, TopicSpec, Topics,
};
use riverrun_log_kafka::{KafkaLog, Options, Password, Sasl, Security, Tls};

/// `user:secret@host:port?ca=file`, as the broker of the tests is announced.
struct Announced {
    user: String,
    secret: String,
    brokers: String,
    ca: PathBuf,
}

fn announced() -> Announced {
    let Ok(text) = std::env::var("RIVERRUN_TEST_KAFKA_SECURE") else {
        panic!("RIVERRUN_TEST_KAFKA_SECURE names no broker; `cargo xtask services start kafka` starts one")
    };
    let (who, place) = text.split_once('@').unwrap();
    let ((user, secret), (brokers, ca)) = (who.split_once(':').unwrap(), place.split_once("?ca=").unwrap());
    Announced { user: user.to_owned(), secret: secret.to_owned(), brokers: brokers.to_owned(), ca: ca.into() }
}

fn options(directory: &Path, sasl: impl FnOnce(Password) -> Sasl, secret: Option<&str>, name: &str) -> Options {
    let Announced { user, secret: known, brokers, ca } = announced();
    let password = Password { user, secret: secret.map_or(known, str::to_owned) };
    let mut options = Options::new(brokers, "one", directory.join("state"));
    options.security = Some(Security { tls: Some(Tls { ca: Some(ca), identity: None }), sasl: Some(sasl(password)) });
    (options.prefix, options.replication) = (format!("{name}{}.", std::process::id()), Some(1));
    (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(2));
    options
}

async fn check(options: Options) {
    let log = KafkaLog::connect(options).unwrap();
    let input = TopicPartition::new(TopicName::new("in").unwrap(), Partition(0));
    let topic = TopicSpec { name: input.topic.clone(), partitions: 1, retention: Retention::default() };
    log.ensure(&[topic]).await.unwrap();
    let record = |id: &str| NewRecord {
        topic: input.topic.clone(),
        partition: input.partition,
        event: Event::new(id, "/test", "test"),
    };
    log.append(AppendBatch { records: vec![record("appended")] }).await.unwrap();

    let tasks = vec![TaskInputs { task: TaskId(0), inputs: vec![input.clone()] }];
    let mut member =
        log.join(Membership { group: GroupName::stored("g"), tasks, seat: 0, seats: 1, takes_over: false }).unwrap();
    let assigned = tokio::time::timeout(Duration::from_secs(25), member.next()).await.unwrap();
    let Assignment::Assigned(Assigned { task, epoch, positions, .. }) = assigned else { panic!("nothing is assigned") };
    assert_eq!(positions, BTreeMap::from([(input.clone(), Offset(0))]));
    let mut commit = TaskCommit::new(task, epoch);
    (commit.positions, commit.records) = (vec![(input.clone(), Offset(1))], vec![record("committed")]);
    member.commit(Commit { tasks: vec![commit] }).await.unwrap();

    let read = log.read(&input.at(Offset(0)), 1_000_000).unwrap();
    let ids: Vec<&str> = read.iter().map(|record| &*record.event.id).collect();
    assert_eq!(ids, ["appended", "committed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_scram() {
    let directory = tempfile::tempdir().unwrap();
    check(options(directory.path(), Sasl::ScramSha512, None, "scram")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_plain() {
    let directory = tempfile::tempdir().unwrap();
    check(options(directory.path(), Sasl::Plain, None, "plain")).await;
}

#[track_caller]
fn refused(options: Options, expected: &str) {
    let refused = KafkaLog::connect(options).err().unwrap().to_string();
    assert!(refused.contains("cannot be reached") && refused.to_lowercase().contains(expected), "{refused}");
    assert!(!refused.contains("riverrun-secret"), "{refused}");
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let directory = tempfile::tempdir().unwrap();
    refused(options(directory.path(), Sasl::ScramSha512, Some("wrong"), "wrong"), "authentication");
    refused(options(directory.path(), Sasl::Plain, Some("wrong"), "wrong"), "authentication");
    // The broker's certificate is signed by nobody whom the usual authorities know.
    let mut stranger = options(directory.path(), Sasl::ScramSha512, None, "stranger");
    if let Some(security) = &mut stranger.security {
        security.tls = Some(Tls::default());
    }
    refused(stranger, "certificate");
}
