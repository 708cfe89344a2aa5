//! The connections of a relay: one reads, holds the locks and listens, the other deletes and marks.

use std::time::Duration;

use riverrun_outbox::database::Listening;
use riverrun_outbox::{Database, SchemaName, schema};
use tokio::sync::mpsc;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};

use crate::error::RelayError;

/// Rows that are deleted and come back after PostgreSQL lost its power are recognised by the log, so nobody waits for its disk. Statistics
/// of a table that fills and empties by the second mislead the planner, so it is told to use the indexes made for each question.
const SETTINGS: &str = "set synchronous_commit = off; set enable_seqscan = off; set enable_bitmapscan = off; set jit = off; \
                        set plan_cache_mode = force_generic_plan; set idle_session_timeout = 0";
/// Since PostgreSQL 14 only.
const SETTINGS_OLD: &str = "set synchronous_commit = off; set enable_seqscan = off; set enable_bitmapscan = off; set jit = off; \
                            set plan_cache_mode = force_generic_plan";
/// How long a notification to oneself may take before PostgreSQL counts as unable to wake anybody.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// An open outbox.
pub(crate) struct Session {
    pub(crate) reader: Client,
    pub(crate) writer: Client,
    pub(crate) notifications: mpsc::Receiver<(String, String)>,
    /// The table, as it stands in SQL.
    pub(crate) table: String,
    /// The number of the table, by which locks and the channel of this outbox are told from those of others.
    pub(crate) oid: u32,
    /// The process of PostgreSQL that serves `reader`.
    pub(crate) pid: i32,
    /// Deletes rows by their ids, and tells topics and positions.
    removing: String,
    /// The same, prepared, where the session is one's own.
    remove: Option<Statement>,
}

impl Session {
    pub(crate) async fn open(database: &Database, name: &SchemaName) -> Result<Self, RelayError> {
        let Listening { client: reader, notifications } = database.listen().await?;
        let version = schema::version(&reader, name).await?;
        if version != schema::VERSION {
            let (schema, database) = (name.to_string(), database.to_string());
            return Err(RelayError::Version { schema, database, version, needed: schema::VERSION });
        }
        let writer = database.connect().await?;
        let table = format!("{}.riverrun_outbox", name.quoted());
        let row = reader.query_typed_one("select $1::regclass::oid, pg_backend_pid()", &[(&table, Type::TEXT)]).await?;
        let (oid, pid) = (row.try_get(0)?, row.try_get(1)?);
        let removing = format!(
            "with gone as (delete from {table} where id = any($1)) \
             select pg_notify({}.riverrun_channel(topic), position) from unnest($2::text[], $3::text[]) as told (topic, position)",
            name.quoted()
        );
        Ok(Self { reader, writer, notifications, table, oid, pid, removing, remove: None })
    }

    /// The number of the table as the functions for locks take it.
    pub(crate) fn class(&self) -> i32 {
        i32::from_ne_bytes(self.oid.to_ne_bytes())
    }

    pub(crate) fn channel(&self) -> String {
        format!("riverrun_outbox_{}", self.oid)
    }

    /// Listens, and finds out whether notifications arrive and the session is one's own: a proxy that pools transactions gives each
    /// statement to whatever connection is free, and keeps what is notified to itself.
    pub(crate) async fn hears(&mut self) -> Result<bool, RelayError> {
        let channel = self.channel();
        self.reader.batch_execute(&format!("listen {channel}")).await?;
        // Holding the other connection in a transaction makes a pool use another one for the question.
        self.writer.batch_execute("begin").await?;
        self.writer.query_typed_one("select pg_notify($1, 'heard')", &[(&channel, Type::TEXT)]).await?;
        let own = self.is_own().await;
        self.writer.batch_execute("commit").await?;
        if !own? {
            return Ok(false);
        }
        let heard = async {
            while let Some((_, payload)) = self.notifications.recv().await {
                if payload == "heard" {
                    return true;
                }
            }
            false
        };
        if !tokio::time::timeout(HEARD_WITHIN, heard).await.unwrap_or(false) {
            return Ok(false);
        }
        let version = self.reader.query_typed_one("select current_setting('server_version_num')::int", &[]).await?;
        let settings = if version.try_get::<_, i32>(0)? >= 140_000 { SETTINGS } else { SETTINGS_OLD };
        self.reader.batch_execute(settings).await?;
        self.writer.batch_execute(settings).await?;
        self.remove = Some(self.writer.prepare(&self.removing).await?);
        Ok(true)
    }

    /// Deletes rows and tells where their events are, in one transaction.
    pub(crate) async fn remove(&self, ids: &[i64], topics: &[String], positions: &[String]) -> Result<(), RelayError> {
        match &self.remove {
            Some(remove) => self.writer.query(remove, &[&ids, &topics, &positions]).await?,
            None => {
                let arguments: [Argument<'_>; 3] =
                    [(&ids, Type::INT8_ARRAY), (&topics, Type::TEXT_ARRAY), (&positions, Type::TEXT_ARRAY)];
                self.writer.query_typed(&self.removing, &arguments).await?
            }
        };
        Ok(())
    }

    /// Whether the reading connection is still served by the same process of PostgreSQL, and that still listens.
    pub(crate) async fn is_own(&self) -> Result<bool, RelayError> {
        let sql = "select pg_backend_pid() = $1 and $2 in (select pg_listening_channels())";
        let row = self.reader.query_typed_one(sql, &[(&self.pid, Type::INT4), (&self.channel(), Type::TEXT)]).await?;
        Ok(row.try_get(0)?)
    }

    /// Tells the other relays of this outbox something.
    pub(crate) async fn tell(&self, what: &str) -> Result<(), RelayError> {
        let arguments: [Argument<'_>; 2] = [(&self.channel(), Type::TEXT), (&what, Type::TEXT)];
        self.reader.query_typed_one("select pg_notify($1, $2)", &arguments).await?;
        Ok(())
    }
}

/// A value and its type: with them a statement need not be prepared, which a proxy that pools transactions would not keep.
pub(crate) type Argument<'a> = (&'a (dyn ToSql + Sync), Type);
