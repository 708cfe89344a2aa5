//! The loop of a relay that PostgreSQL wakes: read what is new, publish it, and sleep when there is nothing.
//!
//! While rows are appended and deleted, the next ones are read. Only one batch is with the log at a time: a later batch must not overtake
//! one that is tried again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use riverrun_outbox::database::NOTIFICATIONS_MAX;
use tokio_postgres::types::Type;

use crate::claims::{CLAIMS, Claims};
use crate::error::RelayError;
use crate::publish::Outcome;
use crate::relay::Relay;
use crate::rotate::rotate;
use crate::row::{Aggregate, Row};
use crate::session::Session;
use crate::sleep;
use crate::status::RelayState;
use crate::window::{Read, Window};

/// What writers tell after rows were let go again by hand.
const AGAIN: &str = "again";
/// From one look to the next while it may well find something: doubled from the first to the second.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(10));
/// How long nothing must have come before it is worth to go to sleep, which takes a question and makes the next writer notify.
const QUIET: Duration = Duration::from_millis(200);
/// From one attempt to fall asleep to the next, while transactions that store rows are open.
const OPEN_PAUSE: Duration = Duration::from_millis(20);
/// How often a relay that sleeps looks whether its connection lives, PostgreSQL still hears it, and other relays came or went.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// A relay with a session in which PostgreSQL wakes it.
pub(crate) struct Watching<'a> {
    relay: &'a Relay,
    session: Session,
    claims: Claims,
    window: Window,
    /// When a row that failed is due again.
    retry: Option<Instant>,
    /// When the shards were last looked at.
    balanced: Option<Instant>,
    asleep: bool,
    /// When the partitions are looked at; none where its role may not empty them.
    rotating: Option<Instant>,
    /// Since when nothing came.
    quiet_since: Instant,
    look: Duration,
}

impl<'a> Watching<'a> {
    /// Says that there is one more relay, and gets ready to read.
    pub(crate) async fn begin(relay: &'a Relay, session: Session) -> Result<Self, RelayError> {
        let claims = Claims::join(&session).await?;
        let window = Window::open(&session).await?;
        Ok(Self {
            relay,
            session,
            claims,
            window,
            retry: None,
            balanced: None,
            asleep: false,
            rotating: Some(Instant::now()),
            quiet_since: Instant::now(),
            look: LOOK.0,
        })
    }
}

