//! One consumer: its topics, and every change of its positions.
//!
//! Changes of a partition's position happen one after the other (each holds the partition's lock), so a position that was
//! checked to go forward does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riverrun_event::{AppName, ConsumerName, Offset, TopicName, TopicPartition};
use riverrun_log::{Commit, GroupName, Log, ReadError, TaskCommit, TaskId, TaskInputs};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::cursor::Cursor;
use super::error::ConsumerError;
use super::seat::Seat;
use super::sharing::{ReaderName, Refused, Sharing};
use super::to_its_end;
use crate::http::cursor::From;

/// A consumer of this process.
pub(crate) struct Consumer {
    pub(super) name: ConsumerName,
    pub(super) log: Arc<dyn Log>,
    app: AppName,
    sharing: Mutex<Sharing>,
    /// Changes its value when partitions were given to readers.
    pub(super) changed: watch::Sender<u64>,
    /// As they are stored, and the seats of those that are loaded.
    topics: Mutex<BTreeMap<TopicName, Option<Arc<Seat>>>>,
    locks: Mutex<BTreeMap<TopicPartition, Arc<AsyncMutex<()>>>>,
}

/// Where positions are set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The first event kept, where retention has passed the position.
    Kept,
    /// There, in every partition.
    At(From),
}

/// A topic that is about to be added: its seat, and positions that are durable.
pub(super) struct Begun {
    topic: TopicName,
    seat: Seat,
    positions: Vec<(TopicPartition, Offset)>,
}

impl Consumer {
    pub(super) fn new(log: Arc<dyn Log>, app: AppName, name: ConsumerName, topics: Vec<TopicName>) -> Self {
        Self {
            name,
            log,
            app,
            sharing: Mutex::default(),
            changed: watch::Sender::new(0),
            topics: Mutex::new(topics.into_iter().map(|topic| (topic, None)).collect()),
            locks: Mutex::default(),
        }
    }

    /// Whether it reads all of these, and can.
    pub(super) fn is_ready(&self, topics: &[TopicName]) -> bool {
        let known = self.known();
        known.values().all(Option::is_some) && topics.iter().all(|topic| known.contains_key(topic))
    }

    pub(super) fn missing(&self, topics: &[TopicName]) -> Vec<TopicName> {
        let known = self.known();
        topics.iter().filter(|topic| !known.contains_key(*topic)).cloned().collect()
    }

    pub(crate) fn topics(&self) -> Vec<TopicName> {
        self.known().keys().cloned().collect()
    }

    /// Takes the seats it does not have, with the positions as committed.
    pub(super) async fn load(&self) -> Result<(), ConsumerError> {
        let absent: Vec<_> =
            self.known().iter().filter(|(_, seat)| seat.is_none()).map(|(topic, _)| topic.clone()).collect();
        for topic in absent {
            let seat = self.seat(&topic).await?;
            let positions = seat.tasks().flat_map(|task| task.positions.clone()).collect();
            self.add(vec![Begun { topic, seat, positions }]);
        }
        Ok(())
    }

    /// Commits the first positions of topics it does not read yet.
    pub(super) async fn begin(&self, topics: &[TopicName], from: &From) -> Result<Vec<Begun>, ConsumerError> {
        let mut begun = Vec::with_capacity(topics.len());
        for topic in topics {
            let positions = self.resolve(topic, &Target::At(from.clone())).await?;
            let seat = self.seat(topic).await?;
            let commits = seat.tasks().zip(&positions).map(|(task, (partition, next))| TaskCommit {
                positions: vec![(partition.clone(), *next)],
                ..TaskCommit::new(task.task, task.epoch)
            });
            let commit = Commit { tasks: commits.collect() };
            seat.commit(commit).await?;
            begun.push(Begun { topic: topic.clone(), seat, positions });
        }
        Ok(begun)
    }

