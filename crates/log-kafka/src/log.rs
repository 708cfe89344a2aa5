//! The log as the contract has it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use krafka::admin::OffsetSpec;
use riverrun_event::{Offset, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::{
    Answer, AppendBatch, AppendError, CommitInterval, EnsureError, Followed, GroupName, Health, JoinError, Log, Logged,
    Member, Membership, Observe, Order, ReadError, TaskId, TaskOwner, TopicDescription, TopicSpec, Topics,
};
use tokio::sync::{mpsc, watch};

use crate::cluster::{Cluster, ConnectError};
use crate::cursors::Cursors;
use crate::door::Door;
use crate::follow::{self, Wanted, Wish};
use crate::member::{KafkaMember, Shared};
use crate::options::Options;
use crate::owners::Directory;
use crate::state::{StateStoreError, States, TaskState};

/// How often the ends of partitions are asked for that somebody reads.
const WATCH: Duration = Duration::from_millis(100);
/// Said of everything after the runtime has ended.
const CLOSED: &str = "the log is closed";

/// A log on Kafka cannot be opened.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OpenError {
    /// The cluster cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The local copy of the state cannot be used.
    #[error(transparent)]
    State(#[from] StateStoreError),
}

/// A log on a Kafka cluster.
pub struct KafkaLog {
    shared: Arc<Shared>,
    cursors: Arc<Cursors>,
    door: Door,
    moved: watch::Receiver<u64>,
}

impl KafkaLog {
    /// Connects to a cluster.
    ///
    /// # Errors
    /// [`OpenError`] when no broker answers, or the local copy of the state cannot be opened.
    pub fn connect(options: Options) -> Result<Self, OpenError> {
        let states = States::open(&options.state_dir, options.cache_bytes)?;
        let cluster = Cluster::connect(options)?;
        let (sender, moved) = watch::channel(0);
        let door = Door::open(&cluster, sender.clone());
        let cursors = Arc::new(Cursors::default());
        cluster.spawn(watch_ends(Arc::downgrade(&cluster), Arc::downgrade(&cursors), sender.clone()));
        let (wishes, wanted) = mpsc::unbounded_channel();
        cluster.spawn(follow::run(Arc::downgrade(&cluster), wanted, sender.clone()));
        let owners = Directory::new(cluster.options.instance.clone());
        let shared = Arc::new(Shared { cluster, states, owners, wishes, moved: sender });
        Ok(Self { shared, cursors, door, moved })
    }

    fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.shared.cluster)
    }

    /// Waits for what the cluster answers.
    fn ask<T: Send + 'static>(
        &self,
        answer: impl Future<Output = Result<T, ReadError>> + Send + 'static,
    ) -> Result<T, ReadError> {
        self.shared.cluster.wait(answer).unwrap_or_else(|| Err(ReadError::Failed(CLOSED.to_owned())))
    }
}

impl Topics for KafkaLog {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        let (cluster, topics) = (self.cluster(), topics.to_vec());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.shared.cluster.spawn(async move { drop(sender.send(cluster.ensure(&topics).await)) });
        Box::pin(async { receiver.await.unwrap_or_else(|_| Err(EnsureError::Failed(CLOSED.to_owned()))) })
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        let (cluster, topic) = (self.cluster(), topic.clone());
        self.ask(async move { cluster.describe(&topic).await })
    }

    fn ends(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        let (cluster, topic) = (self.cluster(), topic.clone());
        self.ask(async move { cluster.ends(&topic).await })
    }

    fn ends_written(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        let (cluster, topic) = (self.cluster(), topic.clone());
        self.ask(async move { cluster.ends_written(&topic).await })
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        let (cluster, cursors, partition) = (self.cluster(), Arc::clone(&self.cursors), partition.clone());
        self.ask(async move {
            let offset = cluster.offset_at(&partition, time).await?;
            let first = cursors.read(&cluster, &partition.at(offset), 1).await?;
            Ok(first.first().map_or(offset, |record| record.position.offset))
        })
    }
}

