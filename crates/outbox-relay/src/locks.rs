//! The locks of an outbox: advisory locks of PostgreSQL of two numbers, of which the first is the table's. Who holds which is what relays and
//! writers know of each other.

/// Into how many parts the aggregates are dealt. The lock of a shard, its own number, is held by the relay that has it; `riverrun_store`
/// deals into the same number.
pub(crate) const SHARDS: i16 = 64;
/// Added to the number of a shard, the lock that a relay holds while nobody but a writer can wake it; the trigger has the same.
pub(crate) const SLEEP: i32 = 64;
/// The lock that every relay holds with all others, by which they are counted.
pub(crate) const PRESENCE: i32 = 128;

/// The condition on `pg_locks l` that a lock is held and of the outbox whose oid this expression gives.
pub(crate) fn of_outbox(oid: &str) -> String {
    format!(
        "l.locktype = 'advisory' and l.objsubid = 2 and l.granted and l.classid = {oid} \
         and l.database = (select oid from pg_database where datname = current_database())"
    )
}

/// The condition on `pg_locks l` that a lock is one of sleep.
pub(crate) fn of_sleep() -> String {
    format!("l.objid::bigint between {SLEEP} and {SLEEP} + {SHARDS} - 1")
}
