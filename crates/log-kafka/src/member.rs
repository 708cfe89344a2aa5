//! A member of a group as a worker has it: its tasks come and go with the group's generations, and a commit is one transaction of
//! outputs, changelog and positions that carries the generation, so that nobody commits for a task that has moved.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use krafka::KrafkaError;
use krafka::admin::ListConsumerGroupOffsetsOptions;
use krafka::consumer::ConsumerGroupMetadata;
use krafka::error::ErrorCode;
use krafka::producer::{TopicPartitionOffset, TransactionState, TransactionalProducer};
use riverrun_event::{Offset, Time, TopicPartition};
use riverrun_log::{
    Answer, Assigned, Assignment, Commit, CommitError, Committed, Epoch, GroupName, Member, Membership, NewRecord,
    Revoke, StateRead, TaskCommit, TaskId,
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::binding::encode;
use crate::cluster::Cluster;
use crate::door::{newest, producer_of};
use crate::group::{self, Generation, Given, Joining, Word};
use crate::state::{TaskState, changed, ordered};

/// Words that may wait for whoever listens.
const WORDS_MAX: usize = 64;
/// How long a commit whose outcome nobody knows is asked for again.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// The tasks that are open in this process, for whoever reads their order records.
pub(crate) type OpenTasks = Mutex<HashMap<(GroupName, TaskId), Arc<TaskState>>>;

/// What members of a log share.
pub(crate) struct Shared {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) open: OpenTasks,
    pub(crate) moved: watch::Sender<u64>,
}

pub(crate) struct KafkaMember {
    assignments: mpsc::Receiver<Assignment>,
    committing: Arc<tokio::sync::Mutex<Committing>>,
    shared: Arc<Shared>,
}

/// What a commit needs; one at a time.
struct Committing {
    producer: Option<TransactionalProducer>,
    owned: Arc<Mutex<Owned>>,
    group: GroupName,
    counts: HashMap<riverrun_event::TopicName, u32>,
    number: u64,
}

/// The tasks a member has, and the generation it has them in.
#[derive(Default)]
struct Owned {
    generation: Option<Generation>,
    tasks: BTreeMap<TaskId, Task>,
}

#[derive(Clone)]
struct Task {
    epoch: Epoch,
    state: Arc<TaskState>,
}

impl KafkaMember {
    pub(crate) fn join(shared: &Arc<Shared>, membership: Membership) -> Self {
        let (sender, assignments) = mpsc::channel(WORDS_MAX);
        let owned = Arc::new(Mutex::new(Owned::default()));
        let committing = Arc::new(tokio::sync::Mutex::new(Committing {
            producer: None,
            owned: Arc::clone(&owned),
            group: membership.group.clone(),
            counts: HashMap::new(),
            number: 0,
        }));
        let guide =
            Guide { shared: Arc::clone(shared), membership, owned, sender, committing: Arc::clone(&committing) };
        shared.cluster.spawn(guide.run());
        Self { assignments, committing, shared: Arc::clone(shared) }
    }
}

impl Member for KafkaMember {
    fn next(&mut self) -> Answer<'_, Assignment> {
        Box::pin(async {
            match self.assignments.recv().await {
                Some(assignment) => assignment,
                // Another has this one's name: nothing will ever come, and commits are refused.
                None => std::future::pending().await,
            }
        })
    }

    fn commit(&self, commit: Commit) -> Answer<'static, Result<Committed, CommitError>> {
        let (committing, shared) = (Arc::clone(&self.committing), Arc::clone(&self.shared));
        let (sender, receiver) = oneshot::channel();
        // On the log's own runtime: a commit goes on when nobody waits for it any more.
        self.shared.cluster.spawn(async move {
            let answer = committing.lock().await.commit(&shared, commit).await;
            drop(sender.send(answer));
        });
        Box::pin(async {
            receiver.await.unwrap_or_else(|_| Err(CommitError::Uncertain("the log was closed".to_owned())))
        })
    }
}

/// Follows the group's word: opens tasks that come, and has those given up that go.
struct Guide {
    shared: Arc<Shared>,
    membership: Membership,
    owned: Arc<Mutex<Owned>>,
    sender: mpsc::Sender<Assignment>,
    committing: Arc<tokio::sync::Mutex<Committing>>,
}

