//! Transactions that are written in one go: everything a commit holds is there before it begins, so that it is a few requests and nothing is
//! kept for a record on its own.
//!
//! The protocol is Kafka's (KIP-98, KIP-447), with the second version of transactions (KIP-890) where the cluster has agreed on it: there a
//! partition takes part by being written to, and every transaction has an epoch of its own. Who opens a name fences whoever had it. A
//! transaction that cannot be ended for certain is never taken up again: its producer is opened anew, which ends it one way or the other.

mod batch;
mod brokers;
mod failure;
mod produce;
mod writes;

use std::collections::HashMap;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest, ProducerId,
    TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Duration, Instant};

use self::brokers::{Answered, Brokers, Coordinator, Verdict};
use crate::cluster::Cluster;
use crate::options::REQUEST_TIMEOUT;
use crate::sabotage;

use batch::Identity;
#[cfg(test)]
pub(crate) use batch::testing;
pub(crate) use failure::Failure;
pub(crate) use writes::{Place, Writes, Written};

/// The feature of a cluster that has transactions of the second version, and their level.
const FEATURE: &str = "transaction.version";
const SECOND: i16 = 2;
/// How long ending a transaction that has failed may take; whoever opens the name next ends it as well.
const ABORT_PATIENCE: Duration = Duration::from_secs(2);

/// Positions that are committed with a transaction, and as whom.
pub(crate) struct Positions {
    pub(crate) group: String,
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    /// The static name.
    pub(crate) member: Option<String>,
    /// By topic, as the cluster calls it: partition and next offset.
    pub(crate) next: HashMap<String, Vec<(i32, i64)>>,
}

/// Writes transactions under one name.
pub(crate) struct Transactions {
    name: String,
    timeout: Duration,
    brokers: Brokers,
    /// None before the name was opened, and after a transaction that was not ended for certain.
    identity: Option<Identity>,
    /// Whether transactions are of the second version.
    is_second: bool,
    /// Records written by this identity, by partition.
    sequences: HashMap<(String, i32), i32>,
}

impl Transactions {
    /// Opens a name; whoever had it is fenced, and what it left open is ended.
    pub(crate) async fn open(cluster: &Cluster, name: String) -> Result<Self, Failure> {
        let kafka = cluster.connection().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
        let mut transactions = Self {
            name,
            timeout: cluster.options.transaction_timeout(),
            brokers: Brokers::new(kafka),
            identity: None,
            is_second: false,
            sequences: HashMap::new(),
        };
        transactions.identify().await?;
        Ok(transactions)
    }

    /// Writes everything at once, or nothing. Gives where it was written; `on_written` is told so before anybody can see it.
    pub(crate) async fn commit(
        &mut self,
        writes: Writes,
        positions: Option<Positions>,
        on_written: impl FnOnce(&Written),
    ) -> Result<Written, Failure> {
        if sabotage::positions_apart() {
            let written = self.commit_at_once(writes, None, on_written).await?;
            tokio::time::sleep(sabotage::WINDOW).await;
            return self.commit_at_once(Writes::default(), positions, |_| {}).await.map(|_| written);
        }
        self.commit_at_once(writes, positions, on_written).await
    }

    async fn commit_at_once(
        &mut self,
        writes: Writes,
        positions: Option<Positions>,
        on_written: impl FnOnce(&Written),
    ) -> Result<Written, Failure> {
        let partitions = writes.finish()?;
        if partitions.is_empty() && positions.is_none() {
            return Ok(Written(Vec::new()));
        }
        let identity = self.identify().await?;
        let written = self.write(identity, partitions, positions).await.inspect(on_written);
        self.conclude(identity, written, true).await
    }

    /// Writes so many records that are given up again, or none: each takes an offset of the partition, and so does the mark behind them; no
    /// reader of what is committed sees any of it.
    pub(crate) async fn give_up(&mut self, topic: &str, partition: i32, records: u64) -> Result<(), Failure> {
        let mut writes = Writes::default();
        writes.fill(topic, partition, records)?;
        let partitions = writes.finish()?;
        let identity = self.identify().await?;
        let end = Instant::now() + REQUEST_TIMEOUT;
        let written = async {
            // Where nothing is written, nothing else makes the partition take part.
            self.announce(identity, [(topic, partition)].into_iter(), end).await?;
            self.produce(identity, partitions, end).await
        };
        let written = written.await;
        self.conclude(identity, written, false).await.map(drop)
    }

    /// Ends a transaction as it was meant to end, or gives up one that could not be written.
    async fn conclude(
        &mut self,
        identity: Identity,
        written: Result<Written, Failure>,
        commit: bool,
    ) -> Result<Written, Failure> {
        match written {
            Ok(written) => self.end(identity, commit).await.map(|()| written),
            Err(failure) => {
                // The next one of this name begins with a fresh epoch, whatever becomes of this.
                self.identity = None;
                drop(tokio::time::timeout(ABORT_PATIENCE, self.ask_for_end(identity, false, Instant::now())).await);
                Err(failure)
            }
        }
    }

    async fn identify(&mut self) -> Result<Identity, Failure> {
        if let Some(identity) = self.identity {
            return Ok(identity);
        }
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let end = Instant::now() + REQUEST_TIMEOUT;
        let coordinator = self.coordinator();
        let opened = self.brokers.ask(&coordinator, 4, &request, end, |answer| answer.error_code.into()).await.answer?;
        self.is_second = self.brokers.feature(&coordinator, FEATURE).await.is_some_and(|level| level >= SECOND);
        self.sequences.clear();
        let identity = Identity { producer: opened.producer_id.0, epoch: opened.producer_epoch };
        self.identity = Some(identity);
        Ok(identity)
    }

