//! The process-wide store of broadcast models: one writer per model partition, any number of readers behind a frontier.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use riverrun_event::partitioner::partition_of_key;
use riverrun_event::{ModelName, Offset, OperatorName, Partition, Time, TopicPartition};
use riverrun_log::{Direction, ModelFrontier, StateError, StateRead};
use riverrun_topology::document::Json;
use riverrun_topology::{Model, ModelVersion, StepError, Topology};
use tokio::sync::watch;

use super::cache::InForce;
use super::is_placed_by_key;
use super::version::{Version, key_after, key_end, key_from};

/// All broadcast models of an app.
pub struct ModelStore {
    models: BTreeMap<ModelName, BroadcastModel>,
    moved: watch::Sender<u64>,
}

struct BroadcastModel {
    model: Model,
    operator: OperatorName,
    placed_by_key: bool,
    partitions: Vec<ModelPartition>,
}

/// What the task of one partition of the model's topic has applied.
struct ModelPartition {
    state: RwLock<Option<Arc<dyn StateRead>>>,
    next: AtomicU64,
}

/// How far each partition of some models was known at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier(pub BTreeMap<ModelName, Vec<Offset>>);

impl Frontier {
    /// For the order record.
    #[must_use]
    pub fn to_record(&self) -> Vec<ModelFrontier> {
        let partitions = |(model, offsets): (&ModelName, &Vec<Offset>)| {
            let model = model.clone();
            let numbered = (0_u32..).zip(offsets.clone());
            numbered
                .map(move |(partition, next)| ModelFrontier {
                    model: model.clone(),
                    partition: Partition(partition),
                    next,
                })
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(partitions).collect()
    }

    /// From an order record. Partitions come in order, as they were recorded.
    #[must_use]
    pub fn from_record(record: &[ModelFrontier]) -> Self {
        let mut models: BTreeMap<ModelName, Vec<Offset>> = BTreeMap::new();
        for frontier in record {
            models.entry(frontier.model.clone()).or_default().push(frontier.next);
        }
        Self(models)
    }
}

impl ModelStore {
    /// A store for these models of the topology, with nothing known yet.
    #[must_use]
    pub fn new(topology: &Topology, models: impl Iterator<Item = Model>) -> Self {
        let prepare = |model: Model| {
            let partitions = topology.topics.get(&model.from).map_or(0, |topic| topic.partitions);
            let prepared = BroadcastModel {
                operator: OperatorName::of_model(&model.name),
                placed_by_key: is_placed_by_key(topology, &model),
                partitions: (0..partitions)
                    .map(|_| ModelPartition { state: RwLock::new(None), next: AtomicU64::new(0) })
                    .collect(),
                model,
            };
            (prepared.model.name.clone(), prepared)
        };
        Self { models: models.map(prepare).collect(), moved: watch::Sender::new(0) }
    }

    /// The models held here.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values().map(|held| &held.model)
    }

    /// Changes whenever a frontier moves.
    #[must_use]
    pub fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// A model task publishes its committed state and how far it has applied its partition.
    pub fn publish(&self, model: &ModelName, partition: Partition, state: Arc<dyn StateRead>, next: Offset) {
        if let Some(held) = self.partition(model, partition) {
            *held.state.write().unwrap_or_else(PoisonError::into_inner) = Some(state);
            held.next.store(next.0, Ordering::Release);
            self.moved.send_modify(|count| *count += 1);
        }
    }

    /// A model task has committed up to `next`.
    pub fn advance(&self, model: &ModelName, partition: Partition, next: Offset) {
        if let Some(held) = self.partition(model, partition) {
            // Its owner and a follower of it may both say so, and one of them later.
            if held.next.fetch_max(next.0, Ordering::AcqRel) < next.0 {
                self.moved.send_modify(|count| *count += 1);
            }
        }
    }

