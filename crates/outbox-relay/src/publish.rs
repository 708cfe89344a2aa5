//! What is done with rows: accepted, appended, and deleted when they are durable; or tried again later, or marked.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use riverrun_accept::{Acceptor, Target, to_entrances};
use riverrun_event::limits::Limits;
use riverrun_event::{Offset, Time, TopicName, TopicPartition};
use riverrun_log::{AppendBatch, AppendError, Log, Logged, NewRecord, sabotage};
use tokio_postgres::types::Type;

use crate::error::RelayError;
use crate::metrics::{Metrics, TopicLabels};
use crate::relay::OnDead;
use crate::row::{Aggregate, Row};
use crate::session::{Argument, Session};
use crate::status::StatusHandle;

/// Longest wait between attempts at a row.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// Longest wait for a log that is busy or away: it is asked again soon, since everything waits for it.
const LOG_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Publishes rows.
pub(crate) struct Publisher {
    pub(crate) acceptor: Arc<Acceptor>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) limits: Limits,
    /// Whether events go into the entrances of their topics, to be deduplicated behind them.
    pub(crate) entrances: bool,
    pub(crate) on_dead: OnDead,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    /// Whether positions are told to whoever listens on PostgreSQL.
    pub(crate) notify: bool,
    pub(crate) metrics: Metrics,
    pub(crate) status: StatusHandle,
}

/// What became of rows.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Their later rows stay in the table for now.
    pub(crate) held: HashSet<Aggregate>,
    /// When the first of those that failed is due again.
    pub(crate) retry: Option<Instant>,
    /// Whether rows that had been passed over may be published now.
    pub(crate) let_go: bool,
}

/// A row that failed, and why.
struct Fault {
    row: Row,
    reason: String,
}

impl Publisher {
    /// Publishes rows, in their order. Rows that fail, and what is behind them in their aggregates, stay in the table.
    ///
    /// # Errors
    /// [`RelayError`] when PostgreSQL is gone or the log has stopped; what was appended is appended again and recognised.
    pub(crate) async fn publish(&self, session: &Session, rows: Vec<Row>) -> Result<Outcome, RelayError> {
        if sabotage::is("outbox-delete-first") {
            self.remove(session, &rows, &[]).await?;
        }
        let mut outcome = Outcome::default();
        let (mut rows, mut faults) = (rows, Vec::new());
        let logged = loop {
            let records = self.accept(&mut rows, &mut faults, &mut outcome.held);
            if records.is_empty() {
                break Vec::new();
            }
            match self.log.append(AppendBatch { records }).await {
                Ok(logged) => break logged,
                Err(AppendError::Failed(reason)) => return Err(RelayError::Log(reason)),
                Err(AppendError::Overloaded { retry_after }) => {
                    tokio::time::sleep(retry_after.min(LOG_PAUSE_MAX)).await
                }
                Err(AppendError::Unreachable { reason, retry_after }) => {
                    self.status.change(|status| status.reason = Some(format!("the log cannot be reached: {reason}")));
                    tokio::time::sleep(retry_after.min(LOG_PAUSE_MAX)).await;
                    continue;
                }
                Err(refused) => set_aside(&refused, &mut rows, &mut faults, &mut outcome.held),
            }
            self.status.change(|status| status.reason = None);
        };
        self.remove(session, &rows, &logged).await?;
        self.count(&rows, &logged);
        outcome.let_go = rows.iter().any(|row| row.attempts > 0 && row.key.is_some());
        for fault in faults {
            self.fail(session, fault, &mut outcome).await?;
        }
        Ok(outcome)
    }

    /// The records of the rows. Those that are not accepted are moved to the faults, and what is behind them is left out.
    fn accept(&self, rows: &mut Vec<Row>, faults: &mut Vec<Fault>, held: &mut HashSet<Aggregate>) -> Vec<NewRecord> {
        let now = Time::now();
        let mut records = Vec::with_capacity(rows.len());
        for row in std::mem::take(rows) {
            if row.aggregate().is_some_and(|aggregate| held.contains(&aggregate)) {
                continue;
            }
            match self.record(&row, now) {
                Ok(record) => {
                    records.push(record);
                    rows.push(row);
                }
                Err(reason) => {
                    held.extend(row.aggregate());
                    faults.push(Fault { row, reason });
                }
            }
        }
        if self.entrances {
            to_entrances(&mut records);
        }
        records
    }

    fn record(&self, row: &Row, now: Time) -> Result<NewRecord, String> {
        let bytes_max = self.limits.body_bytes_max;
        if row.data_bytes() > bytes_max {
            return Err(format!("the data has {} bytes; at most {bytes_max} are allowed", row.data_bytes()));
        }
        let topic = self.acceptor.topic(&row.topic).map_err(|error| error.to_string())?;
        let received = row.received().map_err(|error| error.to_string())?;
        self.acceptor.accept(Target::Topic(topic), received, now).map_err(|error| error.to_string())
    }