    pub(super) fn add(&self, begun: Vec<Begun>) {
        let mut sharing = self.sharing();
        for Begun { topic, seat, positions } in begun {
            for (task, (partition, next)) in seat.tasks().zip(positions) {
                sharing.add(partition, task.epoch, next);
            }
            self.known().insert(topic, Some(Arc::new(seat)));
        }
    }

    /// Joins the consumer's group in a topic: a task for each partition, numbered like it.
    async fn seat(&self, topic: &TopicName) -> Result<Seat, ConsumerError> {
        let partitions = self.partitions(topic)?;
        let task = |input: TopicPartition| TaskInputs { task: TaskId(input.partition.0), inputs: vec![input] };
        let group = GroupName::consumer(&self.app, &self.name, topic);
        Ok(Seat::take(&self.log, group, partitions.into_iter().map(task).collect()).await?)
    }

    fn partitions(&self, topic: &TopicName) -> Result<Vec<TopicPartition>, ReadError> {
        let count = self.log.describe(topic)?.spec.partitions;
        Ok((0..count).map(|number| TopicPartition::new(topic.clone(), riverrun_event::Partition(number))).collect())
    }

    /// Ends it: nothing can be read or committed any more.
    pub(super) fn close(&self) {
        let topics = std::mem::take(&mut *self.known());
        let mut sharing = self.sharing();
        topics.keys().for_each(|topic| sharing.remove(topic));
    }

    /// Makes the positions of a cursor durable. One that lies behind what is committed changes nothing.
    pub(crate) async fn commit(self: &Arc<Self>, cursor: Cursor) -> Result<(), ConsumerError> {
        let consumer = Arc::clone(self);
        to_its_end(async move {
            // Before locks are made for partitions that only the caller knows.
            consumer.check(&cursor)?;
            let _locks = consumer.lock(cursor.0.keys()).await;
            let new = consumer.check(&cursor)?;
            consumer.store(new, Sharing::committed).await
        })
        .await
    }

    fn check(&self, cursor: &Cursor) -> Result<Vec<(TopicPartition, Offset)>, ConsumerError> {
        self.sharing().check(cursor, Instant::now()).map_err(|refused| match refused {
            Refused::Lost(partition) => ConsumerError::Lost(partition),
            Refused::NotHandedOut(partition) => ConsumerError::NotHandedOut(partition),
        })
    }

    /// Sets positions anew, in one of its topics or all of them. What readers have in hand they cannot commit any more.
    pub(crate) async fn reset(self: &Arc<Self>, target: Target, topic: Option<TopicName>) -> Result<(), ConsumerError> {
        let consumer = Arc::clone(self);
        to_its_end(async move {
            let topics = topic.map_or_else(|| consumer.topics(), |topic| vec![topic]);
            let held = consumer.sharing().held().into_iter().map(|held| held.partition);
            let mut partitions: Vec<_> = held.filter(|partition| topics.contains(&partition.topic)).collect();
            partitions.sort_unstable();
            let _locks = consumer.lock(partitions.iter()).await;
            let mut new = Vec::new();
            for topic in &topics {
                new.extend(consumer.resolve(topic, &target).await?);
            }
            consumer.store(new, Sharing::reset).await?;
            consumer.announce();
            Ok(())
        })
        .await
    }

    /// The positions a target means in a topic.
    async fn resolve(
        &self,
        topic: &TopicName,
        target: &Target,
    ) -> Result<Vec<(TopicPartition, Offset)>, ConsumerError> {
        let committed: BTreeMap<_, _> =
            self.sharing().held().into_iter().map(|held| (held.partition, held.committed)).collect();
        let (log, topic, target) = (Arc::clone(&self.log), topic.clone(), target.clone());
        let resolved = spawn_blocking(move || resolve(&*log, &topic, &target, &committed)).await;
        Ok(resolved.map_err(|error| ReadError::Failed(error.to_string()))??)
    }

