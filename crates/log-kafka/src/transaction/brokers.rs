//! Which broker to ask: leaders of partitions, and coordinators of transactions and groups.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::time::Duration;

use kafka_protocol::messages::{FindCoordinatorRequest, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use krafka::__private::{kafka_metadata, kafka_pool};
use krafka::Kafka;
use tokio::time::Instant;

use super::failure::{Failure, Trouble};
use crate::options::REQUEST_TIMEOUT;
use crate::wire::Wire;

/// The wait before something is asked for again.
const RETRY: Duration = Duration::from_millis(50);
/// That while the transaction before is still being ended, which takes as long as its marks take to be written.
const RETRY_ENDING: Duration = Duration::from_millis(2);

/// The brokers as one producer sees them, with connections of its own.
pub(super) struct Brokers {
    kafka: Kafka,
    coordinators: HashMap<Coordinator, i32>,
}

/// Who coordinates what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Coordinator {
    /// The transactions of a name.
    Transactions(String),
    /// A group.
    Group(String),
}

impl fmt::Display for Coordinator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transactions(name) => write!(formatter, "the transactional id {name}"),
            Self::Group(group) => write!(formatter, "the group {group}"),
        }
    }
}

/// What an answer says of a request.
pub(super) struct Verdict {
    /// 0 when it was done.
    code: i16,
    /// What it is about, where that is not who was asked.
    about: Option<String>,
}

impl From<i16> for Verdict {
    fn from(code: i16) -> Self {
        Self { code, about: None }
    }
}

impl Verdict {
    /// The first error among partitions, each with its topic: nothing that has failed in part has happened.
    pub(super) fn of_all<'a>(mut partitions: impl Iterator<Item = (&'a TopicName, i16)>) -> Self {
        match partitions.find(|(_, code)| *code != 0) {
            Some((topic, code)) => Self { code, about: Some(format!("the topic {}", topic.0)) },
            None => 0.into(),
        }
    }
}

/// An answer that was waited for.
pub(super) struct Answered<A> {
    pub(super) answer: Result<A, Failure>,
    /// Whether a request was sent before that nobody answered.
    pub(super) was_unanswered: bool,
}

impl Brokers {
    pub(super) fn new(kafka: Kafka) -> Self {
        Self { kafka, coordinators: HashMap::new() }
    }

    /// The broker that leads a partition.
    pub(super) async fn leader(&self, topic: &str, partition: i32) -> Result<i32, Trouble> {
        let metadata = kafka_metadata(&self.kafka);
        if let Some(leader) = metadata.leader(topic, partition) {
            return Ok(leader);
        }
        metadata.force_refresh(Some(&[topic])).await?;
        metadata.leader(topic, partition).ok_or_else(|| Trouble::passing(format!("{topic}/{partition} has no leader")))
    }

    /// Asks anew who leads the partitions of a topic.
    pub(super) async fn refresh(&self, topic: &str) {
        if let Err(error) = kafka_metadata(&self.kafka).force_refresh(Some(&[topic])).await {
            tracing::debug!(%error, topic, "the leaders of a topic are not known");
        }
    }

    /// The connection to a broker.
    pub(super) async fn wire(&self, broker: i32) -> Result<Wire, Trouble> {
        Ok(kafka_metadata(&self.kafka).get_broker_connection(broker).await?.into())
    }

    /// Asks a coordinator until it gives an answer that counts, or `end` comes.
    pub(super) async fn ask<R>(
        &mut self,
        coordinator: &Coordinator,
        version: i16,
        request: &R,
        end: Instant,
        verdict: impl Fn(&R::Response) -> Verdict,
    ) -> Answered<R::Response>
    where
        R: Request + Encodable + HeaderVersion,
        R::Response: Decodable + HeaderVersion,
    {
        let mut was_unanswered = false;
        loop {
            let trouble = match self.coordinator(coordinator).await {
                Err(trouble) => trouble,
                Ok(wire) => match wire.call(version, request, REQUEST_TIMEOUT).await {
                    Ok(answer) => match verdict(&answer) {
                        Verdict { code: 0, .. } => return Answered { answer: Ok(answer), was_unanswered },
                        Verdict { code, about } => {
                            Trouble::of(code, &about.unwrap_or_else(|| coordinator.to_string()), R::KEY)
                        }
                    },
                    Err(error) => {
                        was_unanswered = true;
                        error.into()
                    }
                },
            };
            if let Err(failure) = self.overcome(trouble, coordinator, end).await {
                return Answered { answer: Err(failure), was_unanswered };
            }
        }
    }

    /// The level of a feature of the cluster, as a coordinator tells it.
    pub(super) async fn feature(&mut self, coordinator: &Coordinator, name: &str) -> Option<i16> {
        self.coordinator(coordinator).await.ok()?.feature(name)
    }

    async fn overcome(&mut self, trouble: Trouble, coordinator: &Coordinator, end: Instant) -> Result<(), Failure> {
        match trouble {
            Trouble::Lasting(failure) => Err(failure),
            Trouble::Passing { reason, .. } if Instant::now() >= end => Err(Failure::Unreachable(reason)),
            Trouble::Passing { reason, is_ending } => {
                if !is_ending {
                    tracing::debug!(reason, "a coordinator is asked again");
                    self.coordinators.remove(coordinator);
                }
                pause(is_ending).await;
                Ok(())
            }
        }
    }

    async fn coordinator(&mut self, coordinator: &Coordinator) -> Result<Wire, Trouble> {
        if let Some(broker) = self.coordinators.get(coordinator) {
            return self.wire(*broker).await;
        }
        let (kind, key) = match coordinator {
            Coordinator::Group(group) => (0, group),
            Coordinator::Transactions(name) => (1, name),
        };
        let request = FindCoordinatorRequest::default()
            .with_key_type(kind)
            .with_coordinator_keys(vec![StrBytes::from_string(key.clone())]);
        let answer = self.any().await?.call(4, &request, REQUEST_TIMEOUT).await?;
        let found = answer.coordinators.first().ok_or_else(|| Trouble::passing("no coordinator was told"))?;
        if found.error_code != 0 {
            return Err(Trouble::of(found.error_code, &coordinator.to_string(), FindCoordinatorRequest::KEY));
        }
        let broker = found.node_id.0;
        let address = format!("{}:{}", found.host, found.port);
        let wire = kafka_pool(&self.kafka).get_connection_by_id(broker, &address).await?.into();
        self.coordinators.insert(coordinator.clone(), broker);
        Ok(wire)
    }

    /// A broker that answers, whichever it is.
    async fn any(&self) -> Result<Wire, Trouble> {
        let metadata = kafka_metadata(&self.kafka);
        if metadata.brokers().is_empty() {
            metadata.force_refresh(Some(&[])).await?;
        }
        let mut trouble = Trouble::passing(io::Error::other("no broker is known"));
        for broker in metadata.brokers() {
            match self.wire(broker.id()).await {
                Ok(wire) => return Ok(wire),
                Err(error) => trouble = error,
            }
        }
        Err(trouble)
    }
}

/// Waits before something is asked for again.
pub(super) async fn pause(is_ending: bool) {
    tokio::time::sleep(if is_ending { RETRY_ENDING } else { RETRY }).await;
}