    /// Deletes rows and tells where their events are, in one transaction.
    async fn remove(&self, session: &Session, rows: &[Row], logged: &[Logged]) -> Result<(), RelayError> {
        if rows.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let told = if self.notify { told(rows, logged) } else { Vec::new() };
        let (topics, positions): (Vec<String>, Vec<String>) = told.into_iter().unzip();
        session.remove(&ids, &topics, &positions).await
    }

    fn count(&self, rows: &[Row], logged: &[Logged]) {
        let duplicates = logged.iter().filter(|logged| logged.is_duplicate()).count() as u64;
        self.metrics.duplicates.inc_by(duplicates);
        for run in rows.chunk_by(|one, next| one.topic == next.topic) {
            if let Some(topic) = run.first().and_then(|row| TopicName::new(&row.topic).ok()) {
                self.metrics.published.get_or_create(&TopicLabels(topic)).inc_by(run.len() as u64);
            }
        }
        let now = SystemTime::now();
        for row in rows {
            self.metrics.seconds.observe(now.duration_since(row.stored_at).unwrap_or_default().as_secs_f64());
        }
        self.status.change(|status| {
            status.published += rows.len() as u64;
            status.duplicates += duplicates;
        });
    }

    /// Notes an attempt in vain: the row is tried again later, or marked after the last one.
    async fn fail(&self, session: &Session, fault: Fault, outcome: &mut Outcome) -> Result<(), RelayError> {
        let Fault { row, reason } = fault;
        let attempts = u32::try_from(row.attempts).unwrap_or(0).saturating_add(1);
        let counted = i32::try_from(attempts).unwrap_or(i32::MAX);
        self.metrics.failed.inc();
        let is_related = row.key.is_some();
        if attempts < self.attempts {
            let pause = self.backoff.saturating_mul(1 << (attempts - 1).min(16)).min(BACKOFF_MAX);
            let sql = format!(
                "update {} set attempts = $2, error = $3, blocks = $4, \
                 retry_at = clock_timestamp() + $5::float8 * interval '1 second' where id = $1",
                session.table
            );
            let seconds = pause.as_secs_f64();
            let arguments: [Argument<'_>; 5] = [
                (&row.id, Type::INT8),
                (&counted, Type::INT4),
                (&reason, Type::TEXT),
                (&is_related, Type::BOOL),
                (&seconds, Type::FLOAT8),
            ];
            session.writer.query_typed(&sql, &arguments).await?;
            tracing::debug!(id = row.id, topic = %row.topic, attempts, %reason, "a row of the outbox failed");
            let due = Instant::now() + pause;
            outcome.retry = Some(outcome.retry.map_or(due, |earlier| earlier.min(due)));
            return Ok(());
        }
        let blocks = is_related && self.on_dead == OnDead::Park;
        let sql = format!(
            "update {} set attempts = $2, error = $3, blocks = $4, retry_at = null, dead_at = clock_timestamp() where id = $1",
            session.table
        );
        let arguments: [Argument<'_>; 4] =
            [(&row.id, Type::INT8), (&counted, Type::INT4), (&reason, Type::TEXT), (&blocks, Type::BOOL)];
        session.writer.query_typed(&sql, &arguments).await?;
        self.metrics.marked.inc();
        self.status.change(|status| status.marked += 1);
        let waits = if blocks { "later rows of its key wait" } else { "later rows go on" };
        tracing::warn!(
            id = row.id, topic = %row.topic, key = row.key.as_deref(), attempts, %reason,
            "a row of the outbox is not processed any more; {waits} (RR0503)"
        );
        outcome.let_go |= is_related && !blocks;
        Ok(())
    }
}

/// Moves the rows that the log refuses to the faults.
fn set_aside(refused: &AppendError, rows: &mut Vec<Row>, faults: &mut Vec<Fault>, held: &mut HashSet<Aggregate>) {
    let largest = rows.iter().enumerate().max_by_key(|(_, row)| row.bytes()).map(|(index, _)| index);
    let is_at_fault = |index: usize, row: &Row| match refused {
        AppendError::Conflict { index: refused, .. } => index == *refused,
        AppendError::UnknownTopic { topic, .. } => {
            topic.as_str() == row.topic || topic.behind_entrance().is_some_and(|behind| behind.as_str() == row.topic)
        }
        // The log does not say which one it is.
        _ => Some(index) == largest,
    };
    for (index, row) in std::mem::take(rows).into_iter().enumerate() {
        if is_at_fault(index, &row) {
            held.extend(row.aggregate());
            faults.push(Fault { row, reason: refused.to_string() });
        } else {
            rows.push(row);
        }
    }
}

/// For each partition, its topic and the last position written.
fn told(rows: &[Row], logged: &[Logged]) -> Vec<(String, String)> {
    let mut last: BTreeMap<TopicPartition, (Offset, &str)> = BTreeMap::new();
    for (row, logged) in rows.iter().zip(logged) {
        let position = logged.position();
        let partition = TopicPartition::new(position.topic.clone(), position.partition);
        let held = last.entry(partition).or_insert((position.offset, &row.topic));
        held.0 = held.0.max(position.offset);
    }
    last.into_iter().map(|(partition, (offset, topic))| (topic.to_owned(), partition.at(offset).to_string())).collect()
}
