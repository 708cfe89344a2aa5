//! Reads the rows that were not seen before, exactly, without a cursor over ids.
//!
//! Ids do not commit in order: what is read behind the highest id misses a transaction that drew its ids early and commits late. So each row
//! carries its transaction, and the reader remembers the snapshot of its last question: new is what a transaction stored that was not
//! visible in it, that is, one that began later (`xid >= xmax`) or was still open (`xid = any(xip)`). An index leads to just these rows, so
//! neither a transaction that stays open for long nor the dead rows it leaves in the table cost anything.
//! (PostgreSQL's manual: "System Information Functions", `pg_current_snapshot`.)
//!
//! After a start, a change of shards, and whenever rows were let go again that had been passed over, all rows are read once in the order of
//! their ids, as of one snapshot.

use futures_util::{TryStreamExt as _, pin_mut};
use riverrun_log::sabotage;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use crate::error::RelayError;
use crate::row::{COLUMNS, Row};
use crate::session::Session;

/// Rows of one question: enough to fill a batch of the log, few enough to be quick.
const ROWS_MAX: i64 = 2_000;
/// Bytes of one question, after which the rest is left for the next.
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Which transactions were visible, as `pg_snapshot` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Snapshot {
    text: String,
    xmax: String,
    open: Vec<String>,
}

impl Snapshot {
    /// `xmin:xmax:xip,xip`.
    fn read(text: &str) -> Self {
        let mut parts = text.split(':').skip(1);
        let xmax = parts.next().unwrap_or("0").to_owned();
        let open = parts.next().unwrap_or_default().split(',').filter(|xid| !xid.is_empty()).map(ToOwned::to_owned);
        Self { text: text.to_owned(), xmax, open: open.collect() }
    }
}

/// How the next rows are found.
enum Place {
    /// From the beginning.
    Start,
    /// By id, as of one snapshot, since there were too many for one question. What was visible before is left out.
    Pages { upto: Snapshot, after: i64, before: Option<Snapshot> },
    /// What was not visible in this snapshot.
    Seen(Snapshot),
}

/// Reads an outbox.
pub(crate) struct Window {
    place: Place,
    unseen: Statement,
    page: Statement,
}

/// What a question gave.
pub(crate) struct Read {
    /// In the order of their ids.
    pub(crate) rows: Vec<Row>,
    /// Whether more can be had at once.
    pub(crate) more: bool,
}

impl Window {
    pub(crate) async fn open(session: &Session) -> Result<Self, RelayError> {
        let table = &session.table;
        let ready = ready(table);
        let unseen = format!(
            "with now as materialized (select pg_current_snapshot() as snapshot) \
             select now.snapshot::text, {COLUMNS} from now left join lateral ( \
               select o.* from ( \
                 select * from {table} where xid >= $2::text::xid8 \
                 union all \
                 select * from {table} where xid = any($3::text[]::xid8[]) \
               ) o where o.shard = any($1) and {ready} order by o.id limit $4 \
             ) o on true"
        );
        let page = format!(
            "select {COLUMNS} from {table} o where o.id > $2 and o.shard = any($1) and {ready} \
             and pg_visible_in_snapshot(o.xid, $3::text::pg_snapshot) \
             and ($4::text is null or not pg_visible_in_snapshot(o.xid, $4::text::pg_snapshot)) \
             order by o.id limit $5"
        );
        Ok(Self {
            place: Place::Start,
            unseen: session.reader.prepare(&unseen).await?,
            page: session.reader.prepare(&page).await?,
        })
    }

    /// All rows count as not seen again.
    pub(crate) fn restart(&mut self) {
        self.place = Place::Start;
    }

