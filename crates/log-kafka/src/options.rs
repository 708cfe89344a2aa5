//! Which cluster, and as whom.

use std::fmt;
use std::time::Duration;

use krafka::auth::AuthConfig;

/// How a log on Kafka is opened.
#[derive(Clone)]
pub struct Options {
    /// `host:port` of some brokers, separated by commas; the others are learned from them.
    pub brokers: String,
    /// Names this instance among those of the app: part of its members' and transactions' names, so it has to be the same after a
    /// restart and no other's.
    pub instance: String,
    /// What the names of topics, groups and transactions on the cluster begin with, so that several apps can share it.
    pub prefix: String,
    /// Copies of each partition, where topics are created; the cluster's default without it.
    pub replication: Option<i16>,
    /// How the connection is secured and who connects; plain and nobody without it.
    pub security: Option<AuthConfig>,
    /// How long a member may be silent before its tasks go to others. The cluster bounds it, from 6 s as a rule.
    pub session: Duration,
    /// How long a member has to finish its work when tasks move.
    pub rebalance: Duration,
}

impl Options {
    /// The defaults for a cluster and an instance.
    #[must_use]
    pub fn new(brokers: impl Into<String>, instance: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            instance: instance.into(),
            prefix: String::new(),
            replication: None,
            security: None,
            session: Duration::from_secs(10),
            rebalance: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = formatter.debug_struct("Options");
        written.field("brokers", &self.brokers).field("instance", &self.instance).field("prefix", &self.prefix);
        // Who connects is secret.
        written.field("secured", &self.security.is_some()).finish_non_exhaustive()
    }
}
