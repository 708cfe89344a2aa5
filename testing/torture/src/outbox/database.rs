//! The database of a scenario: what the tester keeps in it beside the outbox, and what it asks.
//!
//! The ledger is written in the transaction that publishes, so it has exactly the events that were committed, whatever anybody was told.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, Error, NoTls};

use super::check::{Entry, Left};
use crate::failure::{Failure, OrEnvironment};

/// What the product calls its connections.
const RELAY: &str = "riverrun";
/// What the writers call theirs.
const WRITER: &str = "writer";
/// An answer that takes longer is none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The ledger has a row for each committed transaction: where it stands among those of its aggregate, and a moment just before its end.
const TABLES: &str = "
create table counter (aggregate text primary key, number bigint not null);
create sequence moment;
create table ledger (number bigint primary key, aggregate text not null, place bigint not null, ended bigint not null);
";

/// Whose connections are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Writers,
    Relays,
    /// Those of relays that hear notifications.
    Listening,
}

/// The database, and the thread on which the tester speaks to it.
pub(super) struct Database {
    runtime: Runtime,
    config: Config,
}

impl Database {
    /// The database at this address. It has to be there. With `is_unlocked`, publishing locks no aggregates.
    ///
    /// # Errors
    /// [`Failure::Environment`] when the address is none.
    pub(super) fn at(url: &str, is_unlocked: bool) -> Result<Self, Failure> {
        let mut config: Config = url.parse().or_environment("the address of PostgreSQL")?;
        config.application_name(WRITER).connect_timeout(Duration::from_secs(5));
        if is_unlocked {
            config.options("-c riverrun.lock_aggregates=off");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Ok(Self { runtime: runtime.or_environment("cannot start a runtime")?, config })
    }

    /// How writers connect.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Where they run.
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Makes the tables of the tester, with a counter for each of the aggregates.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn prepare(&self, aggregates: &[String]) -> Result<(), Failure> {
        self.ask(&self.config, async |client| {
            client.batch_execute(TABLES).await?;
            client.execute("insert into counter select name, 0 from unnest($1::text[]) as name", &[&aggregates]).await
        })
        .map(drop)
    }

    /// What has been committed.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn ledger(&self) -> Result<Vec<Entry>, Failure> {
        let sql = "select number, aggregate, place, ended from ledger";
        let rows = self.ask(&self.config, async |client| client.query(sql, &[]).await)?;
        let entries = rows.iter().map(|row| {
            Ok(Entry {
                number: row.try_get(0)?,
                aggregate: row.try_get(1)?,
                place: row.try_get(2)?,
                ended: row.try_get(3)?,
            })
        });
        entries.collect::<Result<_, Error>>().or_environment("the ledger")
    }

    /// What is in the outbox.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn left(&self) -> Result<Vec<Left>, Failure> {
        let sql = "select topic, coalesce(key, ''), attempts, dead_at is not null, coalesce(error, '') from riverrun_outbox order by id";
        let rows = self.ask(&self.config, async |client| client.query(sql, &[]).await)?;
        let left = rows.iter().map(|row| {
            Ok(Left {
                topic: row.try_get(0)?,
                key: row.try_get(1)?,
                attempts: row.try_get(2)?,
                is_marked: row.try_get(3)?,
                error: row.try_get(4)?,
            })
        });
        left.collect::<Result<_, Error>>().or_environment("the outbox")
    }

    /// Cuts connections, all or so many of them. Which ones comes from `seed`. Gives how many it were.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn cut(&self, whose: Whose, many: i64, seed: u64) -> Result<usize, Failure> {
        let (name, condition) = match whose {
            Whose::Writers => (WRITER, "true"),
            Whose::Relays => (RELAY, "true"),
            // Whoever shares the aggregates with others holds locks, and hears of the others on the same connection.
            Whose::Listening => (RELAY, "pid in (select pid from pg_locks where locktype = 'advisory' and granted)"),
        };
        let sql = format!(
            "select pg_terminate_backend(pid) from ( \
               select pid from pg_stat_activity \
               where datname = $1 and application_name = $2 and pid <> pg_backend_pid() and {condition} \
               order by md5(pid || $3) limit $4 \
             ) as chosen"
        );
        let database = self.config.get_dbname().unwrap_or_default();
        let seed = seed.to_string();
        let cut =
            self.ask(&self.superuser(), async |client| client.query(&sql, &[&database, &name, &seed, &many]).await)?;
        Ok(cut.len())
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        self.runtime.block_on(connect(&self.config)).map_err(|error| Failure::Environment(said(&error)))
    }

    /// A connection to another database of the same server.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn client_elsewhere(&self) -> Result<Client, Failure> {
        self.runtime.block_on(connect(&self.superuser())).map_err(|error| Failure::Environment(said(&error)))
    }

    /// Runs statements on a connection.
    ///
    /// # Errors
    /// [`Failure::Environment`] with what PostgreSQL said.
    pub(super) fn execute(&self, client: &Client, sql: &str) -> Result<(), Failure> {
        self.runtime.block_on(client.batch_execute(sql)).map_err(|error| Failure::Environment(said(&error)))
    }

    /// Who may do everything, in the database that is named so.
    fn superuser(&self) -> Config {
        let mut config = self.config.clone();
        config.user("postgres").dbname("postgres").application_name("tester");
        config
    }

    /// Asks on a connection of its own, so that it does not matter what happened to those before.
    fn ask<T>(&self, config: &Config, question: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let asked = async { question(&connect(config).await?).await };
            match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
                Ok(answer) => answer.map_err(|error| Failure::Environment(format!("PostgreSQL: {}", said(&error)))),
                Err(_) => Err(Failure::Environment(format!("PostgreSQL did not answer within {ANSWER_TIMEOUT:?}"))),
            }
        })
    }
}

/// Connects, and has the connection served by this runtime for as long as it lasts.
///
/// # Errors
/// What PostgreSQL or the system said.
pub(super) async fn connect(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        // Whoever asks is told, too.
        let _ = connection.await;
    });
    Ok(client)
}

/// An error with what is behind it, which it does not show by itself.
pub(super) fn said(error: &Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}
