//! A database that nobody else has, on the server of `RIVERRUN_TEST_POSTGRES`. It is dropped with its handle.

use std::sync::atomic::{AtomicU32, Ordering};

use riverrun_outbox::tokio_postgres::Client;
use riverrun_outbox::{Database, SchemaName, schema};

/// The server, as a role that may create databases sees it.
pub(crate) fn server() -> String {
    match std::env::var("RIVERRUN_TEST_POSTGRES") {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "RIVERRUN_TEST_POSTGRES names no PostgreSQL; `cargo xtask test` starts one, and so does `cargo xtask services start postgres`"
        ),
    }
}

/// A database.
pub(crate) struct Fresh {
    name: String,
    pub(crate) url: String,
}

impl Fresh {
    /// An empty one.
    pub(crate) async fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("outbox_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        command(&format!("create database {name}")).await;
        let server = server();
        let (address, query) =
            server.split_once('?').map_or((server.as_str(), ""), |(address, query)| (address, query));
        let (address, _) = address.rsplit_once('/').unwrap();
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        Self { url: format!("{address}/{name}{query}"), name }
    }

    /// One with an outbox in its schema `public`, and a table of orders.
    pub(crate) async fn with_outbox() -> Self {
        let fresh = Self::empty().await;
        let mut client = fresh.client().await;
        schema::apply(&mut client, &SchemaName::default()).await.unwrap();
        client.batch_execute("create table orders (id text primary key, amount integer not null)").await.unwrap();
        fresh
    }

    pub(crate) fn database(&self) -> Database {
        Database::new(&self.url).unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        self.database().connect().await.unwrap()
    }

    /// What a question gives, as text; each row is one.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        let rows = self.client().await.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        // The test's own runtime may not wait here.
        let dropping = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(command(&sql));
        });
        let dropped = dropping.join();
        assert!(std::thread::panicking() || dropped.is_ok(), "the database {} cannot be dropped", self.name);
    }
}

async fn command(sql: &str) {
    let client = Database::new(&server()).unwrap().connect().await.unwrap();
    client.batch_execute(sql).await.unwrap();
}
