//! How one event is made of two: the data of one is put into that of the other, and both are named as what it was made from.

use bytes::Bytes;
use riverrun_event::OperatorName;

use crate::context::StepError;
use crate::document::Path;
use crate::draft::{Cause, DataError, Draft};

use super::{data_failed, put};

/// The attribute of an event that was made of two: where the other one is, besides the one that caused it.
pub const JOINED_ATTRIBUTE: &str = "rrjoined";

/// What stands where the other event's data goes, as long as there is none.
const NOTHING: &[u8] = b"null";

/// The event's data as JSON.
///
/// # Errors
/// [`StepError::Event`] (RR0302) when it has none, or it is not JSON.
pub(super) fn json_of(name: &OperatorName, draft: &mut Draft) -> Result<Bytes, StepError> {
    let json = draft.document().and_then(|document| {
        let document = document.ok_or(DataError::Absent)?;
        let whole = document.whole();
        Ok(document.bytes(whole))
    });
    json.map_err(|error| data_failed(name, error))
}

/// A copy of the event with null at the place where another's data goes, so that an event that cannot hold it fails when it
/// comes, and not later in the place of another.
///
/// # Errors
/// [`StepError::Event`] (RR0302).
pub(super) fn with_place(name: &OperatorName, draft: &Draft, place: &Path) -> Result<Draft, StepError> {
    let mut copy = draft.clone();
    put(&mut copy, place, NOTHING).map_err(|error| data_failed(name, error))?;
    Ok(copy)
}

/// Puts the other event's data in its place. `trigger` is what came now, `other` what had come before.
///
/// # Errors
/// [`StepError::Event`] (RR0302).
pub(super) fn pair(
    name: &OperatorName,
    mut event: Draft,
    place: &Path,
    json: &[u8],
    trigger: Option<&Cause>,
    other: Option<&Cause>,
) -> Result<Draft, StepError> {
    put(&mut event, place, json).map_err(|error| data_failed(name, error))?;
    if let Some(other) = other {
        event.header_mut().attributes.set(JOINED_ATTRIBUTE, other.position.to_string());
    }
    Ok(match trigger {
        Some(trigger) => event.caused_by(trigger.clone()),
        None => event,
    })
}