    /// How far `models` are known right now.
    #[must_use]
    pub fn frontier<'a>(&self, models: impl Iterator<Item = &'a ModelName>) -> Frontier {
        Frontier(models.filter_map(|name| Some((name.clone(), self.next_offsets(name)?))).collect())
    }

    /// Whether every partition named in `goal` is known up to there.
    #[must_use]
    pub fn has_reached(&self, goal: &Frontier) -> bool {
        goal.0.iter().all(|(model, offsets)| {
            let reached = self.next_offsets(model).unwrap_or_default();
            offsets.iter().enumerate().all(|(index, end)| reached.get(index).is_some_and(|next| next >= end))
        })
    }

    /// Resolves when `goal` is reached.
    pub async fn reached(&self, goal: &Frontier) {
        let mut moved = self.moved();
        while !self.has_reached(goal) {
            if moved.changed().await.is_err() {
                return;
            }
        }
    }

    fn next_offsets(&self, model: &ModelName) -> Option<Vec<Offset>> {
        let held = self.models.get(model)?;
        Some(held.partitions.iter().map(|partition| Offset(partition.next.load(Ordering::Acquire))).collect())
    }

    fn partition(&self, model: &ModelName, partition: Partition) -> Option<&ModelPartition> {
        self.models.get(model)?.partitions.get(usize::try_from(partition.0).ok()?)
    }

    /// The version of `entity` in force at `at` among those with an offset below `frontier`, and from when on it is.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the store cannot be read or the model's task has not started.
    pub fn version(
        &self,
        model: &ModelName,
        entity: &[u8],
        at: Time,
        frontier: Option<&Frontier>,
    ) -> Result<InForce, StepError> {
        let held = self.held(model)?;
        let mut newest: Option<(Partition, Version)> = None;
        for partition in held.partitions_of(entity) {
            let next = frontier.map(|frontier| frontier_of(frontier, model, partition));
            let found = held.version_in(partition, entity, at, next)?;
            // Of two partitions with the same time the higher number wins: any fixed rule gives the same bytes each time.
            if let Some(found) = found
                && newest.as_ref().is_none_or(|(_, best)| best.time <= found.time)
            {
                newest = Some((partition, found));
            }
        }
        let from = newest.as_ref().map(|(_, version)| version.time);
        let version = newest.and_then(|(partition, version)| {
            let position = TopicPartition::new(held.model.from.clone(), partition).at(version.revision);
            Some(ModelVersion { position, data: Json::check(version.data?) })
        });
        Ok(InForce { version, from, until: None })
    }

    /// The time of the first version of `entity` after `at`, of any offset: what is in force at `at` is so at least until then.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the store cannot be read or the model's task has not started.
    pub fn next_change(&self, model: &ModelName, entity: &[u8], at: Time) -> Result<Option<Time>, StepError> {
        let held = self.held(model)?;
        let mut first: Option<Time> = None;
        for partition in held.partitions_of(entity) {
            let state = held.state_of(partition)?;
            let (from, to) = (key_after(entity, at), key_end(entity));
            let rows = state.scan(&held.operator, &from, &to, Direction::Ascending, 1).map_err(fatal)?;
            let time = rows.first().and_then(|(key, value)| Version::decode(key, value)).map(|version| version.time);
            first = first.into_iter().chain(time).min();
        }
        Ok(first)
    }

    fn held(&self, model: &ModelName) -> Result<&BroadcastModel, StepError> {
        self.models.get(model).ok_or_else(|| StepError::Fatal(format!("model {model} is not kept here")))
    }
}

fn fatal(error: StateError) -> StepError {
    StepError::Fatal(error.to_string())
}

fn frontier_of(frontier: &Frontier, model: &ModelName, partition: Partition) -> Offset {
    let offsets = frontier.0.get(model);
    offsets.and_then(|offsets| offsets.get(usize::try_from(partition.0).ok()?)).copied().unwrap_or_default()
}

impl BroadcastModel {
    /// The partitions that may hold versions of `entity`.
    fn partitions_of(&self, entity: &[u8]) -> impl Iterator<Item = Partition> + use<> {
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let partitions = if self.placed_by_key {
            let home = partition_of_key(entity, count).0;
            home..home.saturating_add(1)
        } else {
            0..count
        };
        partitions.map(Partition)
    }

    fn state_of(&self, partition: Partition) -> Result<Arc<dyn StateRead>, StepError> {
        let held = usize::try_from(partition.0).ok().and_then(|index| self.partitions.get(index));
        let state = held.and_then(|held| held.state.read().unwrap_or_else(PoisonError::into_inner).clone());
        state.ok_or_else(|| {
            StepError::Fatal(format!("the task of model {} partition {partition} has not started", self.model.name))
        })
    }

    fn version_in(
        &self,
        partition: Partition,
        entity: &[u8],
        at: Time,
        next: Option<Offset>,
    ) -> Result<Option<Version>, StepError> {
        let state = self.state_of(partition)?;
        newest_version(entity, at, next, |from, to, limit| {
            state.scan(&self.operator, from, to, Direction::Descending, limit).map_err(fatal)
        })
    }
}

/// The newest version until `at` with a revision below `next`, from rows that `scan` gives newest first.
pub(super) fn newest_version(
    entity: &[u8],
    at: Time,
    next: Option<Offset>,
    scan: impl Fn(&[u8], &[u8], usize) -> Result<Vec<(Bytes, Bytes)>, StepError>,
) -> Result<Option<Version>, StepError> {
    let from = key_from(entity, Time::from_unix(i64::MIN, 0));
    let mut to = key_after(entity, at);
    // Nearly always the first row is within the frontier; only then more are fetched.
    let mut limit = 1;
    loop {
        let rows = scan(&from, &to, limit)?;
        for (key, value) in &rows {
            let version = Version::decode(key, value)
                .ok_or_else(|| StepError::Fatal("a stored model version cannot be read".to_owned()))?;
            if next.is_none_or(|next| version.revision < next) {
                return Ok(Some(version));
            }
        }
        match rows.last() {
            Some((last, _)) if rows.len() == limit => to = last.clone(),
            _ => return Ok(None),
        }
        limit = 32;
    }
}
