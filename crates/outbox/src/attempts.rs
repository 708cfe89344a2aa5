//! Trying a whole transaction again, where trying again may help, and knowing whether it was committed.
//!
//! A connection that is lost while a transaction commits leaves open whether it did. PostgreSQL still knows (`pg_xact_status`), so it is
//! asked over a new connection: nothing is stored twice, and nothing that was stored is reported as lost.

use std::error::Error;
use std::ops::DerefMut;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};

use crate::database::said;
use crate::event::{Invalid, NewEvent};
use crate::publish::{Outbox, PublishError};

/// Between questions about a transaction that has not ended yet.
const STATUS_PAUSE: Duration = Duration::from_millis(100);
/// How often to ask; a backend notices within moments that its client is gone.
const STATUS_QUESTIONS_MAX: u32 = 100;

type AnyError = Box<dyn Error + Send + Sync>;

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
#[error("the transaction failed {}: {}", times(*attempts), told(&**source))]
pub struct StoreError {
    /// How often it was tried.
    pub attempts: u32,
    /// What happened last.
    pub source: AnyError,
}

fn times(attempts: u32) -> String {
    if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") }
}

/// An error with what PostgreSQL said, which its library leaves out of "db error".
fn told(error: &(dyn Error + Send + Sync + 'static)) -> String {
    let postgres = match error.downcast_ref() {
        Some(PublishError::Postgres(error)) => Some(error),
        _ => error.downcast_ref::<tokio_postgres::Error>(),
    };
    postgres.map_or_else(|| error.to_string(), said)
}

/// A connection that a transaction can be begun on.
pub trait Session: Send {
    /// The connection.
    fn client(&mut self) -> &mut Client;
}

impl Session for Client {
    fn client(&mut self) -> &mut Client {
        self
    }
}

/// A connection lent by a pool such as deadpool-postgres or bb8, whose guards lead to the client in two steps.
#[derive(Debug)]
pub struct Pooled<G>(pub G);

impl<G, W> Session for Pooled<G>
where
    G: DerefMut<Target = W> + Send,
    W: DerefMut<Target = Client> + 'static,
{
    fn client(&mut self) -> &mut Client {
        &mut self.0
    }
}

impl Outbox {
    /// Runs `work` in a transaction and commits it, and tries again in a fresh one where that may help: after a serialization failure, a
    /// deadlock or a lost connection. `connect` gives a connection for each attempt.
    ///
    /// An event that is not valid is not tried again. It is marked in a transaction of its own: kept with its reason for
    /// `riverrun outbox status`, and never processed. The caller gets the error in any case.
    ///
    /// # Errors
    /// [`StoreError`] with what happened in the last attempt. Nothing of it was committed, unless its source is [`OutcomeUnknown`].
    pub async fn transaction<S, T, E>(
        &self,
        connect: impl AsyncFn() -> Result<S, AnyError>,
        work: impl AsyncFn(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, StoreError>
    where
        S: Session,
        E: Into<AnyError>,
    {
        let mut attempts = 0;
        let mut pause = self.backoff;
        loop {
            attempts += 1;
            let source = match self.attempt(&connect, &work).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if let Some((reason, event)) = invalid(&*source) {
                self.mark(&connect, reason, event, attempts).await;
                return Err(StoreError { attempts, source });
            }
            if attempts >= self.attempts || !may_pass(&*source) {
                return Err(StoreError { attempts, source });
            }
            tracing::debug!(error = %told(&*source), attempts, "the transaction is tried again");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    async fn attempt<S, T, E>(
        &self,
        connect: &impl AsyncFn() -> Result<S, AnyError>,
        work: &impl AsyncFn(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, AnyError>
    where
        S: Session,
        E: Into<AnyError>,
    {
        let mut session = connect().await?;
        let transaction = session.client().transaction().await?;
        let value = work(&transaction).await.map_err(Into::into)?;
        let id = transaction.query_typed("select pg_current_xact_id_if_assigned()::text", &[]).await?;
        let id: Option<String> = id.first().map(|row| row.try_get(0)).transpose()?.flatten();
        match (transaction.commit().await, id) {
            (Ok(()), _) => Ok(value),
            (Err(error), Some(id)) if leaves_open(&error) => {
                drop(session);
                if was_committed(connect, &id, error).await? { Ok(value) } else { Err(Box::new(Lost)) }
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Keeps an event that is not valid. Where that fails too, all that is left is to say so.
    async fn mark<S: Session>(
        &self,
        connect: &impl AsyncFn() -> Result<S, AnyError>,
        reason: &Invalid,
        event: &NewEvent,
        attempts: u32,
    ) {
        self.marked.fetch_add(1, Ordering::Relaxed);
        let marked = async {
            let mut session = connect().await?;
            let row = event.row();
            // PostgreSQL keeps no NUL in texts.
            let text = |text: &str| text.replace('\0', "\u{fffd}");
            let attributes: Option<Vec<String>> =
                row.attributes.map(|attributes| attributes.iter().map(|part| text(part)).collect());
            let sql = format!(
                "insert into {}.riverrun_outbox (shard, topic, key, event_id, source, type, subject, content_type, data_schema, \
                 attributes, data, attempts, error, dead_at) values (0, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())",
                self.schema.quoted()
            );
            let (topic, key) = (text(row.topic), row.key.map(text));
            let (id, source, kind) = (text(row.id), text(row.source), text(row.kind));
            let optional = |value: &Option<String>| value.as_deref().map(text);
            let (subject, content_type) = (optional(&row.subject), optional(&row.content_type));
            let (data_schema, reason) = (optional(&row.data_schema), text(&reason.to_string()));
            let attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
            session
                .client()
                .execute(
                    &sql,
                    &[
                        &topic,
                        &key,
                        &id,
                        &source,
                        &kind,
                        &subject,
                        &content_type,
                        &data_schema,
                        &attributes,
                        &row.data,
                        &attempts,
                        &reason,
                    ],
                )
                .await?;
            Ok::<(), AnyError>(())
        };
        if let Err(error) = marked.await {
            let error = told(&*error);
            tracing::error!(%error, topic = %event.topic(), %reason, "an event that is not valid could not be kept (RR0504)");
        }
    }
}

/// Nobody knows whether the transaction was committed: PostgreSQL could not be asked in time.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost while the transaction committed, and PostgreSQL does not say whether it did: {0}")]
pub struct OutcomeUnknown(String);

/// The connection was lost before the transaction committed.
#[derive(Debug, thiserror::Error)]
#[error("the connection was lost before the transaction was committed")]
struct Lost;

/// Whether a commit that was answered like this may have happened all the same: the connection was lost, or its end was told by whoever
/// stands in between. PgBouncer says 08P01 when it has lost the server, whatever the server had done by then.
fn leaves_open(error: &tokio_postgres::Error) -> bool {
    error.code().is_none_or(|code| code.code().starts_with("08") || code.code().starts_with("57P"))
}

/// Asks what became of a transaction whose connection was lost.
async fn was_committed<S: Session>(
    connect: &impl AsyncFn() -> Result<S, AnyError>,
    id: &str,
    lost: tokio_postgres::Error,
) -> Result<bool, AnyError> {
    let mut last = said(&lost);
    for _ in 0..STATUS_QUESTIONS_MAX {
        tokio::time::sleep(STATUS_PAUSE).await;
        let asked = async {
            let mut session = connect().await?;
            let row = session.client().query_one("select pg_xact_status($1::text::xid8)", &[&id]).await?;
            Ok::<Option<String>, AnyError>(row.try_get(0)?)
        };
        match asked.await {
            Ok(Some(status)) if status == "committed" => return Ok(true),
            Ok(Some(status)) if status == "aborted" => return Ok(false),
            Ok(status) => last = format!("it is {}", status.unwrap_or_else(|| "forgotten".to_owned())),
            Err(error) => last = told(&*error),
        }
    }
    Err(Box::new(OutcomeUnknown(last)))
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

fn invalid<'e>(error: &'e (dyn Error + Send + Sync + 'static)) -> Option<(&'e Invalid, &'e NewEvent)> {
    chain(error).find_map(|error| match error.downcast_ref() {
        Some(PublishError::Invalid { reason, event }) => Some((reason, &**event)),
        _ => None,
    })
}

/// Whether a fresh transaction may succeed.
fn may_pass(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    chain(error).any(|error| {
        let postgres = match error.downcast_ref() {
            Some(PublishError::Postgres(error)) => Some(error),
            _ => error.downcast_ref::<tokio_postgres::Error>(),
        };
        postgres.is_some_and(is_passing) || error.is::<Lost>() || error.is::<crate::ConnectError>()
    })
}

/// Whether PostgreSQL's refusal, or its silence, has to do with the moment and not with what was asked.
#[must_use]
pub fn is_passing(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        // No answer: the connection was lost. What the library refuses by itself is a mistake of the caller.
        return error.is_closed() || std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>());
    };
    let connection = code.code().starts_with("08") || code.code().starts_with("57P");
    let busy = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::TOO_MANY_CONNECTIONS];
    connection || busy.contains(code) || *code == SqlState::LOCK_NOT_AVAILABLE
}
