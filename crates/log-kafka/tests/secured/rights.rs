//! A user who lacks rights: each one that is missing is named, and asked for until it is granted.

use std::time::{Duration, Instant};

use krafka::Kafka;
use krafka::admin::{
    AclBinding, AclOperation, AclPatternType, AclPermissionType, AclResourceType, AdminClient, CreateAclsOptions,
};
use riverrun_log::{AppendError, Health, Log, Observe, Topics};
use riverrun_log_kafka::{KafkaLog, Sasl};

use super::announced::Announced;
use super::{assigned, batch, commit, ids, join, topic};

/// Grants rights.
struct Rights {
    admin: AdminClient,
    user: String,
}

impl Rights {
    async fn grant(&self, on: AclResourceType, names: &[String], operations: &[AclOperation]) {
        let right = |name: &String, operation: &AclOperation| {
            let (user, allow) = (format!("User:{}", self.user), AclPermissionType::Allow);
            // The client's numbers of patterns are one too low: what it calls prefixed is literal to brokers.
            AclBinding::new(on, name, user, "*", *operation, allow).with_pattern_type(AclPatternType::Prefixed)
        };
        let rights = names.iter().flat_map(|name| operations.iter().map(move |operation| right(name, operation)));
        let granted = self.admin.create_acls(rights.collect(), CreateAclsOptions::default());
        granted.await.unwrap().into_iter().for_each(|(_, granted)| granted.unwrap());
    }
}

/// Tries until it succeeds; a broker hears of a right a moment after it was granted.
async fn soon<T, E: std::fmt::Debug>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < end, "still: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[track_caller]
fn names(said: &str, resource: &str) {
    assert!(said.contains(resource) && said.contains("uthoriz"), "{said} does not name {resource}");
}

async fn refused_append(log: &KafkaLog, resource: &str) {
    match log.append(batch("refused")).await {
        Err(AppendError::Unreachable { reason, .. }) => names(&reason, resource),
        other => panic!("{other:?}"),
    }
}

/// The log says of itself that it does not serve, and why.
async fn unhealthy(log: &KafkaLog, resource: &str) {
    let reason = soon(async || match log.health() {
        Health::Unreachable { reason } if reason.contains(resource) => Ok(reason),
        other => Err(other),
    });
    names(&reason.await, resource);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_right_that_is_missing_is_named_and_used_once_it_is_granted() {
    use AclOperation::{AlterConfigs, Create, Describe, DescribeConfigs, Read, Write};
    let directory = tempfile::tempdir().unwrap();
    let announced = Announced::read();
    let options = announced.as_user(directory.path(), Sasl::Plain(announced.limited.clone()), "rights");
    let prefix = options.prefix.clone();
    let superuser = Kafka::builder(std::env::var("RIVERRUN_TEST_KAFKA").unwrap()).connect().await.unwrap();
    let rights = Rights { admin: superuser.admin(), user: announced.limited.user.clone() };
    let log = KafkaLog::connect(options).unwrap();
    let on = |name: &str| format!("{prefix}{name}");
    let topics = [on("in"), on("_changelog.g")];
    let transactions = [on("one.door"), on("one.0.g")];

    names(&log.ensure(&[topic()]).await.unwrap_err().to_string(), &on("in"));
    rights.grant(AclResourceType::Topic, &topics, &[Create, Describe, DescribeConfigs, AlterConfigs]).await;
    soon(async || log.ensure(&[topic()]).await).await;

    refused_append(&log, &format!("transactional id {}", on("one.door"))).await;
    rights.grant(AclResourceType::TransactionalId, &transactions, &[Write, Describe]).await;
    soon(async || match log.append(batch("refused")).await {
        Err(AppendError::Unreachable { reason, .. }) if reason.contains("the topic") => Ok(()),
        other => Err(other),
    })
    .await;
    refused_append(&log, &format!("the topic {}", on("in"))).await;
    unhealthy(&log, &on("in")).await;
    rights.grant(AclResourceType::Topic, &topics, &[Write]).await;
    soon(async || log.append(batch("appended")).await).await;

    let mut member = join(&log);
    unhealthy(&log, &format!("the group {}", on("g"))).await;
    rights.grant(AclResourceType::Group, &[on("g")], &[Read]).await;
    let owned = assigned(&mut *member).await;

    let refused = tokio::task::block_in_place(|| log.read(&super::input().at(riverrun_event::Offset(0)), 1_000));
    names(&refused.unwrap_err().to_string(), &format!("the topic {}", on("in")));
    // Positions of a topic are committed by who may read it.
    names(&member.commit(commit(&owned, "refused")).await.unwrap_err().to_string(), &on("in"));
    rights.grant(AclResourceType::Topic, &topics, &[Read]).await;
    drop(member);
    soon(async || {
        let mut member = join(&log);
        let owned = assigned(&mut *member).await;
        member.commit(commit(&owned, "committed")).await
    })
    .await;
    assert_eq!(tokio::task::block_in_place(|| ids(&log)), ["appended", "committed"]);
    soon(async || if log.health() == Health::Serving { Ok(()) } else { Err(log.health()) }).await;
}