impl Watching<'_> {
    /// Relays until something goes wrong.
    pub(crate) async fn run(mut self) -> Result<std::convert::Infallible, RelayError> {
        let mut ahead: Option<Read> = None;
        loop {
            self.keep_share(&mut ahead).await?;
            self.keep_small().await?;
            self.let_due_go().await?;
            let Read { rows, more } = match ahead.take() {
                Some(read) => read,
                None => self.window.read(&self.session, &self.claims.shards()).await?,
            };
            if rows.is_empty() {
                if !more {
                    self.rest().await?;
                }
                continue;
            }
            self.awake().await?;
            ahead = self.publish(rows).await?;
        }
    }

    /// Publishes rows and reads the next ones meanwhile, but for those that have to wait for what failed.
    async fn publish(&mut self, rows: Vec<Row>) -> Result<Option<Read>, RelayError> {
        let shards = self.claims.shards();
        let publishing = self.relay.publisher.publish(&self.session, rows);
        let reading = self.window.read(&self.session, &shards);
        let (outcome, read) = tokio::join!(publishing, reading);
        let (Outcome { held, retry, let_go }, mut read) = (outcome?, read?);
        self.quiet_since = Instant::now();
        self.look = LOOK.0;
        self.retry = self.retry.into_iter().chain(retry).min();
        if let_go {
            // What was read ahead is among all that is read now.
            self.window.restart();
            return Ok(None);
        }
        leave_out(&mut read.rows, &held);
        Ok(Some(read))
    }

    /// Waits: a moment while more may well come, else until PostgreSQL tells of something.
    async fn rest(&mut self) -> Result<(), RelayError> {
        if self.asleep {
            return self.wait().await;
        }
        if self.quiet_since.elapsed() < QUIET {
            tokio::time::sleep(self.look).await;
            self.look = (self.look * 2).min(LOOK.1);
        } else if sleep::fall_asleep(&self.session, &self.claims.shards()).await? {
            // The rows of transactions that ended before are found by one more look.
            self.asleep = true;
            self.show();
        } else {
            tokio::time::sleep(OPEN_PAUSE).await;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<(), RelayError> {
        let due = self.retry.map_or(KEEPALIVE, |retry| retry.saturating_duration_since(Instant::now()));
        let told = tokio::time::timeout(due.min(KEEPALIVE), self.session.notifications.recv()).await;
        match told {
            Ok(Some((_, payload))) => {
                self.heard(&payload);
                self.hear();
                self.awake().await
            }
            // The connection has ended; the next question says why.
            Ok(None) => Err(closed(&self.session).await),
            Err(_) => Ok(()),
        }
    }

    /// Takes in what was told meanwhile.
    fn hear(&mut self) {
        let missed = self.session.notifications.len() >= NOTIFICATIONS_MAX;
        while let Ok((_, payload)) = self.session.notifications.try_recv() {
            self.heard(&payload);
        }
        if missed {
            self.heard(AGAIN);
            self.heard(CLAIMS);
        }
    }

    fn heard(&mut self, payload: &str) {
        match payload {
            AGAIN => self.window.restart(),
            CLAIMS => self.balanced = None,
            _ => {}
        }
    }

    /// From now on nobody has to wake it.
    async fn awake(&mut self) -> Result<(), RelayError> {
        if std::mem::take(&mut self.asleep) {
            sleep::wake_up(&self.session).await?;
            self.quiet_since = Instant::now();
            self.look = LOOK.0;
        }
        self.show();
        Ok(())
    }

    /// Looks now and then whether other relays came or went, and whether the session is what it was.
    async fn keep_share(&mut self, ahead: &mut Option<Read>) -> Result<(), RelayError> {
        self.hear();
        if self.balanced.is_some_and(|balanced| balanced.elapsed() < KEEPALIVE) {
            return Ok(());
        }
        if !self.session.is_own().await? {
            return Err(closed(&self.session).await);
        }
        self.balanced = Some(Instant::now());
        if self.claims.balance(&self.session).await? {
            // The locks of sleep are those of the shards it had.
            self.awake().await?;
            self.window.restart();
            *ahead = None;
            self.retry = Some(Instant::now());
            tracing::debug!(shards = self.claims.len(), relays = self.claims.relays(), "shards of the outbox");
        }
        self.show();
        Ok(())
    }

    /// Looks now and then whether the table is to be made smaller. One of the relays does it for all.
    async fn keep_small(&mut self) -> Result<(), RelayError> {
        if self.rotating.is_some_and(|due| due <= Instant::now()) && self.claims.has_first() {
            let pause = rotate(&self.session, self.relay.rotate_bytes).await?;
            self.rotating = pause.map(|pause| Instant::now() + pause);
        }
        Ok(())
    }

    /// Lets rows go that failed and are due again.
    async fn let_due_go(&mut self) -> Result<(), RelayError> {
        if self.retry.is_none_or(|retry| retry > Instant::now()) {
            return Ok(());
        }
        let shards = self.claims.shards();
        if let_go(&self.session, &shards).await? > 0 {
            self.window.restart();
        }
        let sql = format!(
            "select extract(epoch from min(retry_at) - clock_timestamp())::float8 from {} where retry_at is not null and shard = any($1)",
            self.session.table
        );
        let seconds: Option<f64> = self.session.reader.query_one(&sql, &[&shards]).await?.try_get(0)?;
        self.retry = seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.clamp(0.01, 3_600.0)));
        Ok(())
    }

    /// Leaves its status.
    fn show(&self) {
        let state = if self.asleep { RelayState::Sleeping } else { RelayState::Relaying };
        self.relay.publisher.status.change(|status| {
            (status.state, status.reason) = (state, None);
            (status.shards, status.relays) = (self.claims.len(), self.claims.relays());
            status.idle = self.asleep;
        });
    }
}

/// Leaves out what has to wait.
fn leave_out(rows: &mut Vec<Row>, held: &HashSet<Aggregate>) {
    if !held.is_empty() {
        rows.retain(|row| row.aggregate().is_none_or(|aggregate| !held.contains(&aggregate)));
    }
}

/// Lets rows of these shards go that are due again, and gives how many.
pub(crate) async fn let_go(session: &Session, shards: &[i16]) -> Result<usize, RelayError> {
    let sql = format!(
        "update {} set retry_at = null where retry_at <= clock_timestamp() and shard = any($1) and dead_at is null returning id",
        session.table
    );
    Ok(session.writer.query_typed(&sql, &[(&shards, Type::INT2_ARRAY)]).await?.len())
}

/// Why the connection has ended.
async fn closed(session: &Session) -> RelayError {
    match session.reader.batch_execute("").await {
        Err(error) => error.into(),
        Ok(()) => riverrun_outbox::ConnectError {
            database: "the outbox".to_owned(),
            reason: "the session is not its own any more, as behind a proxy that pools transactions".to_owned(),
            source: None,
        }
        .into(),
    }
}
