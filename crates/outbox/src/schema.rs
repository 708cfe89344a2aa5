//! Everything that is in the database: tables, functions and one trigger, in numbered migrations that may be run again.

use std::fmt;

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

/// A step from one version to the next, as SQL with `{schema}` in it.
struct Migration {
    version: i32,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 1] = [Migration { version: 1, sql: include_str!("schema/0001.sql") }];

/// The version that this build reads and writes.
pub const VERSION: i32 = 1;

/// Only one of several processes that start at once changes anything.
const INIT_LOCK: i64 = 0x5252_4f55_5442_4f58;

/// What each table, function and trigger of the outbox is in. Without it, functions are found by the search path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(String);

/// A name that PostgreSQL would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a schema: 1 to 63 bytes, no NUL")]
pub struct SchemaNameError(String);

impl SchemaName {
    /// Takes a name as it is, in any characters.
    ///
    /// # Errors
    /// [`SchemaNameError`] when PostgreSQL could not keep it.
    pub fn new(name: &str) -> Result<Self, SchemaNameError> {
        // 63: NAMEDATALEN without the closing NUL; longer names would be cut silently.
        if name.is_empty() || name.len() > 63 || name.contains('\0') {
            return Err(SchemaNameError(name.chars().take(80).collect()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl Default for SchemaName {
    /// `public`.
    fn default() -> Self {
        Self("public".to_owned())
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The schema as one script, for whoever applies it with tools of their own.
#[must_use]
pub fn script(schema: &SchemaName) -> String {
    let steps = MIGRATIONS.iter().map(|migration| step(schema, migration));
    format!("{}\n{}", beginning(schema), steps.collect::<Vec<_>>().join("\n"))
}

/// Brings the database to [`VERSION`], in one transaction, and gives the version it had; 0 without an outbox.
///
/// # Errors
/// What PostgreSQL says, for example that a right is missing; nothing was changed then.
pub async fn apply(client: &mut Client, schema: &SchemaName) -> Result<i32, Error> {
    let transaction = client.transaction().await?;
    // What is there already is not worth a notice for each.
    transaction.batch_execute("set local client_min_messages = warning").await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&INIT_LOCK]).await?;
    transaction.batch_execute(&beginning(schema)).await?;
    let sql = format!("select coalesce(max(version), 0) from {}.riverrun_outbox_version", schema.quoted());
    let before: i32 = transaction.query_one(&sql, &[]).await?.try_get(0)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > before) {
        transaction.batch_execute(&step(schema, migration)).await?;
    }
    transaction.commit().await?;
    Ok(before)
}

/// The version in the database; 0 where there is no outbox.
///
/// # Errors
/// What PostgreSQL says.
pub async fn version(client: &Client, schema: &SchemaName) -> Result<i32, Error> {
    let table = format!("{}.riverrun_outbox_version", schema.quoted());
    // Typed questions have no prepared statements, which proxies that pool transactions do not keep.
    let there = client.query_typed_one("select to_regclass($1) is not null", &[(&table, Type::TEXT)]).await?;
    if !there.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    client.query_typed_one(&format!("select coalesce(max(version), 0) from {table}"), &[]).await?.try_get(0)
}

fn beginning(schema: &SchemaName) -> String {
    filled(include_str!("schema/0000.sql"), schema)
}

fn step(schema: &SchemaName, migration: &Migration) -> String {
    let (sql, version) = (filled(migration.sql, schema), migration.version);
    let table = format!("{}.riverrun_outbox_version", schema.quoted());
    format!("{sql}\ninsert into {table} (version) values ({version}) on conflict do nothing;\n")
}

/// The schema's name stands in SQL as a name, and within texts. Bodies of functions are quoted by what is not in the name.
fn filled(sql: &str, schema: &SchemaName) -> String {
    let mut body = "$$".to_owned();
    while schema.0.contains(&body) {
        body.insert(1, 'q');
    }
    let sql = sql.replace("$$", &body);
    sql.replace("{schema}", &schema.quoted()).replace("{schema_text}", &schema.quoted().replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(SchemaName::new("Shop \"1\"").unwrap().quoted(), "\"Shop \"\"1\"\"\"");
        for bad in ["", "a\0b", &"x".repeat(64)] {
            assert!(SchemaName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn migrations_lead_to_the_version_of_this_build() {
        let versions: Vec<i32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>());
        assert!(!script(&SchemaName::default()).contains("{schema"));
    }
}
