//! What a door received, before it is known to be good.

use riverrun_event::Event;

/// An event as a door received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The event without its key. `id`, `source` and `kind` are empty where the sender gave none.
    pub event: Event,
    /// The attribute `partitionkey`.
    pub partition_key: Option<Box<str>>,
    /// Whether the sender sent bare data: then the topic's `id:` and `time:` and the defaults complete the event.
    pub bare: bool,
    /// Whether the data is known to be valid JSON within the depth limit.
    pub data_checked: bool,
}

impl Received {
    /// Nothing so far.
    #[must_use]
    pub fn new() -> Self {
        Self { event: Event::new("", "", ""), partition_key: None, bare: false, data_checked: false }
    }
}

impl Default for Received {
    fn default() -> Self {
        Self::new()
    }
}
