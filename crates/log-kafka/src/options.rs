//! Which cluster, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use riverrun_log::{CommitInterval, Labels, NamedAssignor};

use crate::security::Security;

/// How long one request may take.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to come about.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How a log on Kafka is opened.
#[derive(Clone)]
pub struct Options {
    /// `host:port` of some brokers, separated by commas; the others are learned from them.
    pub brokers: String,
    /// Names this instance among those of the app: part of its members' and transactions' names, so it has to be the same after a
    /// restart and no other's.
    pub instance: String,
    /// Where the local copies of the tasks' states are kept. One instance at a time uses it.
    pub state_dir: PathBuf,
    /// Bytes of memory for what was read of the local copies.
    pub cache_bytes: u64,
    /// What assignors may know of this instance.
    pub labels: Labels,
    /// Where other instances reach this one; those of a group know it of each other.
    pub address: Option<String>,
    /// How the tasks of a group are dealt to its members; the same for all instances.
    pub assignor: NamedAssignor,
    /// What the names of topics, groups and transactions on the cluster begin with, so that several apps can share it.
    pub prefix: String,
    /// Copies of each partition, where topics are created; the cluster's default without it.
    pub replication: Option<i16>,
    /// How the connection is secured and who connects; plain and nobody without it.
    pub security: Option<Security>,
    /// How long a member may be silent before its tasks go to others. The cluster bounds it, from 6 s as a rule.
    pub session: Duration,
    /// How often workers commit: each commit is a transaction, which has a price of its own.
    pub commit_interval: CommitInterval,
    /// How records are compressed.
    pub compression: Compression,
    /// How many other instances keep a copy of the state of each task; the same for all instances.
    pub standbys: u32,
    /// How long a member has to finish its work when tasks move.
    pub rebalance: Duration,
}

/// How records are compressed that are written; any that Kafka knows is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// LZ4 frames.
    #[default]
    Lz4,
    /// Not at all.
    None,
}

impl Options {
    /// The defaults for a cluster, an instance and its own directory.
    #[must_use]
    pub fn new(brokers: impl Into<String>, instance: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            brokers: brokers.into(),
            instance: instance.into(),
            state_dir: state_dir.into(),
            cache_bytes: 32 * 1024 * 1024,
            labels: Labels::new(),
            address: None,
            assignor: NamedAssignor::default(),
            prefix: String::new(),
            replication: None,
            security: None,
            session: Duration::from_secs(10),
            commit_interval: CommitInterval { time: Duration::from_millis(50), bytes: 1024 * 1024 },
            compression: Compression::default(),
            standbys: 0,
            rebalance: Duration::from_secs(30),
        }
    }

    /// How long a transaction may take before the cluster gives it up. Whoever takes over the tasks of an instance that is gone
    /// waits for that, so it is no longer than needed.
    pub(crate) fn transaction_timeout(&self) -> Duration {
        self.session.max(REQUEST_TIMEOUT * 2)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = formatter.debug_struct("Options");
        written.field("brokers", &self.brokers).field("instance", &self.instance).field("prefix", &self.prefix);
        written.field("assignor", &self.assignor).field("security", &self.security).finish_non_exhaustive()
    }
}
