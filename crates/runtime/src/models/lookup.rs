//! Answers a step's look-ups: from the task itself for models fed by its own input, else from the broadcast store within the
//! frontier of the commit.

use std::cell::RefCell;
use std::collections::BTreeMap;

use riverrun_event::{ModelName, OperatorName, Time, TopicPartition};
use riverrun_log::Direction;
use riverrun_topology::document::Json;
use riverrun_topology::{ModelVersion, Models, StepError};

use super::cache::VersionCache;
use super::store::{Frontier, ModelStore, newest_version};
use crate::overlay::Overlay;
use crate::sabotage;

/// The models of a pipeline that live in its own tasks: who owns their rows, and the input partition they come from.
pub type OwnModels = BTreeMap<ModelName, (OperatorName, TopicPartition)>;

/// Model look-ups for one commit of one task.
pub struct Lookup<'a> {
    /// Broadcast models.
    pub store: &'a ModelStore,
    /// How far they count; `None` (recompute) takes them by event time alone.
    pub frontier: Option<&'a Frontier>,
    /// Models in the task.
    pub own: &'a OwnModels,
    /// The task's state.
    pub state: &'a RefCell<Overlay>,
    /// What the task has looked up under this frontier.
    pub cache: &'a mut VersionCache,
}

impl Models for Lookup<'_> {
    fn version(&mut self, model: &ModelName, key: &[u8], at: Time) -> Result<Option<ModelVersion>, StepError> {
        let Some((operator, input)) = self.own.get(model) else { return self.broadcast(model, key, at) };
        let state = self.state.borrow();
        let scan = |from: &[u8], to: &[u8], limit| state.range(operator, from, to, Direction::Descending, limit);
        let version = newest_version(key, at, None, scan)?;
        Ok(version.and_then(|version| {
            Some(ModelVersion { position: input.at(version.revision), data: Json::check(version.data?) })
        }))
    }
}

impl Lookup<'_> {
    fn broadcast(&mut self, model: &ModelName, key: &[u8], at: Time) -> Result<Option<ModelVersion>, StepError> {
        let frontier = if sabotage::frontier_ignored() { None } else { self.frontier };
        let cached = frontier.is_some() && self.cache.is_steady();
        if cached && let Some(entry) = self.cache.get(model, key, at) {
            return Ok(entry.version.clone());
        }
        let mut found = self.store.version(model, key, at, frontier)?;
        if cached {
            found.until = self.store.next_change(model, key, at)?;
            self.cache.put(model, key, found.clone());
        }
        Ok(found.version)
    }
}
