//! What doors append: batches that wait together go into one transaction, so each is stored whole or not at all, and one answer
//! from the cluster serves many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use krafka::producer::{TransactionState, TransactionalProducer};
use krafka::{Compression, KrafkaError};
use riverrun_event::{Offset, TopicPartition};
use riverrun_log::{AppendBatch, AppendError, Logged, NewRecord};
use tokio::sync::{mpsc, oneshot, watch};

use crate::binding::encode;
use crate::cluster::Cluster;
use crate::options::REQUEST_TIMEOUT;

/// Bytes of one transaction, about.
const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Batches that may wait; more are told to come again.
const WAITING_MAX: usize = 4_096;
/// When to come again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

type Answer = Result<Vec<Logged>, AppendError>;

struct Waiting {
    batch: AppendBatch,
    answer: oneshot::Sender<Answer>,
}

/// Where batches are handed in.
pub(crate) struct Door {
    waiting: mpsc::Sender<Waiting>,
}

impl Door {
    pub(crate) fn open(cluster: &Arc<Cluster>, moved: watch::Sender<u64>) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        // The task must not keep the runtime alive that it runs on.
        let writer = Writer { cluster: Arc::downgrade(cluster), moved, producer: None };
        cluster.spawn(writer.run(waiting));
        Self { waiting: sender }
    }

    /// Hands a batch in; calls made one after the other keep their order.
    pub(crate) fn append(&self, batch: AppendBatch) -> impl Future<Output = Answer> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let handed = self.waiting.try_send(Waiting { batch, answer });
        async move {
            match handed {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(AppendError::Failed("the log is closed".to_owned()))),
                Err(mpsc::error::TrySendError::Full(_)) => Err(AppendError::Overloaded { retry_after: RETRY_AFTER }),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(AppendError::Failed("the log is closed".to_owned())),
            }
        }
    }
}

struct Writer {
    cluster: std::sync::Weak<Cluster>,
    moved: watch::Sender<u64>,
    producer: Option<TransactionalProducer>,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        while let Some(first) = waiting.recv().await {
            let mut bytes = bytes_of(&first.batch);
            let mut together = vec![first];
            while bytes < TRANSACTION_BYTES_MAX
                && let Ok(next) = waiting.try_recv()
            {
                bytes += bytes_of(&next.batch);
                together.push(next);
            }
            let Some(cluster) = self.cluster.upgrade() else { return };
            self.answer(&cluster, together).await;
        }
    }

    /// Stores what can be stored in one transaction and answers every batch.
    async fn answer(&mut self, cluster: &Cluster, together: Vec<Waiting>) {
        let mut accepted = Vec::with_capacity(together.len());
        for waiting in together {
            match check(cluster, &waiting.batch).await {
                Ok(()) => accepted.push(waiting),
                // Whoever asked is gone.
                Err(refused) => drop(waiting.answer.send(Err(refused))),
            }
        }
        if accepted.iter().all(|waiting| waiting.batch.records.is_empty()) {
            accepted.into_iter().for_each(|waiting| drop(waiting.answer.send(Ok(Vec::new()))));
            return;
        }
        let (batches, answers): (Vec<AppendBatch>, Vec<_>) =
            accepted.into_iter().map(|waiting| (waiting.batch, waiting.answer)).unzip();
        match self.store(cluster, batches).await {
            Ok(stored) => {
                self.moved.send_modify(|count| *count += 1);
                answers.into_iter().zip(stored).for_each(|(answer, logged)| drop(answer.send(Ok(logged))));
            }
            Err(error) => {
                tracing::warn!(%error, "a door's transaction was not committed");
                answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
    }

    async fn store(&mut self, cluster: &Cluster, batches: Vec<AppendBatch>) -> Result<Vec<Vec<Logged>>, AppendError> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => producer_of(cluster, &format!("{}door", cluster.transactions()))
                .await
                .map_err(|error| not_stored(&error))?,
        };
        let written = match producer.begin() {
            Ok(()) => write(cluster, &producer, batches).await,
            Err(error) => Err(error),
        };
        let logged = match written {
            Ok(logged) => logged,
            Err(error) => {
                // Ended here, so that nobody waits for it; if that fails, the next producer of this name ends it.
                if producer.abort().await.is_ok() {
                    self.producer = Some(producer);
                }
                return Err(not_stored(&error));
            }
        };
        commit(&producer).await?;
        self.producer = Some(producer);
        let written =
            logged.iter().flatten().map(|logged| (logged.position().topic_partition(), logged.position().offset));
        cluster.settle(&newest(written)).await;
        Ok(logged)
    }
}