    /// The next rows of these shards.
    pub(crate) async fn read(&mut self, session: &Session, shards: &[i16]) -> Result<Read, RelayError> {
        if let Place::Start = self.place {
            let row = session.reader.query_one("select pg_current_snapshot()::text", &[]).await?;
            self.place = Place::Pages { upto: Snapshot::read(row.try_get(0)?), after: 0, before: None };
        }
        if sabotage::is("outbox-cursor")
            && let Place::Pages { upto, .. } = &mut self.place
        {
            // What an id that was drawn early and committed late falls through.
            let row = session.reader.query_one("select pg_current_snapshot()::text", &[]).await?;
            *upto = Snapshot::read(row.try_get(0)?);
        }
        match &self.place {
            Place::Seen(seen) => self.read_unseen(session, shards, seen.clone()).await,
            Place::Pages { .. } | Place::Start => self.read_page(session, shards).await,
        }
    }

    async fn read_unseen(&mut self, session: &Session, shards: &[i16], seen: Snapshot) -> Result<Read, RelayError> {
        let arguments: [&(dyn ToSql + Sync); 4] = [&shards, &seen.xmax, &seen.open, &ROWS_MAX];
        let found = session.reader.query_raw(&self.unseen, arguments).await?;
        let (mut collected, mut snapshot) = (Collected::default(), None);
        pin_mut!(found);
        while let Some(row) = found.try_next().await? {
            if snapshot.is_none() {
                snapshot = Some(Snapshot::read(row.try_get(0)?));
            }
            // Without rows, the snapshot comes with nulls beside it.
            if row.try_get::<_, Option<i64>>(1)?.is_some() && !collected.take(Row::read(&row, 1)?) {
                break;
            }
        }
        let Some(upto) = snapshot else { return Ok(Read { rows: Vec::new(), more: false }) };
        let more = collected.is_full();
        self.place = match (more, collected.rows.last()) {
            (true, Some(last)) => Place::Pages { upto, after: last.id, before: Some(seen) },
            _ => Place::Seen(upto),
        };
        Ok(Read { rows: collected.rows, more })
    }

    async fn read_page(&mut self, session: &Session, shards: &[i16]) -> Result<Read, RelayError> {
        let Place::Pages { upto, after, before } = &mut self.place else {
            return Ok(Read { rows: Vec::new(), more: true });
        };
        let before = before.as_ref().map(|before| before.text.as_str());
        let arguments: [&(dyn ToSql + Sync); 5] = [&shards, after, &upto.text, &before, &ROWS_MAX];
        let found = session.reader.query_raw(&self.page, arguments).await?;
        let mut collected = Collected::default();
        pin_mut!(found);
        while let Some(row) = found.try_next().await? {
            if !collected.take(Row::read(&row, 0)?) {
                break;
            }
        }
        let by_cursor = sabotage::is("outbox-cursor");
        match collected.rows.last().filter(|_| collected.is_full() || by_cursor) {
            Some(last) => *after = last.id,
            None if by_cursor => {}
            None => self.place = Place::Seen(upto.clone()),
        }
        // What came while the pages were read is still to be asked for.
        Ok(Read { rows: collected.rows, more: !by_cursor })
    }
}

/// Which rows may be published: none that failed and waits, and none behind such a one of its aggregate.
pub(crate) fn ready(table: &str) -> String {
    format!(
        "o.dead_at is null and o.retry_at is null \
         and not exists (select from {table} b where b.blocks and hashtextextended(b.key, 0) = hashtextextended(o.key, 0) \
           and b.topic = o.topic and b.key = o.key and b.id < o.id)"
    )
}

/// Rows up to the limits of a question.
#[derive(Default)]
struct Collected {
    rows: Vec<Row>,
    bytes: usize,
}

impl Collected {
    /// Takes a row; false when no more are wanted after it.
    fn take(&mut self, row: Row) -> bool {
        self.bytes += row.bytes();
        self.rows.push(row);
        !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX || i64::try_from(self.rows.len()).is_ok_and(|rows| rows >= ROWS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_read() {
        let snapshot = Snapshot::read("10:20:10,14,15");
        assert_eq!((snapshot.xmax.as_str(), snapshot.open.join(" ").as_str()), ("20", "10 14 15"));
        assert!(Snapshot::read("20:20:").open.is_empty());
    }
}
