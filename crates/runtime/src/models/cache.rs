//! Versions a task has looked up lately, with the time they are in force for.
//!
//! Correct by construction: an entry says from when until when its answer holds, and all entries belong to one frontier; a moved
//! frontier empties the cache. It pays where models change rarely next to the events that look them up, so it is only filled
//! once a frontier has stood still for two commits; a look-up that fills it costs a second scan, for the end of the interval.

use std::collections::HashMap;

use bytes::Bytes;
use riverrun_event::{ModelName, Time};
use riverrun_topology::ModelVersion;

use super::store::Frontier;

/// Most bytes one task's cache may have put before it starts anew; small next to what its commits hold.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// What an entry takes besides its key and data, roughly.
const ENTRY_BYTES: usize = 256;

/// The cache of one task.
#[derive(Default)]
pub struct VersionCache {
    frontier: Frontier,
    is_steady: bool,
    models: HashMap<ModelName, HashMap<Bytes, InForce>>,
    bytes: usize,
}

/// An answer and when it holds.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The version, `None` where the entity was unknown or deleted.
    pub version: Option<ModelVersion>,
    /// From when on, inclusive; `None`: since ever.
    pub from: Option<Time>,
    /// Until when, exclusive; `None`: for ever.
    pub until: Option<Time>,
}

impl InForce {
    fn holds_at(&self, time: Time) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }
}

impl VersionCache {
    /// A commit begins with this frontier.
    pub fn begin(&mut self, frontier: &Frontier) {
        self.is_steady = self.frontier == *frontier;
        if !self.is_steady {
            self.frontier.clone_from(frontier);
            self.clear();
        }
    }

    /// Whether it is worth to put entries.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.is_steady
    }

    /// What is known to be in force at `at`.
    #[must_use]
    pub fn get(&self, model: &ModelName, entity: &[u8], at: Time) -> Option<&InForce> {
        self.models.get(model)?.get(entity).filter(|entry| entry.holds_at(at))
    }

    /// Keeps an answer, in place of an earlier one of the same entity.
    pub fn put(&mut self, model: &ModelName, entity: &[u8], entry: InForce) {
        let data = entry.version.as_ref().map_or(0, |version| version.data.len());
        let bytes = ENTRY_BYTES + entity.len() + data;
        if self.bytes + bytes > BYTES_MAX {
            self.clear();
        }
        self.bytes += bytes;
        let entities = match self.models.get_mut(model) {
            Some(entities) => entities,
            None => self.models.entry(model.clone()).or_default(),
        };
        entities.insert(Bytes::copy_from_slice(entity), entry);
    }

    fn clear(&mut self) {
        self.models.values_mut().for_each(HashMap::clear);
        self.bytes = 0;
    }
}
