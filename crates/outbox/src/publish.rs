//! Storing an event in a caller's transaction, whichever library has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::GenericClient;
use tokio_postgres::types::Type;

#[cfg(any(feature = "sqlx", feature = "diesel"))]
use crate::event::Row;
use crate::event::{Invalid, NewEvent};
use crate::schema::SchemaName;

/// How often a transaction is tried where nothing else is said.
const ATTEMPTS_DEFAULT: u32 = 3;
/// Before the second attempt; twice as long before each one after it.
const BACKOFF_DEFAULT: Duration = Duration::from_millis(50);

/// Where a service's events go. Clones are the same outbox.
#[derive(Clone, Debug)]
pub struct Outbox {
    pub(crate) schema: SchemaName,
    source: Arc<str>,
    pub(crate) attempts: u32,
    pub(crate) backoff: Duration,
    pub(crate) marked: Arc<AtomicU64>,
}

/// Why an event was not stored.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It is not valid, and never will be as it is.
    #[error("the event is not stored: {reason}")]
    Invalid {
        /// The rule.
        reason: Invalid,
        /// The event.
        event: Box<NewEvent>,
    },
    /// What PostgreSQL said through tokio-postgres.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// What PostgreSQL said through sqlx.
    #[cfg(feature = "sqlx")]
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// What PostgreSQL said through diesel.
    #[cfg(feature = "diesel")]
    #[error(transparent)]
    Diesel(#[from] diesel::result::Error),
}

