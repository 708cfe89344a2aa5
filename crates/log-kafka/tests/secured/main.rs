//! Over TLS: everything the log does with each way to say who one is, and what is said when one is not, or lacks a right.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod announced;
mod rights;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use riverrun_event::{Event, Offset, Partition, TopicName, TopicPartition};
use riverrun_log::{
    AppendBatch, Assigned, Assignment, Commit, GroupName, Log, Member, Membership, NewRecord, Retention, TaskCommit,
    TaskId, TaskInputs, TopicSpec, Topics,
};
use riverrun_log_kafka::{KafkaLog, Options, Password, Sasl, Tls};

use announced::Announced;

fn input() -> TopicPartition {
    TopicPartition::new(TopicName::new("in").unwrap(), Partition(0))
}

fn topic() -> TopicSpec {
    TopicSpec { name: input().topic, partitions: 1, retention: Retention::default() }
}

fn batch(id: &str) -> AppendBatch {
    let TopicPartition { topic, partition } = input();
    AppendBatch { records: vec![NewRecord { topic, partition, event: Event::new(id, "/test", "test") }] }
}

fn join(log: &KafkaLog) -> Box<dyn Member> {
    let tasks = vec![TaskInputs { task: TaskId(0), inputs: vec![input()] }];
    log.join(Membership { group: GroupName::stored("g"), tasks, seat: 0, seats: 1, takes_over: false }).unwrap()
}

async fn assigned(member: &mut dyn Member) -> Assigned {
    let assignment = tokio::time::timeout(Duration::from_secs(25), member.next()).await.unwrap();
    let Assignment::Assigned(assigned) = assignment else { panic!("nothing is assigned") };
    assigned
}

fn commit(Assigned { task, epoch, .. }: &Assigned, id: &str) -> Commit {
    let mut commit = TaskCommit::new(*task, *epoch);
    (commit.positions, commit.records) = (vec![(input(), Offset(1))], batch(id).records);
    Commit { tasks: vec![commit] }
}

fn ids(log: &KafkaLog) -> Vec<String> {
    let read = log.read(&input().at(Offset(0)), 1_000_000).unwrap();
    read.iter().map(|record| record.event.id.to_string()).collect()
}

async fn check(options: Options) {
    let log = KafkaLog::connect(options).unwrap();
    log.ensure(&[topic()]).await.unwrap();
    log.append(batch("appended")).await.unwrap();
    let mut member = join(&log);
    let owned = assigned(&mut *member).await;
    assert_eq!(owned.positions, BTreeMap::from([(input(), Offset(0))]));
    member.commit(commit(&owned, "committed")).await.unwrap();
    assert_eq!(ids(&log), ["appended", "committed"]);
}

async fn check_user(name: &str, sasl: impl FnOnce(Password) -> Sasl) {
    let directory = tempfile::tempdir().unwrap();
    let announced = Announced::read();
    check(announced.as_user(directory.path(), sasl(announced.user.clone()), name)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_scram_sha_512() {
    check_user("scram512", Sasl::ScramSha512).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_scram_sha_256() {
    check_user("scram256", Sasl::ScramSha256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_plain() {
    check_user("plain", Sasl::Plain).await;
}

/// A token that nobody has signed: the brokers of the tests take everybody's word.
fn token(user: &str, lives: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"{user}","iat":{now},"exp":{}}}"#, now + lives.as_secs());
    format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_a_token() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, token("riverrun", Duration::from_secs(600))).unwrap();
    check(Announced::read().as_user(directory.path(), Sasl::Token { file }, "token")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_member_joins_commits_and_reads_with_a_certificate() {
    let directory = tempfile::tempdir().unwrap();
    check(Announced::read().with_certificate(directory.path(), true, "certificate")).await;
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
    let announced = Announced::read();
    let wrong = || Password { secret: "guessed".to_owned(), ..announced.user.clone() };
    let user = |sasl: Sasl| announced.as_user(directory.path(), sasl, "wrong");
    refused(user(Sasl::ScramSha512(wrong())), "authentication");
    refused(user(Sasl::ScramSha256(wrong())), "authentication");
    refused(user(Sasl::Plain(wrong())), "authentication");
    let file = directory.path().join("token");
    std::fs::write(&file, "no token at all").unwrap();
    refused(user(Sasl::Token { file }), "auth");
    refused(announced.with_certificate(directory.path(), false, "wrong"), "certificate");
    // The broker's certificate is signed by nobody whom the usual authorities know.
    let mut stranger = user(Sasl::ScramSha512(announced.user.clone()));
    if let Some(security) = &mut stranger.security {
        security.tls = Some(Tls::default());
    }
    refused(stranger, "certificate");
}