impl Observe for KafkaLog {
    fn moved(&self) -> watch::Receiver<u64> {
        self.moved.clone()
    }

    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError> {
        let (shared, asked) = (Arc::clone(&self.shared), group.clone());
        let state = self.ask(async move {
            let state = shared.states.of(&asked, task).map_err(ReadError::Failed)?;
            shared.cluster.restore(&asked, task, &state).await.map_err(ReadError::Failed)?;
            Ok(state)
        })?;
        state.orders(from, limit).map_err(ReadError::Failed)
    }

    fn follow(&self, group: &GroupName, task: TaskId) -> Option<Result<Followed, ReadError>> {
        let followed = |state: Arc<TaskState>| {
            let wanted = Wanted { group: group.clone(), task, state: Arc::clone(&state), is_standby: false };
            // Nobody follows once the log is closed; what is here stays readable.
            drop(self.shared.wishes.send(Wish::Follow(wanted)));
            Followed { positions: state.positions(), state }
        };
        Some(self.shared.states.of(group, task).map(followed).map_err(ReadError::Failed))
    }

    fn committed(
        &self,
        group: &GroupName,
        inputs: &[TopicPartition],
    ) -> Option<Result<BTreeMap<TopicPartition, Offset>, ReadError>> {
        let (cluster, group, inputs) = (self.cluster(), group.clone(), inputs.to_vec());
        Some(self.ask(async move { cluster.committed(&group, &inputs, false).await.map_err(ReadError::Failed) }))
    }

    fn owners(&self, group: &GroupName, tasks: &[TaskId]) -> Option<BTreeMap<TaskId, TaskOwner>> {
        Some(self.shared.owners.of(group, tasks))
    }

    fn health(&self) -> Health {
        let cluster = &self.shared.cluster;
        match cluster.silence().or_else(|| cluster.refusals.any()) {
            None => Health::Serving,
            Some(reason) => Health::Unreachable { reason },
        }
    }
}

impl Log for KafkaLog {
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        Box::pin(self.door.append(batch))
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let (cluster, cursors, from) = (self.cluster(), Arc::clone(&self.cursors), from.clone());
        self.ask(async move { cursors.read(&cluster, &from, bytes_max).await })
    }

    fn release(&self, before: &Position) {
        let (cluster, before) = (self.cluster(), before.clone());
        self.shared.cluster.spawn(async move { cluster.delete_before(&before).await });
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        let failed = |error: ReadError| match error {
            ReadError::UnknownPartition(partition) => JoinError::UnknownPartition(partition),
            error => JoinError::Failed(error.to_string()),
        };
        let (cluster, asked) = (self.cluster(), membership.clone());
        self.ask(async move {
            for input in asked.tasks.iter().flat_map(|task| &task.inputs) {
                cluster.check(input).await.map_err(|error| match error {
                    ReadError::UnknownTopic(_) => ReadError::UnknownPartition(input.clone()),
                    error => error,
                })?;
            }
            let tasks = asked.tasks.iter().map(|task| task.task.0 + 1).max().unwrap_or(1);
            cluster.ensure_changelog(&asked.group, tasks).await.map_err(ReadError::Failed)
        })
        .map_err(failed)?;
        Ok(Box::new(KafkaMember::join(&self.shared, membership)))
    }

    fn commit_interval(&self) -> CommitInterval {
        self.shared.cluster.options.commit_interval
    }
}

/// Tells readers that there is more, whoever wrote it.
async fn watch_ends(cluster: std::sync::Weak<Cluster>, cursors: std::sync::Weak<Cursors>, moved: watch::Sender<u64>) {
    let mut known = Vec::new();
    loop {
        tokio::time::sleep(WATCH).await;
        let (Some(cluster), Some(cursors)) = (cluster.upgrade(), cursors.upgrade()) else { return };
        let partitions = cursors.partitions();
        if partitions.is_empty() {
            continue;
        }
        let answer = cluster.offsets(&partitions, OffsetSpec::Latest).await;
        cluster.note(&answer);
        match answer {
            Ok(ends) => {
                let ends: Vec<_> = partitions.into_iter().zip(ends).collect();
                if ends != known {
                    known = ends;
                    moved.send_modify(|count| *count += 1);
                }
            }
            Err(error) => tracing::debug!(%error, "the ends of partitions are not known"),
        }
    }
}
