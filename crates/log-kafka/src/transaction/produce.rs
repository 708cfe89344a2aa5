//! Writing batches to the leaders of their partitions: one request for each leader at a time, one batch of each partition in it.

use std::collections::{HashMap, VecDeque};
use std::io;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::Request as _;
use riverrun_event::Time;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::batch::{Batch, Identity};
use super::brokers::pause;
use super::failure::{Failure, Trouble};
use super::writes::{Partition, Written};
use super::{Transactions, topic_name};
use crate::options::REQUEST_TIMEOUT;
use crate::wire::Wire;

/// All copies have it.
const ALL: i16 = -1;
// Error codes of the protocol.
const MESSAGE_TOO_LARGE: i16 = 10;
const RECORD_LIST_TOO_LARGE: i16 = 18;

/// What is left to write to a partition.
struct Left {
    topic: String,
    partition: i32,
    /// Sealed, with the number of records.
    batches: VecDeque<(Bytes, i32)>,
    written: Vec<(i64, i32)>,
}

/// The batch of a partition that is on its way, by the place of the partition.
type OnItsWay = Vec<(usize, Bytes)>;

impl Transactions {
    /// Writes all batches; answers when all copies have them.
    pub(super) async fn produce(
        &mut self,
        identity: Identity,
        partitions: Vec<Partition<Vec<Batch>>>,
        end: Instant,
    ) -> Result<Written, Failure> {
        let now = Time::now().unix_ms();
        let mut left: Vec<Left> = partitions.into_iter().map(|partition| self.seal(identity, partition, now)).collect();
        while left.iter().any(|left| !left.batches.is_empty()) {
            match self.wave(&mut left).await {
                Ok(()) => {}
                Err(Trouble::Lasting(failure)) => return Err(failure),
                Err(Trouble::Passing { reason, .. }) if Instant::now() >= end => {
                    return Err(Failure::Unreachable(reason));
                }
                Err(Trouble::Passing { reason, is_ending }) => {
                    tracing::debug!(reason, "batches are written again");
                    pause(is_ending).await;
                }
            }
        }
        Ok(Written(left.into_iter().map(|left| left.written).collect()))
    }

    fn seal(&mut self, identity: Identity, partition: Partition<Vec<Batch>>, now: i64) -> Left {
        let Partition { topic, partition, batches } = partition;
        let sequence = self.sequences.entry((topic.clone(), partition)).or_default();
        let seal = |batch: Batch| {
            let (first, count) = (*sequence, batch.count);
            // It starts at 0 again behind the largest number.
            *sequence = first.wrapping_add(count) & i32::MAX;
            (batch.seal(identity, first, now), count)
        };
        Left { topic, partition, batches: batches.into_iter().map(seal).collect(), written: Vec::new() }
    }

    /// Writes the next batch of each partition.
    async fn wave(&self, left: &mut [Left]) -> Result<(), Trouble> {
        let mut by_leader: HashMap<i32, OnItsWay> = HashMap::new();
        for (place, left) in left.iter().enumerate() {
            if let Some((batch, _)) = left.batches.front() {
                let leader = self.brokers.leader(&left.topic, left.partition).await?;
                by_leader.entry(leader).or_default().push((place, batch.clone()));
            }
        }
        let mut requests = JoinSet::new();
        for (leader, batches) in by_leader {
            let request = self.request(left, &batches);
            let version = if self.is_second { 12 } else { 9 };
            let wire = self.brokers.wire(leader).await;
            requests.spawn(async move { (batches, send(wire, version, request).await) });
        }
        let mut trouble = Ok(());
        while let Some(answered) = requests.join_next().await {
            let (batches, answer) = answered.map_err(Trouble::passing)?;
            let taken = match answer {
                Ok(answer) => take_over(left, &batches, &answer),
                Err(error) => Err((error, batches.iter().map(|(place, _)| *place).collect())),
            };
            if let Err((error, places)) = taken {
                self.ask_anew(left, &error, places).await;
                trouble = worse(trouble, error);
            }
        }
        trouble
    }

    fn request(&self, left: &[Left], batches: &OnItsWay) -> ProduceRequest {
        let mut topics: HashMap<&str, Vec<PartitionProduceData>> = HashMap::new();
        for (place, batch) in batches {
            let Some(left) = left.get(*place) else { continue };
            let data = PartitionProduceData::default().with_index(left.partition).with_records(Some(batch.clone()));
            topics.entry(&left.topic).or_default().push(data);
        }
        let topic = |(name, data)| TopicProduceData::default().with_name(topic_name(name)).with_partition_data(data);
        ProduceRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_acks(ALL)
            .with_timeout_ms(i32::try_from(REQUEST_TIMEOUT.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(topics.into_iter().map(topic).collect())
    }

    /// Others may lead these partitions by now.
    async fn ask_anew(&self, left: &[Left], trouble: &Trouble, places: Vec<usize>) {
        if !matches!(trouble, Trouble::Passing { is_ending: false, .. }) {
            return;
        }
        let mut topics: Vec<&str> = places.iter().filter_map(|place| Some(left.get(*place)?.topic.as_str())).collect();
        topics.sort_unstable();
        topics.dedup();
        for topic in topics {
            self.brokers.refresh(topic).await;
        }
    }
}

async fn send(wire: Result<Wire, Trouble>, version: i16, request: ProduceRequest) -> Result<ProduceResponse, Trouble> {
    Ok(wire?.call(version, &request, REQUEST_TIMEOUT).await?)
}

/// Notes what was written; gives the trouble and where it is.
fn take_over(left: &mut [Left], batches: &OnItsWay, answer: &ProduceResponse) -> Result<(), (Trouble, Vec<usize>)> {
    let mut answers: HashMap<(&str, i32), (i16, i64)> = HashMap::new();
    for topic in &answer.responses {
        let of_topic = topic.partition_responses.iter();
        answers.extend(of_topic.map(|of| ((&*topic.name.0, of.index), (of.error_code, of.base_offset))));
    }
    let (mut trouble, mut places) = (Ok(()), Vec::new());
    for (place, _) in batches {
        let Some(left) = left.get_mut(*place) else { continue };
        match answers.get(&(left.topic.as_str(), left.partition)) {
            Some((0, first)) => {
                left.written.extend(left.batches.pop_front().map(|(_, count)| (*first, count)));
            }
            answer => {
                places.push(*place);
                trouble = worse(trouble, refused(left, answer.map(|(code, _)| *code)));
            }
        }
    }
    trouble.map_err(|trouble| (trouble, places))
}

fn refused(left: &Left, code: Option<i16>) -> Trouble {
    match code {
        Some(MESSAGE_TOO_LARGE | RECORD_LIST_TOO_LARGE) => {
            Trouble::Lasting(Failure::TooLarge { topic: left.topic.clone() })
        }
        Some(code) => Trouble::of(code, &format!("the topic {}", left.topic), ProduceRequest::KEY),
        None => io::Error::other("a broker said nothing of a partition").into(),
    }
}

/// What lasts counts; and what goes by at once counts least.
fn worse(known: Result<(), Trouble>, new: Trouble) -> Result<(), Trouble> {
    match (known, &new) {
        (Err(lasting @ Trouble::Lasting(_)), _) => Err(lasting),
        (Err(passing @ Trouble::Passing { is_ending: false, .. }), Trouble::Passing { .. }) => Err(passing),
        _ => Err(new),
    }
}