impl Guide {
    async fn run(self) {
        let cluster = &self.shared.cluster;
        let Membership { group, seat, .. } = &self.membership;
        // Whoever had this seat is fenced before anything is read that it might still change.
        let producer = loop {
            match producer_of(cluster, &format!("{}{group}.{seat}", cluster.transactions())).await {
                Ok(producer) => break producer,
                Err(error) if self.sender.is_closed() => return drop(error),
                Err(error) => tracing::warn!(%group, %error, "no transactions yet; trying again"),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        self.committing.lock().await.producer = Some(producer);
        let (words, mut heard) = mpsc::channel(WORDS_MAX);
        let (give, given) = mpsc::channel(WORDS_MAX);
        let joining = Joining::new(cluster, &self.membership);
        cluster.spawn(group::run(joining, words, given));
        loop {
            let word = tokio::select! {
                word = heard.recv() => word,
                () = self.sender.closed() => None,
            };
            let Some(word) = word else { break };
            match word {
                Word::Tasks { generation, tasks, owners } => {
                    tracing::debug!(%group, ?owners, "who has the tasks of the group");
                    self.follow(generation, &tasks, &give).await;
                }
                Word::Lost(reason) => {
                    tracing::warn!(%group, reason, "the tasks of this member are over");
                    let lost: Vec<TaskId> = self.forget(|_| true);
                    if !lost.is_empty() {
                        let (acknowledge, _) = oneshot::channel();
                        drop(self.sender.send(Assignment::Revoke(Revoke { tasks: lost, acknowledge })).await);
                    }
                }
            }
        }
        self.forget(|_| true);
    }

    async fn follow(&self, generation: Generation, tasks: &BTreeSet<TaskId>, give: &mpsc::Sender<Given>) {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).generation = Some(generation);
        let had: BTreeSet<TaskId> =
            self.owned.lock().unwrap_or_else(PoisonError::into_inner).tasks.keys().copied().collect();
        for task in tasks.difference(&had) {
            match self.open(*task).await {
                Ok(assigned) => {
                    if self.sender.send(Assignment::Assigned(assigned)).await.is_err() {
                        return;
                    }
                }
                Err(reason) => {
                    tracing::error!(group = %self.membership.group, %task, reason, "a task cannot be opened")
                }
            }
        }
        let going: Vec<TaskId> = had.difference(tasks).copied().collect();
        if going.is_empty() {
            return;
        }
        let (acknowledge, acknowledged) = oneshot::channel();
        drop(self.sender.send(Assignment::Revoke(Revoke { tasks: going.clone(), acknowledge })).await);
        // Whoever does not answer in time has lost them all the same: the group does not wait longer.
        let patience = self.shared.cluster.options.rebalance / 2;
        drop(tokio::time::timeout(patience, acknowledged).await);
        // After a commit that is under way.
        let committing = self.committing.lock().await;
        self.forget(|task| going.contains(task));
        drop(committing);
        drop(give.send(Given(tasks.clone())).await);
    }

    /// Lets go of tasks; gives those it had.
    fn forget(&self, which: impl Fn(&TaskId) -> bool) -> Vec<TaskId> {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let lost: Vec<TaskId> = owned.tasks.keys().copied().filter(|task| which(task)).collect();
        let mut open = self.shared.open.lock().unwrap_or_else(PoisonError::into_inner);
        for task in &lost {
            let state = owned.tasks.remove(task).map(|task| task.state);
            let key = (self.membership.group.clone(), *task);
            // Unless its next owner is in this process and has opened it.
            if open.get(&key).zip(state.as_ref()).is_some_and(|(open, own)| Arc::ptr_eq(open, own)) {
                open.remove(&key);
            }
        }
        lost
    }

    /// Reads what a task has committed, whoever did.
    async fn open(&self, task: TaskId) -> Result<Assigned, String> {
        let cluster = &self.shared.cluster;
        let declared = self.membership.tasks.iter().find(|declared| declared.task == task);
        let inputs = declared.map(|declared| declared.inputs.clone()).unwrap_or_default();
        let positions = self.positions(inputs).await?;
        let changes = cluster.changes(&self.membership.group, task).await?;
        let state = Arc::new(TaskState::restored(changes));
        // Only commits of this very ownership carry it; between owners the group's generation decides.
        let now = Time::now();
        let epoch = Epoch(
            u64::try_from(now.unix_seconds()).unwrap_or_default() * 1_000_000_000
                + u64::from(now.subsecond_nanoseconds()),
        );
        let key = (self.membership.group.clone(), task);
        self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&state));
        let owned = Task { epoch, state: Arc::clone(&state) };
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).tasks.insert(task, owned);
        Ok(Assigned { task, epoch, positions, state: state as Arc<dyn StateRead> })
    }

    /// Where to read on: as committed, once no transaction is open that might change it; the start where nothing was.
    async fn positions(&self, inputs: Vec<TopicPartition>) -> Result<BTreeMap<TopicPartition, Offset>, String> {
        let cluster = &self.shared.cluster;
        let asked = inputs.iter().map(|input| cluster.partition(input)).collect();
        let options = ListConsumerGroupOffsetsOptions::default().require_stable(true).partitions(asked);
        let committed = cluster.admin.list_consumer_group_offsets(cluster.group(&self.membership.group), options).await;
        let committed = committed.map_err(|error| error.to_string())?;
        let mut positions = BTreeMap::new();
        for input in inputs {
            let found = committed.get(&cluster.partition(&input)).and_then(|offset| offset.as_ref().ok()?.offset);
            let offset = match found {
                Some(offset) => Offset(u64::try_from(offset).unwrap_or_default()),
                None => {
                    let start =
                        cluster.offsets(std::slice::from_ref(&input), krafka::admin::OffsetSpec::Earliest).await;
                    start.map_err(|error| error.to_string())?.first().copied().unwrap_or(Offset(0))
                }
            };
            positions.insert(input, offset);
        }
        Ok(positions)
    }
}