    /// Makes positions durable, topic by topic, and notes them with `note`. After a failure the topic is loaded anew: its readers
    /// read again.
    async fn store(
        &self,
        positions: Vec<(TopicPartition, Offset)>,
        note: fn(&mut Sharing, &TopicPartition, Offset),
    ) -> Result<(), ConsumerError> {
        for positions in positions.chunk_by(|(one, _), (other, _)| one.topic == other.topic) {
            let Some((first, _)) = positions.first() else { continue };
            let seat = self.known().get(&first.topic).cloned().flatten();
            let seat = seat.ok_or_else(|| ConsumerError::Lost(first.clone()))?;
            if let Err(error) = seat.commit(self.commit_of(positions)).await {
                self.unload(&first.topic, &seat);
                return Err(error.into());
            }
            let mut sharing = self.sharing();
            positions.iter().for_each(|(partition, next)| note(&mut sharing, partition, *next));
        }
        Ok(())
    }

    fn commit_of(&self, positions: &[(TopicPartition, Offset)]) -> Commit {
        let sharing = self.sharing();
        let task = |(partition, next): &(TopicPartition, Offset)| {
            let epoch = sharing.epoch(partition)?;
            let positions = vec![(partition.clone(), *next)];
            Some(TaskCommit { positions, ..TaskCommit::new(TaskId(partition.partition.0), epoch) })
        };
        Commit { tasks: positions.iter().filter_map(task).collect() }
    }

    fn unload(&self, topic: &TopicName, seat: &Arc<Seat>) {
        let mut sharing = self.sharing();
        if let Some(held) =
            self.known().get_mut(topic).filter(|held| held.as_ref().is_some_and(|held| Arc::ptr_eq(held, seat)))
        {
            *held = None;
            sharing.remove(topic);
        }
    }

    /// A reader goes; others get its partitions.
    pub(crate) fn leave(&self, reader: &ReaderName) {
        self.sharing().leave(reader);
        self.announce();
    }

    /// Wakes readers that wait.
    pub(super) fn announce(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Locks partitions in their order, so that no two changes wait for each other.
    async fn lock(&self, partitions: impl Iterator<Item = &TopicPartition>) -> Vec<OwnedMutexGuard<()>> {
        let locks: Vec<_> = {
            let mut known = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            partitions.map(|partition| Arc::clone(known.entry(partition.clone()).or_default())).collect()
        };
        let mut guards = Vec::with_capacity(locks.len());
        for lock in locks {
            guards.push(lock.lock_owned().await);
        }
        guards
    }

    pub(super) fn sharing(&self) -> MutexGuard<'_, Sharing> {
        // Nothing panics while it holds the lock, here and below. Taken before `topics` where both are.
        self.sharing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<TopicName, Option<Arc<Seat>>>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// May block for the log.
fn resolve(
    log: &dyn Log,
    topic: &TopicName,
    target: &Target,
    committed: &BTreeMap<TopicPartition, Offset>,
) -> Result<Vec<(TopicPartition, Offset)>, ReadError> {
    let description = log.describe(topic)?;
    if let Target::At(from) = target
        && let Some((unknown, _)) = from.offsets().iter().find(|(named, _)| description.offsets_of(*named).is_none())
    {
        return Err(ReadError::UnknownPartition(TopicPartition::new(topic.clone(), *unknown)));
    }
    let mut positions = Vec::with_capacity(description.offsets.len());
    for (number, kept) in (0..).map(riverrun_event::Partition).zip(&description.offsets) {
        let partition = TopicPartition::new(topic.clone(), number);
        match target {
            Target::At(from) => {
                let next = from.offset(log, &partition, kept)?.min(kept.end);
                positions.push((partition, next));
            }
            Target::Kept if committed.get(&partition).is_some_and(|next| *next < kept.start) => {
                positions.push((partition, kept.start));
            }
            Target::Kept => {}
        }
    }
    Ok(positions)
}
