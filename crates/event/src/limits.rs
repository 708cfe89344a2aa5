//! Every default limit in one place. A door checks them before it holds the bytes; the app file (`limits:`) can override those
//! in [`Limits`], the constants hold everywhere.

/// Limits a deployment may change in its app file (`limits:`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body after decompression, in bytes.
    pub body_bytes_max: usize,
    /// Most events in one batch request.
    pub batch_events_max: usize,
    /// Deepest nesting of arrays and objects in JSON data.
    pub json_depth_max: usize,
    /// How far an event's time may lie ahead of the door's clock, in seconds; further would close windows too early.
    pub time_ahead_seconds_max: i64,
    /// How long a door remembers an event's identity, in days.
    pub deduplication_days: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            batch_events_max: 1_000,
            json_depth_max: 64,
            time_ahead_seconds_max: 3_600,
            deduplication_days: 7,
        }
    }
}

/// Most extension attributes of one event.
pub const ATTRIBUTES_MAX: usize = 64;
/// Most bytes of all extension attributes of one event together, names and values.
pub const ATTRIBUTES_BYTES_MAX: usize = 32 * 1024;
/// Longest key in bytes.
pub const KEY_BYTES_MAX: usize = 64 * 1024;
/// Longest key of an event that an operator keeps state for, in bytes: a row of state is found by it, and by what else tells the
/// operator's rows apart, and the store's keys have less than 64 KiB.
pub const STATE_KEY_BYTES_MAX: usize = 16 * 1024;
/// Longest value that an operator finds its state by, in bytes of JSON.
pub const STATE_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Longest id, source, type or subject in bytes.
pub const CONTEXT_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Longest name of a topic, pipeline, model or operator in bytes (they are ASCII).
pub const NAME_BYTES_MAX: usize = 200;
/// Longest expression in the app file, in bytes of source.
pub const EXPRESSION_BYTES_MAX: usize = 64 * 1024;
/// Fields within fields of a GraphQL operation.
pub const GRAPHQL_DEPTH_MAX: usize = 12;
/// What the fields of a GraphQL operation may cost together.
pub const GRAPHQL_COMPLEXITY_MAX: usize = 1_000;
/// Most aliases of a GraphQL operation.
pub const GRAPHQL_ALIASES_MAX: usize = 30;
/// Most partitions of one topic.
pub const PARTITIONS_MAX: u32 = 1_024;
/// Most events one event may become in a pipeline; more of them would make one commit, which is held in memory.
pub const FAN_OUT_EVENTS_MAX: usize = 10_000;
/// Most bytes of data of the events that one event becomes.
pub const FAN_OUT_BYTES_MAX: usize = 16 * 1024 * 1024;
