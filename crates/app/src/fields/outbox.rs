//! Where the app takes rows of a transactional outbox from.

use super::{REQUIRED, Section, field};
use crate::takes::Takes;

/// More attempts at a row than anyone waits for.
pub(crate) const OUTBOX_ATTEMPTS_MAX: u64 = 1_000;

pub(crate) static OUTBOX: Section = Section {
    path: "outbox",
    meaning: "A PostgreSQL database whose outbox is relayed: rows that services store in their own transactions become events of topics. \
              [The outbox](outbox.md) shows it at work.",
    fields: &[
        field(
            "url",
            Takes::Text("postgres://user@host:port/database"),
            REQUIRED,
            "The database. `?sslmode=require` and `&sslrootcert=FILE` as every client of PostgreSQL has them; a password should come from outside \
             the file. Give the server's own address, not that of a proxy that pools transactions.",
            "url: '${env:DATABASE_URL:-postgres://shop@localhost/shop}'",
        ),
        field(
            "schema",
            Takes::Text("name"),
            "`public`",
            "The schema that `riverrun outbox init` put the outbox into.",
            "schema: shop",
        ),
        field(
            "attempts",
            Takes::Number(1, OUTBOX_ATTEMPTS_MAX),
            "5",
            "How often a row is tried before it is marked not to be processed any more. A log that is away counts for nothing.",
            "attempts: 10",
        ),
        field(
            "backoff",
            Takes::Duration("10ms to 1m"),
            "`1s`",
            "Before the second attempt at a row; twice as long before each one after it, up to a minute.",
            "backoff: 500ms",
        ),
        field(
            "on_dead",
            Takes::Choice(&["park", "skip"]),
            "`park`",
            "What becomes of the rows behind a marked one that have its topic and key: they wait until it is retried or discarded, or go on.",
            "on_dead: skip",
        ),
        field(
            "notify",
            Takes::Choice(&["true", "false"]),
            "true",
            "Whether PostgreSQL is told of new positions, on a channel for each topic, for consumers that listen there.",
            "notify: false",
        ),
        field(
            "poll",
            Takes::Duration("10ms to 1h"),
            "`1s`",
            "How often to look for rows where PostgreSQL cannot wake the relay.",
            "poll: 500ms",
        ),
    ],
};
