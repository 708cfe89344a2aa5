//! A consumer of the log that PostgreSQL wakes.

use std::time::Duration;

use riverrun_outbox::{Database, Listener, Told};

use crate::client::{Batch, Client, ClientError, Committed, Consumer as Reader};

/// How often to look without having been told, while PostgreSQL tells of new positions, and while it does not. It tells of rows only: what came
/// through other doors is found by looking.
const LOOK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));
/// How long a look waits for what was told: on Kafka, a position is told before its event is in the topic.
const TOLD_WAIT: Duration = Duration::from_secs(5);

/// Hands events over to a service: woken by PostgreSQL, caught up from the log.
///
/// It reads as a named consumer, so its position is kept by the server, and what it missed while it was away comes first. Each event is
/// handed over at least once; with an [`Inbox`](super::Inbox) in the handler's own transaction, its effect happens exactly once.
///
/// ```no_run
/// use riverrun::outbox::{Consumer, Database, Inbox};
///
/// # async fn run() -> Result<(), riverrun::Error> {
/// let database = Database::new("postgres://billing@localhost/billing")?;
/// let mut consumer = Consumer::new("http://127.0.0.1:8080", "billing", &["orders"], database.clone())?;
/// let (inbox, mut client) = (Inbox::new("billing"), database.connect().await?);
/// loop {
///     let batch = consumer.next().await?;
///     for (_, event) in batch.raw() {
///         let transaction = client.transaction().await?;
///         if !inbox.processed(&transaction, &event.source, &event.id).await? {
///             transaction.execute("update accounts set invoices = invoices + 1", &[]).await?;
///         }
///         transaction.commit().await?;
///     }
///     let _ = consumer.commit(batch).await?;
/// }
/// # }
/// ```
pub struct Consumer {
    reader: Reader,
    listener: Listener,
    /// Whether PostgreSQL tells of new positions.
    hears: bool,
    /// Whether there may be more than was read so far.
    behind: bool,
}

impl Consumer {
    /// A consumer `name` of these topics of the server at `url`, woken by `database`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Url`] when the address cannot be used.
    pub fn new(url: &str, name: &str, topics: &[&str], database: Database) -> Result<Self, ClientError> {
        Ok(Self::over(Client::new(url, None)?, name, topics, database))
    }

    /// A consumer `name` of these topics of a server that there is a client of, woken by `database`. Nothing is sent yet.
    #[must_use]
    pub fn over(client: Client, name: &str, topics: &[&str], database: Database) -> Self {
        let reader = Reader::over(client, name, topics);
        Self { reader, listener: Listener::new(database, topics), hears: false, behind: true }
    }

    /// The same consumer with a reader that was set up otherwise: a beginning, a limit, a session.
    #[must_use]
    pub fn with(mut self, reader: impl FnOnce(Reader) -> Reader) -> Self {
        self.reader = reader(self.reader);
        self
    }

    /// Waits for events. What was not committed comes again. Safe to drop while it waits.
    ///
    /// # Errors
    /// [`ClientError`] that trying again does not mend.
    pub async fn next(&mut self) -> Result<Batch, ClientError> {
        let mut wait = Duration::ZERO;
        loop {
            if std::mem::replace(&mut self.behind, false)
                && let Some(batch) = self.reader.next_within(wait).await?
            {
                self.behind = true;
                return Ok(batch);
            }
            wait = self.wait().await;
            self.behind = true;
        }
    }

    /// Makes the position behind a batch durable.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn commit(&mut self, batch: Batch) -> Result<Committed, ClientError> {
        self.reader.commit(batch).await
    }

    /// Gives the partitions to other readers at once.
    ///
    /// # Errors
    /// [`ClientError`] when the server does not answer; then they get them when the session ends.
    pub async fn leave(self) -> Result<(), ClientError> {
        self.reader.leave().await
    }

    /// Waits until there may be more; gives how long it may take until it can be read.
    async fn wait(&mut self) -> Duration {
        let look = if self.hears { LOOK.0 } else { LOOK.1 };
        match tokio::time::timeout(look, self.listener.next()).await {
            Ok(Told::Position(_)) => TOLD_WAIT,
            Ok(Told::Listening) => {
                self.hears = true;
                Duration::ZERO
            }
            Ok(Told::Lost(reason)) => {
                if std::mem::replace(&mut self.hears, false) {
                    tracing::warn!(%reason, "PostgreSQL does not tell of new events; looking every second (RR0505)");
                }
                Duration::ZERO
            }
            Err(_) => Duration::ZERO,
        }
    }
}
