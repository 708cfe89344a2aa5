//! Relaying where PostgreSQL cannot wake anybody: behind a proxy that pools transactions.
//!
//! There is no session of one's own, so there are no locks of one: each round is one transaction that locks the shards it can get, reads,
//! publishes and deletes. Rounds follow each other while they find something, else after a pause. Dead rows are walked over each time, and
//! the transaction is open while the log is written; so this is the slower way, and it is said.

use std::convert::Infallible;

use riverrun_outbox::database::said;

use crate::error::RelayError;
use crate::locks::SHARDS;
use crate::relay::Relay;
use crate::row::{COLUMNS, Row};
use crate::session::Session;
use crate::status::RelayState;
use crate::watching::let_go;
use crate::window::ready;

/// Rows of a round.
const ROWS_MAX: i64 = 500;
/// What the status says.
const REASON: &str =
    "PostgreSQL cannot wake the relay, as behind a proxy that pools transactions; it looks by itself (RR0505)";

pub(crate) async fn poll(relay: &Relay, session: Session) -> Result<Infallible, RelayError> {
    tracing::warn!("{REASON}, every {} ms; give the relay a direct connection", relay.poll.as_millis());
    loop {
        let found = match round(relay, &session).await {
            Ok(found) => found,
            Err(error) => {
                // The transaction may be open still.
                if let Err(error) = session.writer.batch_execute("rollback").await {
                    tracing::debug!(error = %said(&error), "the transaction was lost with its connection");
                }
                return Err(error);
            }
        };
        relay.publisher.status.change(|status| {
            (status.state, status.reason, status.idle) = (RelayState::Polling, Some(REASON.to_owned()), found == 0);
        });
        if found == 0 {
            tokio::time::sleep(relay.poll).await;
        }
    }
}

/// One transaction; how many rows it found.
async fn round(relay: &Relay, session: &Session) -> Result<usize, RelayError> {
    session.writer.batch_execute("begin; set local enable_seqscan = off; set local enable_bitmapscan = off").await?;
    // The same locks as those of sessions, so that no relay works on the shards of another.
    let sql = format!(
        "select array(select shard::int2 from generate_series(0, {SHARDS} - 1) as shard where pg_try_advisory_xact_lock({}, shard))",
        session.class()
    );
    let shards: Vec<i16> =
        session.writer.query_typed(&sql, &[]).await?.first().map_or(Ok(Vec::new()), |row| row.try_get(0))?;
    let_go(session, &shards).await?;
    let (table, ready) = (&session.table, ready(&session.table));
    let sql =
        format!("select {COLUMNS} from {table} o where o.shard = any($1) and {ready} order by o.id limit {ROWS_MAX}");
    let found = session.writer.query_typed(&sql, &[(&shards, tokio_postgres::types::Type::INT2_ARRAY)]).await?;
    let rows = found.iter().map(|row| Row::read(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let found = rows.len();
    if found > 0 {
        relay.publisher.publish(session, rows).await?;
    }
    session.writer.batch_execute("commit").await?;
    Ok(found)
}
