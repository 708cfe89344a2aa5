//! Versions a task has looked up lately, with the time they are in force for.
//!
//! Correct by construction: an entry says from when until when its answer holds, and all entries belong to one frontier; a moved
//! frontier empties the cache. An entity has several entries where its events lie in several intervals.
//! It pays where models change rarely next to the events that look them up, so it is only filled
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
    /// Apps have few models: comparing names is quicker than hashing one.
    models: Vec<(ModelName, Entities)>,
    bytes: usize,
}

/// Per entity, what holds when, ordered by time. Intervals of one frontier do not overlap.
type Entities = HashMap<Bytes, Vec<InForce>>;

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
        let (_, entities) = self.models.iter().find(|(known, _)| known == model)?;
        let entries = entities.get(entity)?;
        let later = entries.partition_point(|entry| entry.from.is_none_or(|from| from <= at));
        entries.get(later.checked_sub(1)?).filter(|entry| entry.holds_at(at))
    }

    /// Keeps an answer that [`Self::get`] did not have.
    pub fn put(&mut self, model: &ModelName, entity: &[u8], entry: InForce) {
        let data = entry.version.as_ref().and_then(|version| version.data.as_ref().ok());
        let data = data.map_or(0, |data| data.as_bytes().len());
        let bytes = ENTRY_BYTES + entity.len() + data;
        if self.bytes + bytes > BYTES_MAX {
            self.clear();
        }
        self.bytes += bytes;
        let Some(entities) = self.entities(model) else { return };
        let entries = entities.entry(Bytes::copy_from_slice(entity)).or_default();
        let place = entries.partition_point(|known| known.from < entry.from);
        match entries.get_mut(place) {
            // The same version, found to hold for longer: a version beyond the frontier had seemed to end it.
            Some(known) if known.from == entry.from => *known = entry,
            _ => entries.insert(place, entry),
        }
    }

    fn entities(&mut self, model: &ModelName) -> Option<&mut Entities> {
        if !self.models.iter().any(|(known, _)| known == model) {
            self.models.push((model.clone(), HashMap::new()));
        }
        self.models.iter_mut().find(|(known, _)| known == model).map(|(_, entities)| entities)
    }

    fn clear(&mut self) {
        self.models.iter_mut().for_each(|(_, entities)| entities.clear());
        self.bytes = 0;
    }
}
