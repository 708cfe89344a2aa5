//! Hears that topics have something new, from PostgreSQL, and gets over lost connections.
//!
//! Notifications are wake-ups and no deliveries: one may be missed while a connection is away, so every new connection counts as one.

use std::time::Duration;

use crate::database::{ConnectError, Database, Listening};

/// Between attempts to connect; doubled up to the second one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A topic has events up to this position, as `orders/2@991`.
    Position(String),
    /// It is listening from now on; what came before was not heard.
    Listening,
    /// There is no connection, for this reason. It is tried again.
    Lost(String),
}

/// Listens for what relays tell of topics.
pub struct Listener {
    database: Database,
    channels: Vec<String>,
    connection: Option<Listening>,
    pause: Duration,
}

impl Listener {
    /// A listener for these topics. It connects when it is asked for what there is.
    #[must_use]
    pub fn new(database: Database, topics: &[&str]) -> Self {
        Self {
            database,
            channels: topics.iter().map(|topic| channel(topic)).collect(),
            connection: None,
            pause: Duration::ZERO,
        }
    }

    /// The next thing that is heard. Safe to drop while it waits.
    pub async fn next(&mut self) -> Told {
        if let Some(listening) = &mut self.connection {
            match listening.notifications.recv().await {
                Some((_, position)) => return Told::Position(position),
                None => {
                    self.connection = None;
                    return Told::Lost("the connection was closed".to_owned());
                }
            }
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(PAUSE.0, PAUSE.1);
        match self.listen().await {
            Ok(listening) => {
                self.connection = Some(listening);
                self.pause = Duration::ZERO;
                Told::Listening
            }
            Err(error) => Told::Lost(error.reason),
        }
    }

    async fn listen(&self) -> Result<Listening, ConnectError> {
        let listening = self.database.listen().await?;
        let sql: String =
            self.channels.iter().map(|channel| format!("listen \"{}\";", channel.replace('"', "\"\""))).collect();
        listening.client.batch_execute(&sql).await.map_err(|error| ConnectError {
            database: self.database.to_string(),
            reason: crate::database::said(&error),
            source: Some(error),
        })?;
        Ok(listening)
    }
}

/// The channel of a topic, as the function `riverrun_channel` gives it: topics whose names begin with the same 54 characters share one.
fn channel(topic: &str) -> String {
    format!("riverrun.{}", topic.get(..54).unwrap_or(topic))
}