/// The changes of a task's state, as they go into the changelog.
type Changes = Vec<(Vec<u8>, Option<Bytes>)>;

impl Committing {
    async fn commit(&mut self, shared: &Shared, commit: Commit) -> Result<Committed, CommitError> {
        let cluster = &*shared.cluster;
        let (tasks, generation) = self.check(&commit)?;
        self.check_topics(cluster, &commit).await?;
        let Some(first) = commit.tasks.first().map(|task| task.task) else { return Ok(self.committed()) };
        let Some(producer) = self.producer.take() else { return Err(CommitError::Fenced { task: first }) };
        let written = match producer.begin() {
            Ok(()) => write(cluster, &producer, &self.group, &generation, commit, &tasks).await,
            Err(error) => Err(error),
        };
        let (changes, outputs) = match written {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(group = %self.group, %error, "a commit is given up");
                // The producer that comes after this one ends what cannot be ended here.
                drop(producer.abort().await);
                return Err(refused(&error, first));
            }
        };
        finish(&producer, first).await?;
        for (task, changes) in tasks.into_iter().zip(changes) {
            task.state.apply(changes);
        }
        self.producer = Some(producer);
        cluster.settle(&outputs).await;
        shared.moved.send_modify(|count| *count += 1);
        Ok(self.committed())
    }

    fn committed(&mut self) -> Committed {
        let now = u64::try_from(Time::now().unix_ms()).unwrap_or_default() << 20;
        self.number = now.max(self.number + 1);
        Committed { number: self.number }
    }

    /// The tasks of a commit, all of them still this member's own.
    fn check(&self, commit: &Commit) -> Result<(Vec<Task>, Generation), CommitError> {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tasks = Vec::with_capacity(commit.tasks.len());
        for TaskCommit { task, epoch, .. } in &commit.tasks {
            match owned.tasks.get(task).filter(|known| known.epoch == *epoch) {
                Some(known) => tasks.push(known.clone()),
                None => return Err(CommitError::Fenced { task: *task }),
            }
        }
        let nobody = Generation { number: -1, member_id: String::new() };
        Ok((tasks, owned.generation.clone().unwrap_or(nobody)))
    }

    async fn check_topics(&mut self, cluster: &Cluster, commit: &Commit) -> Result<(), CommitError> {
        for NewRecord { topic, partition, .. } in commit.tasks.iter().flat_map(|task| &task.records) {
            if !self.counts.contains_key(topic) {
                let found = cluster.counts(std::iter::once(topic)).await;
                self.counts.extend(found.map_err(|error| CommitError::Uncertain(error.to_string()))?);
            }
            if self.counts.get(topic).is_none_or(|count| partition.0 >= *count) {
                return Err(CommitError::UnknownTopic { topic: topic.clone(), partition: *partition });
            }
        }
        Ok(())
    }
}

