//! A relay: how it is set up, and one session with PostgreSQL after the other until it is told to end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use riverrun_accept::Acceptor;
use riverrun_event::limits::Limits;
use riverrun_log::Log;
use riverrun_outbox::{Database, SchemaName};
use tokio::sync::watch;

use crate::error::RelayError;
use crate::metrics::Metrics;
use crate::polling;
use crate::publish::Publisher;
use crate::session::Session;
use crate::status::{RelayState, StatusHandle};
use crate::watching::Watching;

/// Between sessions: doubled from the first to the second.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Large against what autovacuum leaves at thousands of rows a second, small against a disk.
pub const ROTATE_BYTES_DEFAULT: u64 = 256 * 1024 * 1024;

/// What becomes of an aggregate when one of its rows is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDead {
    /// Its later rows wait until somebody decides.
    #[default]
    Park,
    /// Its later rows go on.
    Skip,
}

/// How a relay works.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Where the rows are.
    pub database: Database,
    /// In which schema.
    pub schema: SchemaName,
    /// How often a row is tried before it is marked.
    pub attempts: u32,
    /// Before the second attempt; twice as long before each one after it, up to a minute.
    pub backoff: Duration,
    /// What becomes of an aggregate when one of its rows is marked.
    pub on_dead: OnDead,
    /// Whether positions are told to whoever listens on PostgreSQL.
    pub notify: bool,
    /// How often to look where PostgreSQL cannot wake the relay.
    pub poll: Duration,
    /// Bytes of a partition of the outbox after which the other one is written.
    pub rotate_bytes: u64,
    /// Limits of the doors.
    pub limits: Limits,
    /// Whether events go into the entrances of their topics, since the log does not deduplicate.
    pub entrances: bool,
}

/// A relay.
pub struct Relay {
    pub(crate) database: Database,
    pub(crate) schema: SchemaName,
    pub(crate) poll: Duration,
    pub(crate) rotate_bytes: u64,
    pub(crate) publisher: Publisher,
    closing: watch::Receiver<bool>,
}

impl Relay {
    /// A relay that ends when `closing` becomes true.
    #[must_use]
    pub fn new(
        options: RelayOptions,
        acceptor: Arc<Acceptor>,
        log: Arc<dyn Log>,
        metrics: Metrics,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let RelayOptions {
            database,
            schema,
            attempts,
            backoff,
            on_dead,
            notify,
            poll,
            rotate_bytes,
            limits,
            entrances,
        } = options;
        let attempts = attempts.max(1);
        let status = StatusHandle::default();
        let publisher =
            Publisher { acceptor, log, limits, entrances, on_dead, attempts, backoff, notify, metrics, status };
        Self { database, schema, poll, rotate_bytes, publisher, closing }
    }

    /// Where it leaves its status.
    #[must_use]
    pub fn status(&self) -> StatusHandle {
        self.publisher.status.clone()
    }

    /// Relays until it is told to end. Whatever happens to PostgreSQL, it tries again; it ends by itself only when the log has stopped.
    pub async fn run(self) {
        let mut closing = self.closing.clone();
        tokio::select! {
            () = self.sessions() => {}
            // What is in hand is in the table too, so it may be dropped anywhere.
            _ = closing.wait_for(|closing| *closing) => {}
        }
    }

    async fn sessions(&self) {
        let (mut pause, mut said) = (RECONNECT.0, String::new());
        loop {
            let begun = Instant::now();
            let error = match self.session().await {
                Err(RelayError::Log(reason)) => {
                    self.publisher
                        .status
                        .change(|status| (status.state, status.reason) = (RelayState::Unreachable, Some(reason)));
                    return;
                }
                Err(error) => format!("{error} ({})", error.code()),
                Ok(never) => match never {},
            };
            if begun.elapsed() > RECONNECT.1 {
                (pause, said) = (RECONNECT.0, String::new());
            }
            // Once for each reason, not with each attempt.
            if said != error {
                tracing::warn!("the outbox is not relayed: {error}; trying again");
                said.clone_from(&error);
            }
            self.publisher.status.change(|status| {
                (status.state, status.reason, status.shards, status.idle) =
                    (RelayState::Unreachable, Some(error), 0, false);
            });
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RECONNECT.1);
        }
    }

    async fn session(&self) -> Result<std::convert::Infallible, RelayError> {
        let mut session = Session::open(&self.database, &self.schema).await?;
        if !session.hears().await? {
            return polling::poll(self, session).await;
        }
        Watching::begin(self, session).await?.run().await
    }
}
