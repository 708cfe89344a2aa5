//! A row of an aggregate's state: what is kept of the events of one key and window.
//!
//! The row's key is that of the events, followed, where there are windows, by a time: the start of a window of fixed length or
//! of a session, the end of a sliding window. The value begins with a byte that says which of these follow, in this order:
//! the time of a session's last event; when the result was last emitted and whether another waits; the header of the last
//! event with its cause; what is kept of the events at the end of a sliding window alone; what is kept of all of the window.

use bytes::Bytes;
use riverrun_event::Time;

use crate::context::StepError;
use crate::rows::{RowReader, put_bytes, put_time};

use super::method::{Kept, Method};

const LATEST: u8 = 1;
const EMITTED: u8 = 1 << 1;
const WAITING: u8 = 1 << 2;
const LAST: u8 = 1 << 3;
const OWN: u8 = 1 << 4;
const KEPT: u8 = 1 << 5;

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    /// The highest time of an event in a session.
    pub(super) latest: Option<Time>,
    /// When the result was last emitted, where that may not be too often.
    pub(super) emitted: Option<Time>,
    /// Whether what changed since waits to be emitted.
    pub(super) is_waiting: bool,
    /// The header of the last event, for what is emitted later; `None` once that is done.
    pub(super) last: Option<Bytes>,
    /// What is kept of the events at the end of a sliding window.
    pub(super) own: Option<Kept>,
    /// What is kept of all events of the window; `None` for a sliding window that was over when its event came.
    pub(super) kept: Option<Kept>,
}

impl Row {
    /// The row as bytes.
    pub(super) fn write(&self, method: &Method) -> Bytes {
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let flags = flag(LATEST, self.latest.is_some())
            | flag(EMITTED, self.emitted.is_some())
            | flag(WAITING, self.is_waiting)
            | flag(LAST, self.last.is_some())
            | flag(OWN, self.own.is_some())
            | flag(KEPT, self.kept.is_some());
        // A count takes three bytes; others grow once or twice.
        let mut row = Vec::with_capacity(16 + self.last.as_ref().map_or(0, Bytes::len));
        row.push(flags);
        for time in [self.latest, self.emitted].into_iter().flatten() {
            put_time(&mut row, time);
        }
        if let Some(last) = &self.last {
            put_bytes(&mut row, last);
        }
        for kept in [&self.own, &self.kept].into_iter().flatten() {
            method.write(kept, &mut row);
        }
        row.into()
    }

    /// Reads it back.
    pub(super) fn read(method: &Method, row: Bytes) -> Result<Self, StepError> {
        let mut reader = RowReader::new(row);
        let flags = reader.byte()?;
        let has = |flag: u8| flags & flag != 0;
        Ok(Self {
            latest: if has(LATEST) { Some(reader.time()?) } else { None },
            emitted: if has(EMITTED) { Some(reader.time()?) } else { None },
            is_waiting: has(WAITING),
            last: if has(LAST) { Some(reader.bytes()?) } else { None },
            own: if has(OWN) { Some(method.read(&mut reader)?) } else { None },
            kept: if has(KEPT) { Some(method.read(&mut reader)?) } else { None },
        })
    }
}
