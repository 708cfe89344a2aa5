//! What can be chosen when a log is opened.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::Time;
use riverrun_store::Tuning;

/// How a log is opened. The default is what a server uses.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many whole days an event's identity is remembered for. 0 turns deduplication off.
    pub deduplication_days: u32,
    /// Bytes doors may have waiting; more is answered with [`riverrun_log::AppendError::Overloaded`].
    pub door_permit_bytes: usize,
    /// Bytes tasks may have waiting; more makes them wait. Apart from the doors', so that neither starves the other.
    pub task_permit_bytes: usize,
    /// Opens a log that holds less than its head says, and says what is gone. The only way past such a refusal.
    pub accept_data_loss: bool,
    /// Bytes of the newest records kept in memory for whoever reads at the end; 0 keeps none.
    pub tail_bytes: usize,
    /// When what was written is synced.
    pub sync: Syncing,
    /// How batches of records are compressed from now on; those that are there stay as they are.
    pub compression: Compression,
    /// How often old records are looked for.
    pub retention_interval: Duration,
    /// How often compacted topics are looked at.
    pub compaction_interval: Duration,
    /// How much the store may take.
    pub tuning: Tuning,
    /// Where accept times come from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deduplication_days: 7,
            // Four full cycles of the committer; memory stays bounded well below the block cache.
            door_permit_bytes: 16 * 1024 * 1024,
            task_permit_bytes: 16 * 1024 * 1024,
            accept_data_loss: false,
            // Some pages for each of a few hundred readers that keep up, and little beside the block cache.
            tail_bytes: 16 * 1024 * 1024,
            sync: Syncing::default(),
            compression: Compression::default(),
            // Retention is stated in hours and days; a quarter of a minute is near enough and costs nothing.
            retention_interval: Duration::from_secs(15),
            // Like retention; a pass is made only where enough has come since the last one.
            compaction_interval: Duration::from_secs(15),
            tuning: Tuning::default(),
            clock: Clock::default(),
        }
    }
}

/// When what was written is synced to disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncing {
    /// Before anyone is answered: nothing that was answered is lost.
    #[default]
    EachCommit,
    /// This often. A power cut loses the commits since; the end of the process loses nothing.
    Every(Duration),
}

/// How batches of records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: for data that is compressed already.
    None,
    /// LZ4, its fast level; lz4_flex has no other.
    #[default]
    Lz4,
}

impl Compression {
    /// The bytes compressed, where that makes them fewer.
    pub(crate) fn compress(self, raw: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::None => None,
            Self::Lz4 => Some(lz4_flex::block::compress(raw)).filter(|compressed| compressed.len() < raw.len()),
        }
    }
}

/// A source of time; tests bring their own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Time + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Time + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Time {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Time::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Clock({})", self.now())
    }
}
