//! Batch mode: a JSON array of events in structured mode (CloudEvents JSON Batch Format 1.0.2). It may be empty.

use bytes::Bytes;

use super::structured::event;
use super::{DecodeError, Received};
use crate::json::{Reader, utf8};

/// Why a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// Which event, counted from 0; `None` when the array itself is at fault.
    pub index: Option<usize>,
    /// What is wrong with it.
    pub error: DecodeError,
}

impl BatchError {
    fn array(error: impl Into<DecodeError>) -> Self {
        Self { index: None, error: error.into() }
    }
}

/// Decodes a batch of at most `events_max` events; the data of each may be `depth_max` levels deep.
///
/// # Errors
/// [`BatchError`] names the first event at fault; reading stops there.
pub fn decode(body: &Bytes, events_max: usize, depth_max: usize) -> Result<Vec<Received>, BatchError> {
    let mut reader = Reader::new(utf8(body).map_err(BatchError::array)?);
    let mut events = Vec::new();
    reader.whitespace();
    reader.expect(b'[', "an array of events").map_err(BatchError::array)?;
    reader.whitespace();
    let mut more = !reader.eat(b']');
    while more {
        if events.len() >= events_max {
            return Err(BatchError::array(DecodeError::TooMany(events_max)));
        }
        let at_fault = |error| BatchError { index: Some(events.len()), error };
        let received = event(&mut reader, body, depth_max).map_err(at_fault)?;
        events.push(received);
        reader.whitespace();
        more = reader.eat(b',');
        if !more {
            reader.expect(b']', "',' or ']'").map_err(BatchError::array)?;
        }
        reader.whitespace();
    }
    reader.end().map_err(BatchError::array)?;
    Ok(events)
}
