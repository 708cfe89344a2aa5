//! Which relay has which aggregates: 64 shards, each a lock of a session, so that a relay that dies gives them up at once.
//!
//! A relay that is slow to notice that it lost its connection may still append what it had read. That does no harm: it appends rows that
//! are still in the table, which whoever has the shard now appends before any later one of the same aggregate, and the log keeps the first.

use std::collections::BTreeSet;

use tokio_postgres::types::Type;

use crate::error::RelayError;
use crate::locks::{PRESENCE, SHARDS, of_outbox};
use crate::session::{Argument, Session};

/// What a relay tells when it came or gave shards up.
pub(crate) const CLAIMS: &str = "claims";

/// The shards of a relay.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    shards: BTreeSet<i16>,
    relays: usize,
}

impl Claims {
    /// Says that there is one more relay.
    pub(crate) async fn join(session: &Session) -> Result<Self, RelayError> {
        session.reader.execute("select pg_advisory_lock_shared($1, $2)", &[&session.class(), &PRESENCE]).await?;
        session.tell(CLAIMS).await?;
        Ok(Self::default())
    }

    pub(crate) fn shards(&self) -> Vec<i16> {
        self.shards.iter().copied().collect()
    }

    /// Whether it has the first of all shards, which one of the relays has.
    pub(crate) fn has_first(&self) -> bool {
        self.shards.contains(&0)
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn relays(&self) -> usize {
        self.relays
    }

    /// Takes free shards up to a fair share, or gives up what is more than that. Whether anything changed.
    pub(crate) async fn balance(&mut self, session: &Session) -> Result<bool, RelayError> {
        let sql = format!("select count(*) from pg_locks l where {} and l.objid::bigint = $2::int", of_outbox("$1"));
        let arguments: [Argument<'_>; 2] = [(&session.oid, Type::OID), (&PRESENCE, Type::INT4)];
        let relays: i64 = session.reader.query_typed_one(&sql, &arguments).await?.try_get(0)?;
        self.relays = usize::try_from(relays).unwrap_or(1).max(1);
        let fair = usize::try_from(SHARDS).unwrap_or_default().div_ceil(self.relays);
        match self.shards.len() {
            have if have > fair => self.give_up(session, have - fair).await?,
            have if have < fair => return self.take(session, fair - have).await,
            _ => return Ok(false),
        }
        Ok(true)
    }

    async fn take(&mut self, session: &Session, missing: usize) -> Result<bool, RelayError> {
        let mut free: Vec<i16> = (0..SHARDS).filter(|shard| !self.shards.contains(shard)).collect();
        // Each relay begins elsewhere, so that two that start at once do not try the same.
        let begin = usize::try_from(session.pid.unsigned_abs()).unwrap_or(0) % free.len().max(1);
        free.rotate_left(begin);
        let sql = "select shard from unnest($2::int2[]) as shard where pg_try_advisory_lock($1, shard) limit $3";
        let limit = i64::try_from(missing).unwrap_or(i64::MAX);
        let rows = session.reader.query(sql, &[&session.class(), &free, &limit]).await?;
        for row in &rows {
            self.shards.insert(row.try_get(0)?);
        }
        Ok(!rows.is_empty())
    }

    async fn give_up(&mut self, session: &Session, many: usize) -> Result<(), RelayError> {
        let given: Vec<i16> = self.shards.iter().rev().take(many).copied().collect();
        let sql = "select pg_advisory_unlock($1, shard) from unnest($2::int2[]) as shard";
        session.reader.query(sql, &[&session.class(), &given]).await?;
        self.shards.retain(|shard| !given.contains(shard));
        session.tell(CLAIMS).await
    }
}
