//! Shows an outbox and mends it, beside whatever relays there are: what `riverrun outbox` does.

use std::time::Duration;

use riverrun_outbox::{Database, SchemaName, schema};
use tokio_postgres::Client;

use crate::error::RelayError;
use crate::locks::{PRESENCE, SHARDS, of_outbox, of_sleep};

/// An outbox, seen from outside.
pub struct Admin {
    client: Client,
    schema: SchemaName,
}

/// What is in an outbox.
#[derive(Clone, Debug)]
pub struct Overview {
    /// Rows that are to be published, those included that wait for one of their aggregate.
    pub waiting: u64,
    /// How long the oldest of them has been stored.
    pub oldest: Option<Duration>,
    /// Rows that failed and are tried again.
    pub retrying: u64,
    /// Rows that are not processed any more.
    pub marked: u64,
    /// How many rows wait for a marked one.
    pub parked: u64,
    /// Bytes of the table and its indexes.
    pub bytes: u64,
    /// The relays that are connected.
    pub relays: Vec<ConnectedRelay>,
}

/// A relay, as PostgreSQL sees it.
#[derive(Clone, Debug)]
pub struct ConnectedRelay {
    /// The process of PostgreSQL that serves it.
    pub pid: i32,
    /// Where it comes from; none within the machine, or where the role may not know.
    pub address: Option<String>,
    /// How many of the 64 shards it has.
    pub shards: u64,
    /// Whether it sleeps until a writer wakes it.
    pub asleep: bool,
}

/// A row that is not processed any more.
#[derive(Clone, Debug)]
pub struct Marked {
    /// Its number, by which it is retried or discarded.
    pub id: i64,
    /// The topic it is for.
    pub topic: String,
    /// Its key.
    pub key: Option<String>,
    /// The event's id.
    pub event_id: String,
    /// The event's type.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed.
    pub error: Option<String>,
    /// How long ago it was marked.
    pub age: Duration,
    /// How many rows of its aggregate wait for it.
    pub behind: u64,
}

impl Admin {
    /// Connects to an outbox.
    ///
    /// # Errors
    /// [`RelayError`] when PostgreSQL cannot be reached or has no outbox of this version there.
    pub async fn connect(database: &Database, name: &SchemaName) -> Result<Self, RelayError> {
        let client = database.connect().await?;
        let version = schema::version(&client, name).await?;
        if version != schema::VERSION {
            let (schema, database) = (name.to_string(), database.to_string());
            return Err(RelayError::Version { schema, database, version, needed: schema::VERSION });
        }
        Ok(Self { client, schema: name.clone() })
    }

    /// What is in it.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn overview(&self) -> Result<Overview, RelayError> {
        let table = self.table();
        let sql = format!(
            "select count(*) filter (where dead_at is null), \
             extract(epoch from clock_timestamp() - min(stored_at) filter (where dead_at is null))::float8, \
             count(*) filter (where dead_at is null and attempts > 0), \
             count(*) filter (where dead_at is not null), \
             count(*) filter (where dead_at is null and exists (select from {table} b where b.blocks and b.dead_at is not null \
               and b.topic = o.topic and b.key = o.key and b.id < o.id)), \
             (select sum(pg_total_relation_size(relid))::bigint from pg_partition_tree('{}'::regclass)) from {table} o",
            table.replace('\'', "''")
        );
        let row = self.client.query_one(&sql, &[]).await?;
        let count = |place: usize| row.try_get::<_, i64>(place).map(|count| u64::try_from(count).unwrap_or(0));
        Ok(Overview {
            waiting: count(0)?,
            oldest: row.try_get::<_, Option<f64>>(1)?.map(seconds),
            retrying: count(2)?,
            marked: count(3)?,
            parked: count(4)?,
            bytes: count(5)?,
            relays: self.relays().await?,
        })
    }

    /// The rows that are not processed any more, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn marked(&self, limit: u32) -> Result<Vec<Marked>, RelayError> {
        let table = self.table();
        let sql = format!(
            "select o.id, o.topic, o.key, o.event_id, o.type, o.attempts, o.error, \
             extract(epoch from clock_timestamp() - o.dead_at)::float8, \
             case when o.blocks then (select count(*) from {table} w where w.topic = o.topic and w.key = o.key and w.id > o.id \
               and w.dead_at is null) else 0 end \
             from {table} o where o.dead_at is not null order by o.id limit $1"
        );
        let rows = self.client.query(&sql, &[&i64::from(limit)]).await?;
        let marked = rows.iter().map(|row| {
            Ok(Marked {
                id: row.try_get(0)?,
                topic: row.try_get(1)?,
                key: row.try_get(2)?,
                event_id: row.try_get(3)?,
                kind: row.try_get(4)?,
                attempts: row.try_get(5)?,
                error: row.try_get(6)?,
                age: seconds(row.try_get(7)?),
                behind: u64::try_from(row.try_get::<_, i64>(8)?).unwrap_or(0),
            })
        });
        Ok(marked.collect::<Result<_, tokio_postgres::Error>>()?)
    }

    /// Processes marked rows again, all of them without `ids`; how many there were.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn retry(&self, ids: Option<&[i64]>) -> Result<u64, RelayError> {
        self.mend("riverrun_outbox_retry", ids).await
    }

    /// Removes marked rows for good, all of them without `ids`; how many there were. What waits behind them goes on.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub async fn discard(&self, ids: Option<&[i64]>) -> Result<u64, RelayError> {
        self.mend("riverrun_outbox_discard", ids).await
    }

    async fn mend(&self, function: &str, ids: Option<&[i64]>) -> Result<u64, RelayError> {
        let (schema, table) = (self.schema.quoted(), self.table());
        let sql = format!(
            "select {schema}.{function}(coalesce($1::bigint[], array(select id from {table} where dead_at is not null)))"
        );
        let many: i64 = self.client.query_one(&sql, &[&ids]).await?.try_get(0)?;
        Ok(u64::try_from(many).unwrap_or(0))
    }

    async fn relays(&self) -> Result<Vec<ConnectedRelay>, RelayError> {
        let sql = format!(
            "select l.pid, host(a.client_addr), count(*) filter (where l.objid::bigint < {SHARDS}), count(*) filter (where {}) > 0 \
             from pg_locks l left join pg_stat_activity a using (pid) where {} \
             group by l.pid, a.client_addr having bool_or(l.objid::bigint = {PRESENCE}) order by l.pid",
            of_sleep(),
            of_outbox("$1::text::regclass::oid")
        );
        let rows = self.client.query(&sql, &[&self.table()]).await?;
        let relays = rows.iter().map(|row| {
            let shards = u64::try_from(row.try_get::<_, i64>(2)?).unwrap_or(0);
            Ok(ConnectedRelay { pid: row.try_get(0)?, address: row.try_get(1)?, shards, asleep: row.try_get(3)? })
        });
        Ok(relays.collect::<Result<_, tokio_postgres::Error>>()?)
    }

    fn table(&self) -> String {
        format!("{}.riverrun_outbox", self.schema.quoted())
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default()
}