/// Writes everything into the open transaction; gives the changes of each task, and where the last outputs are.
async fn write(
    cluster: &Cluster,
    producer: &TransactionalProducer,
    group: &GroupName,
    generation: &Generation,
    commit: Commit,
    tasks: &[Task],
) -> krafka::Result<(Vec<Changes>, HashMap<TopicPartition, Offset>)> {
    let changelog = cluster.changelog(group);
    let (mut outputs, mut handles, mut all, mut positions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (commit, task) in commit.tasks.into_iter().zip(tasks) {
        for NewRecord { topic, partition, event } in commit.records {
            let handle = producer.enqueue(encode(cluster.topic(&topic), partition, event)).await?;
            outputs.push((TopicPartition::new(topic, partition), handle));
        }
        let mut changes: Changes = commit.state.into_iter().map(changed).collect();
        changes.extend(commit.order.map(|order| ordered(task.state.orders_end(), &order)));
        for (key, value) in &changes {
            let mut record = krafka::Record::new(&changelog, Bytes::new());
            record.partition = i32::try_from(commit.task.0).ok();
            (record.key, record.value) = (Some(Bytes::copy_from_slice(key)), value.clone());
            handles.push(producer.enqueue(record).await?);
        }
        all.push(changes);
        for (input, next) in commit.positions {
            let next = i64::try_from(next.0).unwrap_or(i64::MAX);
            let partition = cluster.partition(&input);
            positions.push(TopicPartitionOffset::new(partition.topic, partition.partition, next));
        }
    }
    if !positions.is_empty() {
        let instance = Some(format!("{}/{}", cluster.options.instance, seat_of(producer)));
        let metadata =
            ConsumerGroupMetadata::new(cluster.group(group), generation.number, &generation.member_id, instance);
        producer.send_offsets(&positions, &metadata).await?;
    }
    for handle in handles {
        let _written = handle.await?;
    }
    let mut written = Vec::with_capacity(outputs.len());
    for (partition, handle) in outputs {
        written.push((partition, Offset(u64::try_from(handle.await?.offset).unwrap_or_default())));
    }
    Ok((all, newest(written)))
}

/// Commits; asks again for as long as nobody knows the outcome and patience lasts.
async fn finish(producer: &TransactionalProducer, first: TaskId) -> Result<(), CommitError> {
    let asking = async {
        loop {
            match producer.commit().await {
                Ok(()) => return Ok(()),
                Err(error) if producer.state() != TransactionState::CommitUnknown => {
                    drop(producer.abort().await);
                    return Err(refused(&error, first));
                }
                Err(error) if !error.is_retriable() => return Err(CommitError::Uncertain(error.to_string())),
                Err(error) => tracing::warn!(%error, "nobody answered a commit; it is asked for again"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let asked = tokio::time::timeout(COMMIT_PATIENCE, asking).await;
    asked.unwrap_or_else(|_| Err(CommitError::Uncertain("no broker told the outcome in time".to_owned())))
}

/// Nothing was changed: the task has moved, or something else went wrong.
fn refused(error: &KrafkaError, task: TaskId) -> CommitError {
    match error {
        KrafkaError::Broker {
            code:
                ErrorCode::IllegalGeneration
                | ErrorCode::UnknownMemberId
                | ErrorCode::FencedInstanceId
                | ErrorCode::ProducerFenced
                | ErrorCode::InvalidProducerEpoch
                | ErrorCode::RebalanceInProgress,
            ..
        } => CommitError::Fenced { task },
        error if error.is_fatal() => CommitError::Fenced { task },
        error => CommitError::Uncertain(error.to_string()),
    }
}

/// The last part of a producer's name is its seat.
fn seat_of(producer: &TransactionalProducer) -> &str {
    producer.transactional_id().rsplit('.').next().unwrap_or_default()
}
