//! Rows of events that wait under their key, in the order of their times; those of one time in the order they came.
//!
//! A row key is the event key's prefix, a byte that tells the operator's lanes apart, the time, and a number among the rows of
//! that time.

use bytes::Bytes;
use riverrun_event::limits::FAN_OUT_EVENTS_MAX;
use riverrun_event::{Key, OperatorName, Time};

use crate::context::{KeyedState, StepError};
use crate::rows::{RowReader, end_of, prefix_of, put_time, unreadable};

use super::flat_map::flood;

/// Bytes of a row key behind the byte of its lane: the time and the number.
const BEHIND_LANE: usize = 12 + 4;

/// The rows of one kind of one key.
pub(super) struct Lane<'n> {
    name: &'n OperatorName,
    prefix: Vec<u8>,
}

impl<'n> Lane<'n> {
    /// A lane of an event's key.
    pub(super) fn new(name: &'n OperatorName, key: &Key, lane: u8) -> Self {
        let mut prefix = prefix_of(key.as_bytes());
        prefix.push(lane);
        Self { name, prefix }
    }

    /// The rows with `from <= time < to`, in order.
    ///
    /// # Errors
    /// [`StepError::Event`] (RR0315) when there are more than one event may become.
    pub(super) fn rows(
        &self,
        state: &mut dyn KeyedState,
        from: Time,
        to: Time,
    ) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        let rows = state.scan(self.name, &self.bound(from), &self.bound(to), FAN_OUT_EVENTS_MAX + 1)?;
        if rows.len() > FAN_OUT_EVENTS_MAX { Err(flood(self.name)) } else { Ok(rows) }
    }

    /// The first row with `from <= time < to`.
    pub(super) fn first(
        &self,
        state: &mut dyn KeyedState,
        from: Time,
        to: Time,
    ) -> Result<Option<(Bytes, Bytes)>, StepError> {
        Ok(state.scan(self.name, &self.bound(from), &self.bound(to), 1)?.into_iter().next())
    }

    /// Puts a row behind those of its time; gives its key.
    pub(super) fn add(&self, state: &mut dyn KeyedState, time: Time, value: Vec<u8>) -> Result<Vec<u8>, StepError> {
        let mut row = self.bound(time);
        let same_time = state.scan(self.name, &row, &end_of(&row), FAN_OUT_EVENTS_MAX)?;
        let number = match same_time.last() {
            None => 0,
            Some((last, _)) => number_of(last)?.checked_add(1).ok_or_else(|| flood(self.name))?,
        };
        // Beyond what was read the number would not be a new one.
        if same_time.len() >= FAN_OUT_EVENTS_MAX {
            return Err(flood(self.name));
        }
        row.extend(number.to_be_bytes());
        state.put(self.name, &row, Some(value.into()));
        Ok(row)
    }

    fn bound(&self, time: Time) -> Vec<u8> {
        let mut row = self.prefix.clone();
        put_time(&mut row, time);
        row
    }
}

/// The lane and the time of a row.
pub(super) fn lane_and_time(row: &Bytes) -> Result<(u8, Time), StepError> {
    let at = row.len().checked_sub(BEHIND_LANE + 1).ok_or_else(unreadable)?;
    let mut reader = RowReader::new(row.slice(at..));
    Ok((reader.byte()?, reader.time()?))
}

fn number_of(row: &[u8]) -> Result<u32, StepError> {
    let number = row.last_chunk::<4>().ok_or_else(unreadable)?;
    Ok(u32::from_be_bytes(*number))
}