    async fn write(
        &mut self,
        identity: Identity,
        partitions: Vec<writes::Partition<Vec<batch::Batch>>>,
        positions: Option<Positions>,
    ) -> Result<Written, Failure> {
        let end = Instant::now() + REQUEST_TIMEOUT;
        if !self.is_second && !partitions.is_empty() {
            let places = partitions.iter().map(|partition| (&*partition.topic, partition.partition));
            self.announce(identity, places, end).await?;
        }
        let written = self.produce(identity, partitions, end).await?;
        if let Some(positions) = positions {
            self.move_on(identity, positions, end).await?;
        }
        Ok(written)
    }

    /// Tells the coordinator which partitions take part.
    async fn announce(
        &mut self,
        identity: Identity,
        partitions: impl Iterator<Item = (&str, i32)>,
        end: Instant,
    ) -> Result<(), Failure> {
        let mut topics: HashMap<&str, Vec<i32>> = HashMap::new();
        for (topic, partition) in partitions {
            topics.entry(topic).or_default().push(partition);
        }
        let topic = |(name, partitions)| {
            AddPartitionsToTxnTopic::default().with_name(topic_name(name)).with_partitions(partitions)
        };
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(ProducerId(identity.producer))
            .with_v3_and_below_producer_epoch(identity.epoch)
            .with_v3_and_below_topics(topics.into_iter().map(topic).collect());
        let coordinator = self.coordinator();
        let added = self.brokers.ask(&coordinator, 3, &request, end, |answer| {
            Verdict::of_all(answer.results_by_topic_v3_and_below.iter().flat_map(|topic| {
                topic.results_by_partition.iter().map(|result| (&topic.name, result.partition_error_code))
            }))
        });
        added.await.answer.map(drop)
    }

    /// Commits positions in the transaction.
    async fn move_on(&mut self, identity: Identity, positions: Positions, end: Instant) -> Result<(), Failure> {
        let group = GroupId(text(&positions.group));
        if !self.is_second {
            let request = AddOffsetsToTxnRequest::default()
                .with_transactional_id(self.id())
                .with_producer_id(ProducerId(identity.producer))
                .with_producer_epoch(identity.epoch)
                .with_group_id(group.clone());
            let coordinator = self.coordinator();
            self.brokers.ask(&coordinator, 3, &request, end, |answer| answer.error_code.into()).await.answer?;
        }
        let partition = |(partition, next)| {
            TxnOffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(next)
        };
        let topic = |(name, next): (String, Vec<(i32, i64)>)| {
            TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name(&name))
                .with_partitions(next.into_iter().map(partition).collect())
        };
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id())
            .with_group_id(group)
            .with_producer_id(ProducerId(identity.producer))
            .with_producer_epoch(identity.epoch)
            .with_generation_id(positions.generation)
            .with_member_id(text(&positions.member_id))
            .with_group_instance_id(positions.member.as_deref().map(text))
            .with_topics(positions.next.into_iter().map(topic).collect());
        let version = if self.is_second { 5 } else { 3 };
        let coordinator = Coordinator::Group(positions.group);
        let moved = self.brokers.ask(&coordinator, version, &request, end, |answer| {
            Verdict::of_all(
                answer
                    .topics
                    .iter()
                    .flat_map(|topic| topic.partitions.iter().map(|partition| (&topic.name, partition.error_code))),
            )
        });
        moved.await.answer.map(drop)
    }

    /// Commits or gives up; asks again for as long as nobody knows the outcome and patience lasts.
    async fn end(&mut self, identity: Identity, commit: bool) -> Result<(), Failure> {
        let end = Instant::now() + self.timeout;
        let Answered { answer, was_unanswered } = self.ask_for_end(identity, commit, end).await;
        match answer {
            Ok(next) => {
                // An earlier request may still be on its way: only an epoch of its own keeps it off what comes next.
                self.identity = next.filter(|_| self.is_second || !was_unanswered);
                if self.is_second {
                    self.sequences.clear();
                }
                Ok(())
            }
            Err(failure) => {
                self.identity = None;
                Err(if was_unanswered { Failure::Uncertain(failure.to_string()) } else { failure })
            }
        }
    }

    /// Ends the transaction one way or the other; gives who writes the next one.
    async fn ask_for_end(&mut self, identity: Identity, commit: bool, end: Instant) -> Answered<Option<Identity>> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(identity.producer))
            .with_producer_epoch(identity.epoch)
            .with_committed(commit);
        let version = if self.is_second { 5 } else { 3 };
        let coordinator = self.coordinator();
        let ended = self.brokers.ask(&coordinator, version, &request, end, |answer| answer.error_code.into()).await;
        let is_second = self.is_second;
        let next = ended.answer.map(|answer| match is_second {
            true => Some(Identity { producer: answer.producer_id.0, epoch: answer.producer_epoch }),
            false => Some(identity),
        });
        Answered { answer: next, was_unanswered: ended.was_unanswered }
    }

    fn coordinator(&self) -> Coordinator {
        Coordinator::Transactions(self.name.clone())
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(text(&self.name))
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
