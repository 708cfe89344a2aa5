//! `snapshot`: puts the state every named model had at the event's time into the data, and the versions taken into `rrsnapshot`.
//!
//! ```
//! use riverrun_event::{Event, ModelName, OperatorName, Position, Time};
//! use riverrun_topology::document::{Json, Path};
//! use riverrun_topology::operators::snapshot::{Snapshot, SnapshotModel};
//! use riverrun_topology::{Draft, Expression, ModelVersion, Models, StepError};
//!
//! struct Planes;
//! impl Models for Planes {
//!     fn version(&mut self, _: &ModelName, key: &[u8], _: Time) -> Result<Option<ModelVersion>, StepError> {
//!         let position: Position = "planes/2@1042".parse().expect("a position");
//!         Ok((key == b"N14228").then(|| ModelVersion { position, data: Json::check(r#"{"seats":149}"#) }))
//!     }
//! }
//!
//! let plane = SnapshotModel {
//!     model: ModelName::new("plane")?,
//!     key: Expression::parse("data.tailnum")?,
//!     place: Path::parse("data.snapshot.plane")?,
//! };
//! let mut event = Event::new("1", "/flights", "flight");
//! event.data = Some(r#"{"tailnum":"N14228"}"#.into());
//! let mut draft = Draft::new(event, Time::from_unix(0, 0));
//! Snapshot { models: vec![plane] }.apply(&OperatorName::new("snapshot-1")?, &mut draft, &mut Planes)?;
//! let event = draft.into_event();
//! assert_eq!(event.data.as_deref(), Some(&br#"{"tailnum":"N14228","snapshot":{"plane":{"seats":149}}}"#[..]));
//! assert_eq!(event.attributes.get("rrsnapshot"), Some("plane=planes/2@1042"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use riverrun_event::{ModelName, OperatorName};

use crate::context::{Flow, ModelVersion, Models, StepError};
use crate::document::{Json, Path};
use crate::draft::{DataError, Draft};
use crate::expression::Expression;

use super::{data_failed, evaluation_failed};

/// The attribute that names the versions taken: `plane=planes/2@1042,airline=-`, `-` where there was none.
pub const SNAPSHOT_ATTRIBUTE: &str = "rrsnapshot";

/// About what the note of one model takes: most need no second allocation.
const NOTE_BYTES: usize = 32;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The models, in order.
    pub models: Vec<SnapshotModel>,
}

/// One model of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotModel {
    /// The model.
    pub model: ModelName,
    /// The entity.
    pub key: Expression,
    /// Where its state is put; `data.snapshot.<model>` unless `as:` says otherwise.
    pub place: Path,
}

impl SnapshotModel {
    /// Where a model's state is put unless another place is named: `data.snapshot.<model>`.
    #[must_use]
    pub fn default_place(model: &ModelName) -> Path {
        Path::below("snapshot", model.as_str())
    }

    /// The version of the event's entity at the event's time; none where it is not known, or the key is null.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0301) when the key's expression fails; [`StepError::Fatal`] when the model cannot be read.
    pub(super) fn look_up(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        models: &mut dyn Models,
    ) -> Result<Option<ModelVersion>, StepError> {
        let at = draft.event_time();
        let key = self.key.evaluate_key(draft).map_err(|error| evaluation_failed(name, error))?;
        match key {
            Some(key) => models.version(&self.model, key.as_bytes(), at),
            None => Ok(None),
        }
    }
}

impl Snapshot {
    /// Takes the snapshot of one event. An entity that is not known, or a key that is null, gives null.
    ///
    /// # Errors
    /// [`StepError::Event`] when a key's expression fails (RR0301) or the data cannot hold the state (RR0302);
    /// [`StepError::Fatal`] when a model cannot be read.
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft, models: &mut dyn Models) -> Result<Flow, StepError> {
        let mut taken = Taken::before(draft, self.models.len());
        for entry in &self.models {
            let version = entry.look_up(name, draft, models)?;
            taken.put(name, draft, entry, version.as_ref())?;
        }
        taken.note(draft);
        Ok(Flow::Pass)
    }
}

/// What an event's `rrsnapshot` says so far.
pub(super) struct Taken(String);

impl Taken {
    /// What steps before took.
    pub(super) fn before(draft: &Draft, more: usize) -> Self {
        let before = draft.header().attributes.get(SNAPSHOT_ATTRIBUTE).unwrap_or_default();
        let mut taken = String::with_capacity(before.len() + more * NOTE_BYTES);
        taken.push_str(before);
        Self(taken)
    }

    /// Puts a version into the event's data.
    pub(super) fn put(
        &mut self,
        name: &OperatorName,
        draft: &mut Draft,
        entry: &SnapshotModel,
        version: Option<&ModelVersion>,
    ) -> Result<(), StepError> {
        splice(draft, &entry.place, version).map_err(|error| data_failed(name, error))?;
        note(&mut self.0, &entry.model, version);
        Ok(())
    }

    /// Names the versions in the event's attribute.
    pub(super) fn note(self, draft: &mut Draft) {
        draft.header_mut().attributes.set(SNAPSHOT_ATTRIBUTE, self.0);
    }
}

/// Puts the state a version holds; it was checked when it was fetched, which may have been many events ago.
fn splice(draft: &mut Draft, place: &Path, version: Option<&ModelVersion>) -> Result<(), DataError> {
    let document = draft.document()?.ok_or(DataError::Absent)?;
    match version {
        Some(version) => document.set_json(place, version.data.as_ref().map_err(Clone::clone)?)?,
        None => document.set_json(place, &Json::NULL)?,
    }
    Ok(())
}

fn note(taken: &mut String, model: &ModelName, version: Option<&ModelVersion>) {
    if !taken.is_empty() {
        taken.push(',');
    }
    taken.push_str(model.as_str());
    taken.push('=');
    match version {
        // Writing to a string cannot fail.
        Some(version) => drop(version.position.write_to(taken)),
        None => taken.push('-'),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, check_error, draft};
    use super::*;
    use crate::operators::Operator;

    fn snapshot(models: &[(&str, &str)]) -> Operator {
        let entry = |(model, key): &(&str, &str)| SnapshotModel {
            model: ModelName::new(model).unwrap(),
            key: Expression::parse(key).unwrap(),
            place: Path::parse(&format!("data.snapshot.{model}")).unwrap(),
        };
        Operator::Snapshot(Snapshot { models: models.iter().map(entry).collect() })
    }

    #[test]
    fn steps_append_their_versions() {
        let mut world = World::default();
        world.versions.insert(("plane".into(), b"N1".to_vec()), ("planes/2@7", "{\"seats\": 9}"));
        let mut draft = draft(r#"{"tail":"N1","carrier":null}"#);
        world.apply(&snapshot(&[("plane", "data.tail"), ("airline", "data.carrier")]), &mut draft).unwrap();
        world.apply(&snapshot(&[("weather", "'EWR'")]), &mut draft).unwrap();
        let event = draft.into_event();
        assert_eq!(event.attributes.get(SNAPSHOT_ATTRIBUTE), Some("plane=planes/2@7,airline=-,weather=-"));
        assert_eq!(
            event.data.unwrap(),
            r#"{"tail":"N1","carrier":null,"snapshot":{"plane":{"seats": 9},"airline":null,"weather":null}}"#
        );
    }

    #[test]
    fn a_key_that_is_no_key_is_the_events_error() {
        let message = "the key is a truth value; a key is text or an integer (in `data.x == 1`)";
        check_error(&snapshot(&[("plane", "data.x == 1")]), "{}", "RR0301", message);
    }
}