/// Refuses a batch with a record for a place that does not exist.
async fn check(cluster: &Cluster, batch: &AppendBatch) -> Result<(), AppendError> {
    match cluster.misplaced(batch.records.iter()).await.map_err(|error| not_stored(&error))? {
        Some((topic, partition)) => Err(AppendError::UnknownTopic { topic, partition }),
        None => Ok(()),
    }
}

/// A transactional producer of this name; whoever had it is fenced.
pub(crate) async fn producer_of(cluster: &Cluster, name: &str) -> krafka::Result<TransactionalProducer> {
    let builder = cluster
        .connection()
        .await?
        .producer()
        .compression(Compression::Lz4)
        .batch_size(256 * 1024)
        .linger(Duration::ZERO);
    let timeout = cluster.options.transaction_timeout();
    builder.transaction_timeout(timeout).delivery_timeout(REQUEST_TIMEOUT).build_transactional(name).await
}

/// The last offset of each partition.
pub(crate) fn newest(written: impl IntoIterator<Item = (TopicPartition, Offset)>) -> HashMap<TopicPartition, Offset> {
    let mut last = HashMap::new();
    for (partition, offset) in written {
        let known = last.entry(partition).or_insert(offset);
        *known = offset.max(*known);
    }
    last
}

async fn write(
    cluster: &Cluster,
    producer: &TransactionalProducer,
    batches: Vec<AppendBatch>,
) -> krafka::Result<Vec<Vec<Logged>>> {
    let mut sent = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut handles = Vec::with_capacity(batch.records.len());
        for NewRecord { topic, partition, event } in batch.records {
            let handle = producer.enqueue(encode(cluster.topic(&topic), partition, event)).await?;
            handles.push((TopicPartition::new(topic, partition), handle));
        }
        sent.push(handles);
    }
    let mut logged = Vec::with_capacity(sent.len());
    for handles in sent {
        let mut places = Vec::with_capacity(handles.len());
        for (partition, handle) in handles {
            let offset = u64::try_from(handle.await?.offset).unwrap_or_default();
            // Whether it was there before is found out behind the door.
            places.push(Logged::Unverified(partition.at(Offset(offset))));
        }
        logged.push(places);
    }
    Ok(logged)
}

/// Commits; asks again for as long as nobody knows the outcome.
async fn commit(producer: &TransactionalProducer) -> Result<(), AppendError> {
    loop {
        match producer.commit().await {
            Ok(()) => return Ok(()),
            Err(error) if producer.state() != TransactionState::CommitUnknown => return Err(not_stored(&error)),
            Err(error) if !error.is_retriable() => return Err(AppendError::Failed(error.to_string())),
            Err(error) => tracing::warn!(%error, "nobody answered a commit; it is asked for again"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Nothing was stored, and it may be tried again.
fn not_stored(error: &KrafkaError) -> AppendError {
    tracing::warn!(%error, "events could not be stored");
    match error {
        KrafkaError::Network(_) | KrafkaError::Timeout { .. } | KrafkaError::DeliveryTimeout { .. } => {
            AppendError::Unreachable { reason: error.to_string(), retry_after: RETRY_AFTER }
        }
        _ => AppendError::Overloaded { retry_after: RETRY_AFTER },
    }
}

fn bytes_of(batch: &AppendBatch) -> usize {
    batch.records.iter().map(NewRecord::bytes).sum()
}
