//! Applies an event to a model: which entity it is about, and what is known of it from then on.
//!
//! A version replaces what was known, or is merged into it (RFC 7396). A merge that comes late, with an earlier event time than
//! versions already there, is carried into those too: they get a new revision, and a reader behind the frontier still sees the
//! old one. Versions beyond the model's history are removed when their entity is next written.

use bytes::Bytes;
use riverrun_event::{OperatorName, Record, Time};
use riverrun_log::Direction;
use riverrun_topology::{Draft, EvaluationError, EventError, KeyedState, Model, StepError};

use super::merge::merge_patch;
use super::version::{Version, key_after, key_end, key_from};
use crate::overlay::Overlay;

/// Most rows one scan takes; longer histories are read in several.
const SCAN_ROWS: usize = 256;

/// A model made ready to take events.
pub struct Feed {
    model: Model,
    operator: OperatorName,
}

impl Feed {
    /// Prepares a model.
    #[must_use]
    pub fn new(model: Model) -> Self {
        let operator = OperatorName::of_model(&model.name);
        Self { model, operator }
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Applies one event of the model's topic.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event names no entity or does not fit the model's expressions.
    pub fn apply(&self, record: &Record, state: &mut Overlay) -> Result<(), StepError> {
        let mut draft = Draft::new(record.event.clone(), record.accepted);
        if let Some(when) = &self.model.when
            && !when.evaluate_bool(&mut draft).map_err(|error| self.refused(error))?
        {
            return Ok(());
        }
        if record.event.data.is_some() && !record.event.is_json() {
            let kind = record.event.content_type.as_deref().unwrap_or_default();
            return Err(self.event_error("RR0312", format!("a model keeps JSON, and the event's data is {kind}")));
        }
        let entity = self.entity(&mut draft)?;
        let time = record.event_time();
        match &self.model.merge {
            None => {
                let (origin, data) = (record.position.offset, record.event.data.clone());
                let version = Version { time, origin, revision: origin, data, patch: None };
                state.put(&self.operator, &version.key(&entity), Some(version.value()));
            }
            Some(part) => {
                let patch = match record.event.data {
                    None => None,
                    Some(_) => Some(part.evaluate_json(&mut draft).map_err(|error| self.refused(error))?),
                };
                self.merge(&entity, record, patch, state)?;
            }
        }
        self.forget(&entity, time, state)
    }

    fn entity(&self, draft: &mut Draft) -> Result<Bytes, StepError> {
        let key = match &self.model.key {
            Some(expression) => expression.evaluate_key(draft).map_err(|error| self.refused(error))?,
            None => draft.header().key.clone(),
        };
        key.map(|key| key.to_bytes()).ok_or_else(|| {
            self.event_error("RR0310", "the event has no key, so it names no entity of the model".to_owned())
        })
    }

    /// Puts the merged version of this event, and new revisions of the versions after it.
    fn merge(
        &self,
        entity: &[u8],
        record: &Record,
        patch: Option<Bytes>,
        state: &mut Overlay,
    ) -> Result<(), StepError> {
        let (time, revision) = (record.event_time(), record.position.offset);
        let before = self.newest_until(entity, time, state)?.and_then(|version| version.data);
        let mut known = self.merged(before.as_ref(), patch.as_ref())?;
        let version = Version { time, origin: revision, revision, data: known.clone(), patch: Some(patch) };
        state.put(&self.operator, &version.key(entity), Some(version.value()));
        for later in self.newest_revisions_after(entity, time, state)? {
            let Some(patch) = later.patch else { continue };
            known = self.merged(known.as_ref(), patch.as_ref())?;
            let version = Version { revision, data: known.clone(), patch: Some(patch), ..later };
            state.put(&self.operator, &version.key(entity), Some(version.value()));
        }
        Ok(())
    }

    fn newest_until(&self, entity: &[u8], time: Time, state: &Overlay) -> Result<Option<Version>, StepError> {
        let (from, to) = (key_from(entity, Time::from_unix(i64::MIN, 0)), key_after(entity, time));
        let rows = state.range(&self.operator, &from, &to, Direction::Descending, 1)?;
        Ok(rows.first().and_then(|(key, value)| Version::decode(key, value)))
    }

    /// Of each version after `time`, its newest revision, oldest first.
    fn newest_revisions_after(&self, entity: &[u8], time: Time, state: &Overlay) -> Result<Vec<Version>, StepError> {
        let mut versions: Vec<Version> = Vec::new();
        let (mut from, to) = (key_after(entity, time), key_end(entity));
        loop {
            let rows = state.range(&self.operator, &from, &to, Direction::Ascending, SCAN_ROWS)?;
            for version in rows.iter().filter_map(|(key, value)| Version::decode(key, value)) {
                match versions.last_mut() {
                    Some(last) if (last.time, last.origin) == (version.time, version.origin) => *last = version,
                    _ => versions.push(version),
                }
            }
            match rows.last() {
                Some((last, _)) if rows.len() == SCAN_ROWS => from = after(last),
                _ => return Ok(versions),
            }
        }
    }

    fn merged(&self, known: Option<&Bytes>, patch: Option<&Bytes>) -> Result<Option<Bytes>, StepError> {
        match (known, patch) {
            (_, None) => Ok(None),
            (known, Some(patch)) => {
                let known = known.map_or(&b"{}"[..], |known| known);
                let merged = merge_patch(known, patch);
                merged
                    .map(Some)
                    .map_err(|error| self.event_error("RR0311", format!("the data cannot be merged: {error}")))
            }
        }
    }

    /// Removes versions of the entity that lie beyond the history, but never the newest of them: it is still in force.
    fn forget(&self, entity: &[u8], time: Time, state: &mut Overlay) -> Result<(), StepError> {
        let Some(history) = self.model.history else { return Ok(()) };
        let stream_time = self.stream_time(time, state)?;
        let (from, to) =
            (key_from(entity, Time::from_unix(i64::MIN, 0)), key_after(entity, stream_time.minus(history)));
        let rows = state.range(&self.operator, &from, &to, Direction::Ascending, SCAN_ROWS)?;
        let Some((_, beyond)) = rows.split_last() else { return Ok(()) };
        beyond.iter().for_each(|(key, _)| state.put(&self.operator, key, None));
        Ok(())
    }

    /// The highest event time this task has seen for the model, this one included.
    fn stream_time(&self, time: Time, state: &mut Overlay) -> Result<Time, StepError> {
        // Shorter than the length field every version row starts with, so no row of an entity.
        const KEY: &[u8] = b"t";
        let held = state.get(&self.operator, KEY)?.and_then(|bytes| decode_time(&bytes));
        let newest = held.map_or(time, |held| held.max(time));
        if held != Some(newest) {
            let text = format!("{} {}", newest.unix_seconds(), newest.subsecond_nanoseconds());
            state.put(&self.operator, KEY, Some(text.into()));
        }
        Ok(newest)
    }

    fn refused(&self, error: EvaluationError) -> StepError {
        self.event_error("RR0301", error.message)
    }

    fn event_error(&self, code: &'static str, message: String) -> StepError {
        StepError::Event(EventError { code, operator: self.operator.clone(), message })
    }
}

fn decode_time(bytes: &[u8]) -> Option<Time> {
    let (seconds, nanoseconds) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
    Some(Time::from_unix(seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

/// The smallest key after `key`.
fn after(key: &Bytes) -> Bytes {
    [key, &b"\0"[..]].concat().into()
}
