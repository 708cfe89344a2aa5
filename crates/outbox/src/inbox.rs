//! What a consumer has processed, kept in its own database: in the transaction of a handler, so that its effect happens exactly once.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Error, GenericClient};

use crate::schema::SchemaName;

/// The inbox of a consumer.
///
/// ```no_run
/// # async fn handle(transaction: &tokio_postgres::Transaction<'_>, source: &str, id: &str) -> Result<(), tokio_postgres::Error> {
/// let inbox = riverrun_outbox::Inbox::new("billing");
/// if inbox.processed(transaction, source, id).await? {
///     return Ok(()); // it was handed over before, and its effect is in the database
/// }
/// transaction.execute("update accounts set invoices = invoices + 1", &[]).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Inbox {
    consumer: String,
    schema: SchemaName,
}

impl Inbox {
    /// The inbox of the consumer of this name.
    #[must_use]
    pub fn new(consumer: &str) -> Self {
        Self { consumer: consumer.to_owned(), schema: SchemaName::default() }
    }

    /// In another schema than `public`.
    #[must_use]
    pub fn schema(mut self, schema: SchemaName) -> Self {
        self.schema = schema;
        self
    }

    /// Whether the consumer has processed the event before. If not, it counts as processed once the transaction commits. Another
    /// transaction that asks for the same event meanwhile waits for this one to end.
    ///
    /// # Errors
    /// What PostgreSQL says; the transaction can then only be rolled back.
    pub async fn processed(&self, transaction: &impl GenericClient, source: &str, id: &str) -> Result<bool, Error> {
        let sql = format!("select {}.riverrun_processed($1, $2, $3)", self.schema.quoted());
        let arguments: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&self.consumer, Type::TEXT), (&source, Type::TEXT), (&id, Type::TEXT)];
        let rows = transaction.query_typed(&sql, &arguments).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0))
    }

    /// Forgets what was processed longer ago than `age`, and gives how much that was. Events must not come again after it: keep it longer
    /// than the consumer may be away.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn prune(&self, client: &impl GenericClient, age: Duration) -> Result<u64, Error> {
        let sql = format!(
            "delete from {}.riverrun_inbox where consumer = $1 and processed_at < now() - $2 * interval '1 second'",
            self.schema.quoted()
        );
        client.execute(&sql, &[&self.consumer, &age.as_secs_f64()]).await
    }
}