impl Outbox {
    /// The outbox of a service whose events come from `source`, a URI reference such as `/shop`.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self {
            schema: SchemaName::default(),
            source: source.into(),
            attempts: ATTEMPTS_DEFAULT,
            backoff: BACKOFF_DEFAULT,
            marked: Arc::default(),
        }
    }

    /// In another schema than `public`.
    #[must_use]
    pub fn schema(mut self, schema: SchemaName) -> Self {
        self.schema = schema;
        self
    }

    /// How often [`Self::transaction`] tries; 3 times without this, and once at least.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// How long [`Self::transaction`] waits before the second attempt, twice as long before each one after it; 50 ms without this.
    #[must_use]
    pub fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// How many events this process has marked because they were not valid.
    #[must_use]
    pub fn marked(&self) -> u64 {
        self.marked.load(Ordering::Relaxed)
    }

    /// Stores the event in the transaction, and gives its id. It reaches its topic when the transaction commits.
    ///
    /// An event with a key takes a lock on (topic, key) until the transaction ends, so that the order of events is that of commits. A
    /// transaction that publishes for several keys should do so in a fixed order, or two of them may deadlock (PostgreSQL breaks that with
    /// an error, and [`Self::transaction`] tries again). `set local riverrun.lock_aggregates = off` does without.
    ///
    /// # Errors
    /// [`PublishError::Invalid`] where the event breaks a rule; [`PublishError::Postgres`] otherwise. The transaction can then only be
    /// rolled back, unless the event was refused before it was sent.
    pub async fn publish(&self, transaction: &impl GenericClient, event: &NewEvent) -> Result<String, PublishError> {
        let event = self.checked(event)?;
        let row = event.row();
        let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 11] = [
            (&row.topic, Type::TEXT),
            (&row.key, Type::TEXT),
            (&row.id, Type::TEXT),
            (&row.source, Type::TEXT),
            (&row.kind, Type::TEXT),
            (&row.subject, Type::TEXT),
            (&row.time, Type::TEXT),
            (&row.content_type, Type::TEXT),
            (&row.data_schema, Type::TEXT),
            (&row.attributes, Type::TEXT_ARRAY),
            (&row.data, Type::BYTEA),
        ];
        // Typed, so that it is one round trip and no prepared statement, which pools of connections may not know.
        match transaction.query_typed(&self.store(), &arguments).await {
            Ok(_) => Ok(row.id.to_owned()),
            Err(error) => Err(self.refused(error, &event)),
        }
    }

    /// As [`Self::publish`], in a transaction of sqlx.
    ///
    /// # Errors
    /// As [`Self::publish`].
    #[cfg(feature = "sqlx")]
    pub async fn publish_sqlx(
        &self,
        transaction: &mut sqlx::PgConnection,
        event: &NewEvent,
    ) -> Result<String, PublishError> {
        let event = self.checked(event)?;
        let Row { topic, key, id, source, kind, subject, time, content_type, data_schema, attributes, data } =
            event.row();
        let sql = self.store();
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(topic).bind(key).bind(id).bind(source).bind(kind);
        let query = query.bind(subject).bind(time).bind(content_type).bind(data_schema).bind(attributes).bind(data);
        match query.execute(transaction).await {
            Ok(_) => Ok(id.to_owned()),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(REFUSED) => {
                Err(PublishError::Invalid { reason: Invalid::Refused(told(error.message())), event: Box::new(event) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// As [`Self::publish`], in a transaction of diesel.
    ///
    /// # Errors
    /// As [`Self::publish`].
    #[cfg(feature = "diesel")]
    pub fn publish_diesel<C>(&self, transaction: &mut C, event: &NewEvent) -> Result<String, PublishError>
    where
        C: diesel::connection::LoadConnection<Backend = diesel::pg::Pg>,
    {
        use diesel::RunQueryDsl as _;
        use diesel::sql_types::{Array, Bytea, Nullable, Text};

        let event = self.checked(event)?;
        let Row { topic, key, id, source, kind, subject, time, content_type, data_schema, attributes, data } =
            event.row();
        let query = diesel::sql_query(self.store()).bind::<Text, _>(topic).bind::<Nullable<Text>, _>(key);
        let query = query.bind::<Text, _>(id).bind::<Text, _>(source).bind::<Text, _>(kind);
        let query = query.bind::<Nullable<Text>, _>(subject).bind::<Nullable<Text>, _>(time);
        let query = query.bind::<Nullable<Text>, _>(content_type).bind::<Nullable<Text>, _>(data_schema);
        let query = query.bind::<Nullable<Array<Text>>, _>(attributes).bind::<Nullable<Bytea>, _>(data);
        match query.execute(transaction) {
            Ok(_) => Ok(id.to_owned()),
            // Diesel tells messages, and no codes.
            Err(diesel::result::Error::DatabaseError(_, said)) if said.message().starts_with(NOT_STORED) => {
                Err(PublishError::Invalid { reason: Invalid::Refused(told(said.message())), event: Box::new(event) })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn checked(&self, event: &NewEvent) -> Result<NewEvent, PublishError> {
        let event = event.completed(&self.source, new_id);
        match event.check() {
            Ok(()) => Ok(event),
            Err(reason) => Err(PublishError::Invalid { reason, event: Box::new(event) }),
        }
    }

    fn refused(&self, error: tokio_postgres::Error, event: &NewEvent) -> PublishError {
        match error.as_db_error() {
            Some(said) if said.code().code() == REFUSED => {
                PublishError::Invalid { reason: Invalid::Refused(told(said.message())), event: Box::new(event.clone()) }
            }
            _ => error.into(),
        }
    }

    /// One statement for all libraries: texts are what each of them can send without features.
    fn store(&self) -> String {
        let schema = self.schema.quoted();
        format!("select {schema}.riverrun_store($1, $2, $3, $4, $5, $6, $7::text::timestamptz, $8, $9, $10, $11)")
    }
}

/// The state of `riverrun_store` that an event breaks a rule (`invalid_parameter_value`).
const REFUSED: &str = "22023";
/// How its message begins.
const NOT_STORED: &str = "the event is not stored: ";

fn told(message: &str) -> String {
    message.strip_prefix(NOT_STORED).unwrap_or(message).to_owned()
}

/// An id that no other process makes: 128 random bits, or, where the system has none, the time and a count.
fn new_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut bits = [0; 16];
    if getrandom::fill(&mut bits).is_ok() {
        return format!("{:032x}", u128::from_be_bytes(bits));
    }
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:024x}{:08x}", since.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}
