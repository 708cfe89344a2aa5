//! A reader of a named consumer: reads, is told when the events are processed, and commits.
//!
//! One call at a time: what is not committed comes again, so nothing is read ahead. Reconnects by itself; an error that a later
//! attempt could not mend is returned.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::batch::{Batch, Page};
use super::{Client, ClientError, Content, encoded};

/// How long the server waits for events before it answers without any.
const WAIT_SECONDS: u64 = 20;
/// Longer than that, so that only a server that is gone is given up.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// Between attempts while the server is away; doubled up to the second one.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The code of a commit that came too late.
const LOST: &str = "RR0187";

/// A reader of a named consumer. Readers of the same consumer, in this process or others, share the partitions of its topics.
///
/// ```no_run
/// use riverrun::client::{Committed, Consumer};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Order { account: String, amount: f64 }
///
/// # async fn run() -> Result<(), riverrun::Error> {
/// let mut consumer = Consumer::connect("http://127.0.0.1:8080", "billing", &["orders"])?;
/// loop {
///     tokio::select! {
///         batch = consumer.next() => {
///             let batch = batch?;
///             for event in batch.events::<Order>() {
///                 let order = event?.data;
///                 println!("{} spent {}", order.account, order.amount);
///             }
///             if consumer.commit(batch).await? == Committed::Lost {
///                 println!("these events come again, here or elsewhere");
///             }
///         }
///         _ = tokio::signal::ctrl_c() => break,
///     }
/// }
/// consumer.leave().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    path: String,
    topics: String,
    reader: String,
    from: Option<String>,
    session: Duration,
    limit: u64,
    /// Whether the server may know this reader, and keeps partitions for it.
    seated: bool,
}

/// What became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// The position behind the events is durable.
    Done,
    /// The partitions were given to another reader, or the server was restarted: the events come again.
    Lost,
}

#[derive(Serialize)]
struct Commit<'a> {
    cursor: &'a str,
}

impl Consumer {
    /// A reader of the consumer `name` of the server at `url`, which reads these topics. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Url`] when the address cannot be used.
    pub fn connect(url: &str, name: &str, topics: &[&str]) -> Result<Self, ClientError> {
        Ok(Self::over(Client::new(url, None)?, name, topics))
    }

    /// A reader of the consumer `name` of a server that there is a client of, which reads these topics. Nothing is sent yet.
    #[must_use]
    pub fn over(client: Client, name: &str, topics: &[&str]) -> Self {
        // A hasher's keys are random: readers of one consumer never get the same name.
        let unique = RandomState::new().build_hasher().finish();
        Self {
            client,
            path: format!("/consumers/{}", encoded(name)),
            topics: encoded(&topics.join(",")),
            reader: format!("rust-{unique:016x}"),
            from: None,
            session: Duration::from_secs(30),
            limit: 1_000,
            seated: false,
        }
    }

    /// The same reader, showing an access token.
    ///
    /// # Errors
    /// [`ClientError::Token`] when a header cannot carry it.
    pub fn token(mut self, token: &str) -> Result<Self, ClientError> {
        self.client = Client::new(self.client.url(), Some(token))?;
        Ok(self)
    }

    /// Where a consumer that has no position yet starts: `beginning` (as without this), `latest`, or a time.
    #[must_use]
    pub fn from(mut self, from: &str) -> Self {
        self.from = Some(encoded(from));
        self
    }

    /// How long a batch may take to process, in whole seconds; then others get the partitions. 30 s without this.
    #[must_use]
    pub fn session(mut self, session: Duration) -> Self {
        self.session = session;
        self
    }

    /// How many events a batch has at most. 1,000 without this.
    #[must_use]
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Waits for events. What was not committed comes again. Safe to drop while it waits.
    ///
    /// # Errors
    /// [`ClientError`] that trying again does not mend: no access, no such topic, events removed by retention.
    pub async fn next(&mut self) -> Result<Batch, ClientError> {
        loop {
            if let Some(batch) = self.next_within(Duration::from_secs(WAIT_SECONDS)).await? {
                return Ok(batch);
            }
        }
    }

    /// Waits this long for events, in whole seconds and at most 20; none when nothing came. Safe to drop while it waits.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn next_within(&mut self, patience: Duration) -> Result<Option<Batch>, ClientError> {
        let path = self.read_path(patience.as_secs().min(WAIT_SECONDS));
        self.seated = true;
        let mut pause = PAUSE.0;
        loop {
            match self.answered(self.client.get_json::<Page>(&path)).await {
                Ok(page) => return Batch::read(page, self.client.url()),
                Err(error) => pause = wait(error, pause).await?,
            }
        }
    }

    /// Makes the position behind a batch durable. Before the next [`Self::next`], else the same events come again.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub async fn commit(&mut self, batch: Batch) -> Result<Committed, ClientError> {
        // Text only: it can always be written.
        let body: Bytes = serde_json::to_vec(&Commit { cursor: &batch.cursor }).unwrap_or_default().into();
        let path = format!("{}/commit", self.path);
        let mut pause = PAUSE.0;
        loop {
            // Committing twice does no harm, so a lost answer is asked for again.
            let content = Content { content_type: "application/json", body: body.clone() };
            match self.answered(self.client.post(&path, content)).await {
                Ok(_) => return Ok(Committed::Done),
                Err(ClientError::Problem(problem)) if problem.code.as_deref() == Some(LOST) => {
                    return Ok(Committed::Lost);
                }
                Err(error) => pause = wait(error, pause).await?,
            }
        }
    }

    /// Gives the partitions to other readers at once, instead of when the session ends. Dropping a consumer does so too, but
    /// nobody learns whether it succeeded, and it does nothing outside a Tokio runtime.
    ///
    /// # Errors
    /// [`ClientError`] when the server does not answer; then they get them when the session ends.
    pub async fn leave(mut self) -> Result<(), ClientError> {
        if !self.seated {
            return Ok(());
        }
        let left = self.answered(self.client.delete(&self.seat_path())).await;
        self.seated = false;
        left
    }

    fn read_path(&self, wait_seconds: u64) -> String {
        let Self { path, topics, reader, limit, .. } = self;
        let from = self.from.as_ref().map(|from| format!("&from={from}")).unwrap_or_default();
        let session = self.session.as_secs().max(1);
        format!(
            "{path}/events?topic={topics}&reader={reader}&session={session}&limit={limit}&wait={wait_seconds}{from}"
        )
    }

    fn seat_path(&self) -> String {
        format!("{}/readers/{}", self.path, self.reader)
    }

    /// The answer, if it comes in time: a server that lost its power closes no connection.
    async fn answered<T>(&self, answer: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
        tokio::time::timeout(ANSWER_TIME_MAX, answer).await.unwrap_or_else(|_| {
            let reason = format!("it did not answer within {} s", ANSWER_TIME_MAX.as_secs());
            Err(ClientError::Unreachable { url: self.client.url().to_owned(), reason })
        })
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.seated
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (client, path) = (self.client.clone(), self.seat_path());
            runtime.spawn(async move {
                if let Err(error) = client.delete(&path).await {
                    tracing::debug!(%error, "left without saying so");
                }
            });
        }
    }
}

/// Waits before the next attempt, if one may help; then the next pause.
async fn wait(error: ClientError, pause: Duration) -> Result<Duration, ClientError> {
    if !error.is_passing() {
        return Err(error);
    }
    tracing::debug!(%error, "trying again");
    let asked = match &error {
        ClientError::Problem(problem) => problem.retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    tokio::time::sleep(pause.max(asked)).await;
    Ok((pause * 2).min(PAUSE.1))
}
