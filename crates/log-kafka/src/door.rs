//! What doors append: batches that wait together go into one transaction, so each is stored whole or not at all, and one answer
//! from the cluster serves many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Offset, TopicPartition};
use riverrun_log::{AppendBatch, AppendError, Logged, NewRecord};
use tokio::sync::{mpsc, oneshot, watch};

use crate::cluster::Cluster;
use crate::transaction::{Failure, Place, Transactions, Writes, Written};

/// Bytes of one transaction, about.
const TRANSACTION_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Batches that may wait; more are told to come again.
const WAITING_MAX: usize = 4_096;
/// When to come again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

type Answer<T> = Result<Vec<T>, AppendError>;

struct Waiting {
    batch: AppendBatch,
    answer: oneshot::Sender<Answer<Logged>>,
}

/// Where batches are handed in.
pub(crate) struct Door {
    waiting: mpsc::Sender<Waiting>,
}

impl Door {
    pub(crate) fn open(cluster: &Arc<Cluster>, moved: watch::Sender<u64>) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        // The task must not keep the runtime alive that it runs on.
        let writer = Writer { cluster: Arc::downgrade(cluster), moved, transactions: None };
        cluster.spawn(writer.run(waiting));
        Self { waiting: sender }
    }

    /// Hands a batch in; calls made one after the other keep their order.
    pub(crate) fn append(&self, batch: AppendBatch) -> impl Future<Output = Answer<Logged>> + Send + use<> {
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
    transactions: Option<Transactions>,
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
        let stored = self.store(cluster, &accepted).await;
        if matches!(stored, Err(AppendError::TooLarge { .. })) && accepted.len() > 1 {
            // Only the one that is too large is refused.
            for waiting in accepted {
                let stored = self.store(cluster, std::slice::from_ref(&waiting)).await;
                self.tell(vec![waiting], stored);
            }
            return;
        }
        self.tell(accepted, stored);
    }

    fn tell(&self, stored: Vec<Waiting>, outcome: Answer<Vec<Logged>>) {
        match outcome {
            Ok(logged) => {
                self.moved.send_modify(|count| *count += 1);
                stored.into_iter().zip(logged).for_each(|(waiting, logged)| drop(waiting.answer.send(Ok(logged))));
            }
            Err(error) => {
                tracing::warn!(%error, "events could not be stored");
                stored.into_iter().for_each(|waiting| drop(waiting.answer.send(Err(error.clone()))));
            }
        }
    }

    async fn store(&mut self, cluster: &Cluster, together: &[Waiting]) -> Answer<Vec<Logged>> {
        let (writes, places) = writes(cluster, together).map_err(not_stored)?;
        let topics = writes.topics();
        let refused = |failure: Failure| {
            cluster.note_refused("the doors", &failure);
            not_stored(failure)
        };
        let mut transactions = match self.transactions.take() {
            Some(transactions) => transactions,
            None => Transactions::open(cluster, format!("{}door", cluster.transactions())).await.map_err(refused)?,
        };
        let written = transactions.commit(writes, None, |_| {}).await;
        self.transactions = Some(transactions);
        let written = written.map_err(refused)?;
        let logged = logged(&written, &topics, places);
        cluster.settle(&written.newest(&topics)).await;
        Ok(logged)
    }
}

/// Refuses a batch with a record for a place that does not exist.
async fn check(cluster: &Cluster, batch: &AppendBatch) -> Result<(), AppendError> {
    match cluster.misplaced(batch.records.iter()).await.map_err(|error| not_stored(error.into()))? {
        Some((topic, partition)) => Err(AppendError::UnknownTopic { topic, partition }),
        None => Ok(()),
    }
}

/// What is to be written, and the place of each record of each batch.
fn writes(cluster: &Cluster, together: &[Waiting]) -> Result<(Writes, Vec<Vec<Place>>), Failure> {
    let mut writes = Writes::compressed(cluster.options.compression);
    let mut places = Vec::with_capacity(together.len());
    for Waiting { batch, .. } in together {
        places.push(batch.records.iter().map(|record| writes.event(cluster, record)).collect::<Result<_, _>>()?);
    }
    Ok((writes, places))
}

/// Where the records of each batch are.
fn logged(written: &Written, topics: &HashMap<Place, TopicPartition>, places: Vec<Vec<Place>>) -> Vec<Vec<Logged>> {
    let mut offsets: HashMap<Place, _> = topics.keys().map(|place| (*place, written.offsets(*place))).collect();
    let mut position = |place: Place| {
        let offset = offsets.get_mut(&place)?.next().and_then(|offset| u64::try_from(offset).ok());
        // Whether it was there before is found out behind the door.
        Some(Logged::Unverified(topics.get(&place)?.at(Offset(offset.unwrap_or_default()))))
    };
    places.into_iter().map(|batch| batch.into_iter().filter_map(&mut position).collect()).collect()
}

/// What a failed transaction means to whoever waits at the door.
fn not_stored(failure: Failure) -> AppendError {
    let reason = failure.to_string();
    match failure {
        Failure::Uncertain(_) => AppendError::Failed(reason),
        Failure::TooLarge { .. } => AppendError::TooLarge { reason },
        // It is about this process or the cluster, and not about the events.
        _ => AppendError::Unreachable { reason, retry_after: RETRY_AFTER },
    }
}

fn bytes_of(batch: &AppendBatch) -> usize {
    batch.records.iter().map(NewRecord::bytes).sum()
}
