//! The database and the topic of one run: made ready, filled, cleared away.
//!
//! Both sides store the same payload in the same order under the same keys, each as its own documentation says.

use std::time::{Duration, Instant};

use krafka::Kafka;
use krafka::admin::{CreateTopicsOptions, DeleteTopicsOptions, NewTopic};
use riverrun_bare::Outcome;
use tokio_postgres::{Client, Config, GenericClient, NoTls, Statement};

use super::{PARTITIONS, Setting, Side};

/// What Debezium needs.
const DEBEZIUM: &str = include_str!("../../../peers/debezium/schema.sql");
/// About 300 bytes, written as `jsonb` writes them, so that both sides send the same. The number is the first thing in it.
const PAYLOAD: &str = r#"
create or replace function bench_payload(n bigint) returns text language sql immutable as $$
    select format('{"n": %s, "kind": "retail", "note": "%s", "total": %s, "customer": "customer-%s"}',
                  n, md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) || md5((n + 3)::text) || md5((n + 4)::text)
                     || md5((n + 5)::text), n * 7 % 100000, n % 5000)
$$"#;
/// Rows of a transaction when many are stored.
const ROWS_AT_ONCE: u64 = 1_000;
/// A slot whose reader was killed is free long before, and a new topic known.
const WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Who may write everything to disk, and have statements logged.
const SUPERUSER: &str = "postgres";

/// A database and a topic with nothing in them.
pub(super) struct Stage<'s> {
    setting: &'s Setting,
    pub(super) client: Client,
    /// For what the role of the sides may not do.
    pub(super) admin: Client,
    pub(super) kafka: Kafka,
}

impl<'s> Stage<'s> {
    /// Clears the tables, and makes the topic, and the slot where there has to be one.
    pub(super) async fn open(setting: &'s Setting) -> Outcome<Self> {
        let client = connect(&setting.database).await?;
        let mut config: Config = setting.database.parse()?;
        let admin = connect_as(config.user(SUPERUSER)).await?;
        client.batch_execute(PAYLOAD).await?;
        let known = client.query_one("select to_regclass('outbox') is not null", &[]).await?;
        if !known.try_get::<_, bool>(0)? {
            client.batch_execute(DEBEZIUM).await?;
        }
        let kafka = Kafka::builder(&setting.brokers).client_id("riverrun-bare").connect().await?;
        let stage = Self { setting, client, admin, kafka };
        stage.clear().await?;
        let topic = NewTopic::new(&setting.topic, PARTITIONS, -1)?;
        for made in stage.kafka.admin().create_topics([topic], CreateTopicsOptions::default()).await?.into_values() {
            made?;
        }
        if setting.side == Side::Debezium {
            let sql = "select pg_create_logical_replication_slot($1, 'pgoutput')";
            stage.client.execute(sql, &[&setting.slot]).await?;
        }
        Ok(stage)
    }

    /// Removes what the run left. The relay must have ended.
    pub(super) async fn close(self) -> Outcome<()> {
        let deadline = Instant::now() + WITHIN;
        let sql = "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1";
        // PostgreSQL may not have noticed yet that the reader is gone.
        while let Err(error) = self.client.execute(sql, &[&self.setting.slot]).await {
            if Instant::now() > deadline {
                return Err(error.into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.clear().await?;
        let topics = [self.setting.topic.clone(), format!("{}.in", self.setting.topic)];
        // The second is Riverrun's own, where it has one.
        self.kafka.admin().delete_topics(topics, DeleteTopicsOptions::default()).await?;
        Ok(())
    }

    /// Stores so many rows, and has PostgreSQL write everything down, so that it has nothing left to do.
    pub(super) async fn fill(&self, rows: u64) -> Outcome<()> {
        let store = Store::prepare(&self.client, self.setting).await?;
        let mut first = 0;
        while first < rows {
            let next = (first + ROWS_AT_ONCE).min(rows);
            store.rows(&self.client, first, next - 1).await?;
            first = next;
        }
        Ok(self.admin.batch_execute("checkpoint").await?)
    }

    async fn clear(&self) -> Outcome<()> {
        Ok(self.client.batch_execute("truncate riverrun_outbox; truncate outbox").await?)
    }
}

/// How rows are stored.
pub(super) struct Store {
    statement: Statement,
    topic: String,
}

impl Store {
    /// Prepares it for one connection.
    pub(super) async fn prepare(client: &Client, setting: &Setting) -> Outcome<Self> {
        let statement = client.prepare(sql(setting.side)).await?;
        Ok(Self { statement, topic: setting.topic.clone() })
    }

    /// Stores the rows of these numbers in the transaction that is open, or one of their own.
    pub(super) async fn rows(&self, client: &impl GenericClient, first: u64, last: u64) -> Outcome<()> {
        let (first, last) = (i64::try_from(first)?, i64::try_from(last)?);
        client.execute(&self.statement, &[&self.topic, &first, &last]).await?;
        Ok(())
    }
}

/// Stores rows: their topic, the first number, the last.
fn sql(side: Side) -> &'static str {
    match side {
        Side::Riverrun => {
            "select count(riverrun_publish($1::text, 'o-' || n % 10000, 'order.placed', bench_payload(n))) \
             from generate_series($2::bigint, $3::bigint) as n"
        }
        Side::Debezium => {
            "insert into outbox select gen_random_uuid(), $1::text, 'o-' || n % 10000, 'order.placed', bench_payload(n)::jsonb \
             from generate_series($2::bigint, $3::bigint) as n"
        }
    }
}

/// A connection as the role of the address.
pub(super) async fn connect(database: &str) -> Outcome<Client> {
    connect_as(&database.parse()?).await
}

async fn connect_as(config: &Config) -> Outcome<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    // What ends it is what the next question is answered with.
    tokio::spawn(connection);
    Ok(client)
}
