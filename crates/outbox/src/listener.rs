//! Hears that topics have something new, from PostgreSQL, and gets over lost connections.
//!
//! Notifications are wake-ups and no deliveries: one may be missed while a connection is away, so every new connection counts as one.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::database::{ConnectError, Database, Listening, said};

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
    /// What makes a connection hear of the topics.
    listen: String,
    connection: Option<Listening>,
    /// The attempt to connect that is under way; it goes on while nobody waits for it.
    attempt: JoinSet<Result<Listening, ConnectError>>,
    pause: Duration,
}

impl Listener {
    /// A listener for these topics. It connects when it is asked for what there is.
    #[must_use]
    pub fn new(database: Database, topics: &[&str]) -> Self {
        let listen =
            topics.iter().map(|topic| format!("listen \"{}\";", channel(topic).replace('"', "\"\""))).collect();
        Self { database, listen, connection: None, attempt: JoinSet::new(), pause: Duration::ZERO }
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
        if self.attempt.is_empty() {
            let (database, listen, pause) = (self.database.clone(), self.listen.clone(), self.pause);
            self.attempt.spawn(async move {
                tokio::time::sleep(pause).await;
                connect(&database, &listen).await
            });
            self.pause = (self.pause * 2).clamp(PAUSE.0, PAUSE.1);
        }
        match self.attempt.join_next().await {
            Some(Ok(Ok(listening))) => {
                self.connection = Some(listening);
                self.pause = Duration::ZERO;
                Told::Listening
            }
            Some(Ok(Err(error))) => Told::Lost(error.reason),
            Some(Err(_)) | None => Told::Lost("the attempt to connect was broken off".to_owned()),
        }
    }
}

async fn connect(database: &Database, listen: &str) -> Result<Listening, ConnectError> {
    let listening = database.listen().await?;
    listening.client.batch_execute(listen).await.map_err(|error| ConnectError {
        database: database.to_string(),
        reason: said(&error),
        source: Some(error),
    })?;
    Ok(listening)
}

/// The channel of a topic, as the function `riverrun_channel` gives it: topics whose names begin with the same 54 characters share one.
fn channel(topic: &str) -> String {
    format!("riverrun.{}", topic.get(..54).unwrap_or(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_gets_on_however_often_its_waits_are_dropped() {
        // A port that was free a moment ago refuses connections.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let database = Database::new(&format!("postgres://nobody@127.0.0.1:{port}/nothing")).unwrap();
        let mut listener = Listener::new(database, &["orders"]);
        let mut lost = 0;
        // The pauses between attempts soon are longer than each wait.
        for _ in 0..400 {
            let told = tokio::time::timeout(Duration::from_millis(25), listener.next()).await;
            lost += usize::from(matches!(told, Ok(Told::Lost(_))));
            if lost == 4 {
                return;
            }
        }
        panic!("{lost} attempts");
    }
}
