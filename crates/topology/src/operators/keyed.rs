//! What operators that keep state share: the key of an event, and values that rows of state are found by.

use std::time::Duration;

use bytes::Bytes;
use riverrun_event::limits::{STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX};
use riverrun_event::{Key, OperatorName};

use crate::context::StepError;
use crate::draft::Draft;
use crate::expression::Expression;

use super::{evaluation_failed, event_error};

/// The least step of time: turns "after" into "from this on".
pub(crate) const NANOSECOND: Duration = Duration::from_nanos(1);

/// The key of an event at an operator that keeps state per key; `what` names that operator.
///
/// # Errors
/// [`StepError::Event`] when the event has no key (RR0305) or one that is too long (RR0325).
pub(super) fn key_of(operator: &OperatorName, draft: &Draft, what: &str) -> Result<Key, StepError> {
    let Some(key) = &draft.header().key else { return Err(event_error("RR0305", operator, no_key(what))) };
    refuse_long(operator, key, what)?;
    Ok(key.clone())
}

/// Refuses a key that is too long to keep state by.
///
/// # Errors
/// [`StepError::Event`] (RR0325).
pub(super) fn refuse_long(operator: &OperatorName, key: &Key, what: &str) -> Result<(), StepError> {
    let bytes = key.as_bytes().len();
    if bytes > STATE_KEY_BYTES_MAX {
        let message =
            format!("the key has {bytes} bytes; {what} keeps state for keys of at most {STATE_KEY_BYTES_MAX}");
        return Err(event_error("RR0325", operator, message));
    }
    Ok(())
}

pub(super) fn no_key(what: &str) -> String {
    format!(
        "{what} keeps state per key, but the event has no key; give its topic a key expression, or put `select_key` before it"
    )
}

/// The JSON of a value that rows are found by: text without needless escapes; none where it is null.
///
/// # Errors
/// [`StepError::Event`] when the expression fails (RR0301) or gives too much (RR0325).
pub(super) fn value_of(
    name: &OperatorName,
    expression: &Expression,
    draft: &mut Draft,
) -> Result<Option<Bytes>, StepError> {
    let json = expression.evaluate(draft).and_then(|value| value.to_json());
    let json = json.map_err(|error| evaluation_failed(name, error))?;
    if json.len() > STATE_VALUE_BYTES_MAX {
        let message = format!(
            "{} gives {} bytes; a value that state is found by has at most {STATE_VALUE_BYTES_MAX}",
            expression.source(),
            json.len()
        );
        return Err(event_error("RR0325", name, message));
    }
    Ok((json != "null").then_some(json))
}
