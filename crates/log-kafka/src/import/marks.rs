//! A transaction without records: a partition is part of it, and it is given up. What is left is its mark, which takes one offset.
//! No client offers it, so it is spoken on a connection of our own.

use std::io;
use std::time::{Duration, Instant};

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, ProducerId, TopicName, TransactionalId,
};
use riverrun_event::TopicPartition;

use super::ImportError;
use crate::cluster::Cluster;
use crate::wire::{Coordinator, Wire, text};

const PATIENCE: Duration = Duration::from_secs(10);
/// How long the cluster may be busy with the transaction before.
const BUSY: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(5);
/// How long the cluster lets such a transaction be open.
const OPEN_MS: i32 = 60_000;

// Error codes of the protocol.
const COORDINATOR_LOADING: i16 = 14;
const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const CONCURRENT_TRANSACTIONS: i16 = 51;

pub(super) struct Marks {
    wire: Wire,
    name: TransactionalId,
    producer: ProducerId,
    epoch: i16,
}

impl Marks {
    /// Takes the name; a transaction that is open under it is given up.
    pub(super) async fn open(cluster: &Cluster, name: String) -> Result<Self, ImportError> {
        let until = Instant::now() + BUSY;
        let wire = loop {
            let (brokers, security) = (&cluster.options.brokers, cluster.options.security.as_ref());
            let kind = Coordinator::OfTransactions;
            match Wire::to_coordinator(brokers, security, kind, &name).await.map_err(failed)? {
                Ok(wire) => break wire,
                Err(code) => again(code, until).await?,
            }
        };
        let name = TransactionalId(text(&name));
        let mut marks = Self { wire, name, producer: ProducerId(-1), epoch: -1 };
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(marks.name.clone()))
            .with_transaction_timeout_ms(OPEN_MS)
            .with_producer_id(marks.producer)
            .with_producer_epoch(marks.epoch);
        loop {
            let answer = marks.wire.call(4, &request, PATIENCE).await.map_err(failed)?;
            if answer.error_code == 0 {
                (marks.producer, marks.epoch) = (answer.producer_id, answer.producer_epoch);
                return Ok(marks);
            }
            again(answer.error_code, until).await?;
        }
    }

    /// Puts a mark at the end of a partition. Readers see it a moment later.
    pub(super) async fn put(&mut self, cluster: &Cluster, partition: &TopicPartition) -> Result<(), ImportError> {
        let place = cluster.partition(partition);
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(TopicName(text(&place.topic)))
            .with_partitions(vec![place.partition]);
        let add = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.name.clone())
            .with_v3_and_below_producer_id(self.producer)
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let until = Instant::now() + BUSY;
        loop {
            let answer = self.wire.call(3, &add, PATIENCE).await.map_err(failed)?;
            let answers = answer.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
            match answers.map(|answer| answer.partition_error_code).find(|code| *code != 0) {
                None => break,
                Some(code) => again(code, until).await?,
            }
        }
        let end = EndTxnRequest::default()
            .with_transactional_id(self.name.clone())
            .with_producer_id(self.producer)
            .with_producer_epoch(self.epoch)
            .with_committed(false);
        loop {
            match self.wire.call(3, &end, PATIENCE).await.map_err(failed)?.error_code {
                0 => return Ok(()),
                code => again(code, until).await?,
            }
        }
    }
}

/// Waits a moment where the cluster is only busy.
async fn again(code: i16, until: Instant) -> Result<(), ImportError> {
    let is_busy = matches!(code, COORDINATOR_LOADING | COORDINATOR_NOT_AVAILABLE | CONCURRENT_TRANSACTIONS);
    if !is_busy || Instant::now() > until {
        return Err(ImportError::Failed(format!("a transaction was refused with error {code}")));
    }
    tokio::time::sleep(RETRY).await;
    Ok(())
}

fn failed(error: io::Error) -> ImportError {
    ImportError::Failed(error.to_string())
}
