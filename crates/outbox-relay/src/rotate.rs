//! Turns from one partition of the outbox to the other when the one that is written has grown large, and empties the first as a whole.
//!
//! As a rule autovacuum keeps an outbox small. It cannot while some transaction, anywhere in the database, stays open for long: dead rows
//! might still be visible to it. A partition without live rows can be truncated all the same. That needs the partition for oneself for a
//! moment, so it is tried only while no transaction that wrote there is open, and given up at once if one comes.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::error::RelayError;
use crate::session::Session;

/// Longest wait for the partition; whoever reads or deletes meanwhile waits behind it.
const LOCK_TIME_MAX: &str = "50ms";
/// From one look at the partitions to the next, and where one could not be emptied since somebody used it.
const EVERY: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(500);
/// A partition that is no larger is left as it is.
const EMPTY_BYTES: i64 = 1024 * 1024;

/// Looks at the partitions, and does what is due. `bytes_max` is the size of a partition after which the other one is written. Gives how long
/// to wait until the next look; none where the role may not do it.
pub(crate) async fn rotate(session: &Session, bytes_max: u64) -> Result<Option<Duration>, RelayError> {
    match turned(session, bytes_max).await {
        Ok(is_done) => Ok(Some(if is_done { EVERY } else { AGAIN })),
        Err(RelayError::Postgres(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            tracing::warn!(%error, "the role of the relay may not empty a partition of the outbox; that is left to autovacuum");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// False where a partition is to be emptied and somebody uses it.
async fn turned(session: &Session, bytes_max: u64) -> Result<bool, RelayError> {
    let sql =
        format!("select slot, pg_table_size($1::regclass), pg_table_size($2::regclass) from {}_slot", session.table);
    let (first, second) = (partition(session, 0), partition(session, 1));
    let row = session.reader.query_typed_one(&sql, &[(&first, Type::TEXT), (&second, Type::TEXT)]).await?;
    let (written, first, second): (i16, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (used, other) = if written == 0 { (first, second) } else { (second, first) };
    if other > EMPTY_BYTES {
        return emptied(session, 1 - written, written).await;
    }
    if u64::try_from(used).unwrap_or(0) > bytes_max {
        let sql = format!("update {}_slot set slot = $1", session.table);
        session.writer.query_typed(&sql, &[(&(1 - written), Type::INT2)]).await?;
        tracing::debug!(partition = written, bytes = used, "the outbox is written to its other partition");
    }
    Ok(true)
}

/// Truncates a partition that is not written any more, unless somebody uses it. What waits in it is moved to the one that is.
async fn emptied(session: &Session, slot: i16, written: i16) -> Result<bool, RelayError> {
    let name = partition(session, slot);
    let sql = "select not exists (select from pg_locks where relation = $1::regclass and mode <> 'AccessShareLock' and pid <> pg_backend_pid())";
    let free = session.reader.query_typed_one(sql, &[(&name, Type::TEXT)]).await?;
    if !free.try_get::<_, bool>(0)? {
        return Ok(false);
    }
    let sql = format!(
        "begin; set local lock_timeout = '{LOCK_TIME_MAX}'; lock table {name} in access exclusive mode; \
         update {} set slot = {written} where slot = {slot}; truncate {name}; commit",
        session.table
    );
    match session.writer.batch_execute(&sql).await {
        Ok(()) => {
            tracing::debug!(partition = slot, "a partition of the outbox was emptied");
            Ok(true)
        }
        Err(error) => {
            session.writer.batch_execute("rollback").await?;
            match error.code() {
                // Somebody came first.
                Some(&SqlState::LOCK_NOT_AVAILABLE) => Ok(false),
                _ => Err(error.into()),
            }
        }
    }
}

/// As it stands in SQL.
fn partition(session: &Session, slot: i16) -> String {
    format!("{}_{slot}", session.table)
}
