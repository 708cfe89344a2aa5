//! Why nothing comes of a partition that has more. The client asks again and again and keeps to itself what brokers say of it, so that a reader
//! that waits too long asks a broker once by itself, and does not wait for ever.

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use krafka::__private::kafka_metadata;
use krafka::error::ErrorCode;

use crate::cluster::Cluster;
use crate::options::REQUEST_TIMEOUT;
use crate::refusals::lacks_right;
use crate::wire::{Wire, text};

/// How long a reader waits before it asks, and asks again.
const SUSPICIOUS: Duration = Duration::from_secs(2);
/// How long it waits at all. A fetch of a few mebibytes comes sooner, or the connection is not worth keeping.
const PATIENCE: Duration = Duration::from_secs(20);
/// The version of the request: the last that calls topics by their names.
const FETCH: i16 = 12;
const READ_COMMITTED: i8 = 1;

/// A wait for records that are there.
pub(crate) struct Stall {
    since: Instant,
    asked: Instant,
}

impl Stall {
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self { since: now, asked: now }
    }

    /// Called when nothing came of a partition, by the name of its topic on the cluster.
    ///
    /// # Errors
    /// The reason to give it up.
    pub(crate) async fn check(
        &mut self,
        cluster: &Cluster,
        topic: &str,
        partition: i32,
        next: i64,
    ) -> Result<(), String> {
        if self.asked.elapsed() < SUSPICIOUS {
            return Ok(());
        }
        self.asked = Instant::now();
        match cluster.fetched_code(topic, partition, next).await {
            Ok(code @ ErrorCode::TopicAuthorizationFailed) => {
                let reason = lacks_right(&format!("the topic {topic}"), code) + "; it needs Read";
                cluster.refusals.note("readers", &reason);
                return Err(reason);
            }
            Ok(code) => tracing::debug!(topic, partition, next, ?code, "records are late"),
            Err(error) => tracing::debug!(topic, partition, next, %error, "records are late"),
        }
        if self.since.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(format!("nothing came of {topic}/{partition} from {next} on within {} s", PATIENCE.as_secs()))
    }
}

impl Cluster {
    /// What the leader of a partition says to a fetch.
    async fn fetched_code(&self, topic: &str, partition: i32, offset: i64) -> io::Result<ErrorCode> {
        let metadata = kafka_metadata(&self.reading);
        let leader = metadata.leader(topic, partition).ok_or_else(|| io::Error::other("it has no leader"))?;
        let wire: Wire = metadata.get_broker_connection(leader).await.map_err(io::Error::other)?.into();
        let partition =
            FetchPartition::default().with_partition(partition).with_fetch_offset(offset).with_partition_max_bytes(1);
        let topic = FetchTopic::default().with_topic(TopicName(text(topic))).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(0)
            .with_min_bytes(0)
            .with_max_bytes(1)
            .with_isolation_level(READ_COMMITTED)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let answer = wire.call(FETCH, &request, REQUEST_TIMEOUT).await?;
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        let codes = std::iter::once(answer.error_code).chain(partitions.map(|partition| partition.error_code));
        Ok(ErrorCode::from_i16(codes.into_iter().find(|code| *code != 0).unwrap_or_default()))
    }
}
