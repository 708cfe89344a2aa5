//! A row of an operator's state as readers of a view see it.

use bytes::Bytes;
use riverrun_event::Time;

/// What a row of state says, apart from how it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRow {
    /// The key of the events it was made from.
    pub key: Vec<u8>,
    /// The window it belongs to, from its start up to its end; `None` where the state has no windows.
    pub window: Option<(Time, Time)>,
    /// The JSON that the operator would emit for it.
    pub data: Bytes,
}
