//! Why a relay cannot go on for the moment, or at all.

use riverrun_outbox::ConnectError;
use riverrun_outbox::database::said;

/// What ends a session with PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// PostgreSQL refused something, or the connection was lost.
    #[error("PostgreSQL: {}", said(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// There is no outbox, or it is of another version.
    #[error(
        "schema {schema} of {database} has {}, this program needs version {needed}; bring it there with `riverrun outbox init`",
        found(*.version)
    )]
    Version {
        /// The schema.
        schema: String,
        /// The database.
        database: String,
        /// The version that is there; 0 for none.
        version: i32,
        /// The version of this build.
        needed: i32,
    },
    /// The log takes no more.
    #[error("the log failed: {0}")]
    Log(String),
}

impl RelayError {
    /// Its code, which has a page.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Postgres(_) | Self::Log(_) => "RR0501",
            Self::Version { .. } => "RR0502",
        }
    }
}

fn found(version: i32) -> String {
    if version == 0 { "no outbox".to_owned() } else { format!("an outbox of version {version}") }
}
