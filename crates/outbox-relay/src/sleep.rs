//! How a relay with nothing to do is woken by writers, and only then.
//!
//! A notification takes a lock of the whole server when its transaction commits, so it must not come with every row. The trigger of the
//! outbox therefore tries to share the lock of the row's shard, which a relay that sleeps holds for itself: it is notified if and only if
//! that fails. The relay's lock is granted when no transaction is open any more that got its share, that is, stored a row without a
//! notification; one look after that finds the rows of all of them.
//!
//! A flag in a table would not do: a transaction that reads as of its beginning (REPEATABLE READ) does not see one that is set later, and
//! stores its rows without waking anybody.

use crate::error::RelayError;
use crate::locks::{SLEEP, of_outbox, of_sleep};
use crate::session::Session;

/// Tries to lock all shards. Where transactions that store rows are open, it holds none and has to look again later.
pub(crate) async fn fall_asleep(session: &Session, shards: &[i16]) -> Result<bool, RelayError> {
    let sql = "select count(*) from unnest($2::int2[]) as shard where pg_try_advisory_lock($1, $3::int + shard)";
    let locked: i64 = session.reader.query_one(sql, &[&session.class(), &shards, &SLEEP]).await?.try_get(0)?;
    if usize::try_from(locked).unwrap_or(0) == shards.len() {
        return Ok(true);
    }
    wake_up(session).await?;
    Ok(false)
}

/// Gives the locks back: from now on writers notify nobody.
pub(crate) async fn wake_up(session: &Session) -> Result<(), RelayError> {
    // Of those that are held; giving back one that is not held would be answered with a warning for each.
    let sql = format!(
        "select pg_advisory_unlock($1, l.objid::int) from pg_locks l where {} and {} and l.pid = pg_backend_pid()",
        of_outbox("$2"),
        of_sleep()
    );
    session.reader.query(&sql, &[&session.class(), &session.oid]).await?;
    Ok(())
}
