//! Reads the rows of a view in the order of their keys, over all tasks that may hold them.

use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::Time;
use riverrun_event::partitioner::partition_of_key;
use riverrun_log::{Direction, StateRead, TaskId};
use riverrun_topology::rows::{end_of, escaped, prefix_of};
use riverrun_topology::view::ViewRow;

use super::{View, ViewError};

/// Which rows of a view are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewQuery {
    /// Those of these keys.
    pub keys: Keys,
    /// Only windows that end after this.
    pub window_from: Option<Time>,
    /// Only windows that start before this.
    pub window_to: Option<Time>,
    /// Only what comes behind this row, as [`ViewPage::next`] named it.
    pub after: Option<Bytes>,
    /// At most so many rows.
    pub limit: usize,
}

/// A set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// All there are.
    All,
    /// One.
    One(Vec<u8>),
    /// Those that begin with these bytes.
    Prefix(Vec<u8>),
    /// From the first on, up to but without the second.
    Range(Vec<u8>, Vec<u8>),
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewEntry {
    /// Its place among the rows.
    pub place: Bytes,
    /// What it says.
    pub row: ViewRow,
}

/// Rows in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewPage {
    /// The rows.
    pub entries: Vec<ViewEntry>,
    /// Where to go on, where there may be more.
    pub next: Option<Bytes>,
}

impl ViewQuery {
    /// All rows of these keys, at most `limit`.
    #[must_use]
    pub fn of(keys: Keys, limit: usize) -> Self {
        Self { keys, window_from: None, window_to: None, after: None, limit }
    }

    /// The first row key asked for, and the one after the last.
    fn bounds(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut from, to) = match &self.keys {
            Keys::All => (Vec::new(), end_of(&[])),
            Keys::One(key) => (prefix_of(key), end_of(&prefix_of(key))),
            Keys::Prefix(prefix) => (escaped(prefix), end_of(&escaped(prefix))),
            Keys::Range(from, to) => (escaped(from), escaped(to)),
        };
        if let Some(after) = &self.after {
            let mut behind = after.to_vec();
            behind.push(0);
            from = from.max(behind);
        }
        (from, to)
    }

    fn wants(&self, row: &ViewRow) -> bool {
        let Some((start, end)) = row.window else { return true };
        self.window_from.is_none_or(|from| end > from) && self.window_to.is_none_or(|to| start < to)
    }
}

impl View {
    /// The rows a query asks for. Blocks for the disk.
    ///
    /// # Errors
    /// [`ViewError::NotReady`] while tasks that may hold them are not here; the other errors when state cannot be read.
    pub fn read(&self, query: &ViewQuery) -> Result<ViewPage, ViewError> {
        self.read_of(query, &self.tasks_of(&query.keys))
    }

    /// The rows of these tasks that a query asks for. Blocks for the disk.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_of(&self, query: &ViewQuery, tasks: &[TaskId]) -> Result<ViewPage, ViewError> {
        let tasks: Vec<_> = tasks.iter().map(|task| self.task(*task)).collect::<Result<_, _>>()?;
        if let (Keys::One(key), [task]) = (&query.keys, tasks.as_slice())
            && self.reads_one_row(query)
        {
            let entry = |row| ViewEntry { place: prefix_of(key).into(), row };
            return Ok(ViewPage { entries: self.only_row(task, key)?.map(entry).into_iter().collect(), next: None });
        }
        let (mut from, to) = query.bounds();
        let mut page = ViewPage { entries: Vec::new(), next: None };
        while from < to {
            let Chunk { rows, behind } = self.chunk(&tasks, &from, &to, query.limit)?;
            for (place, value) in rows {
                let Some(row) = self.reading.view_row(&place, &value)?.filter(|row| query.wants(row)) else { continue };
                if page.entries.len() == query.limit {
                    page.next = page.entries.last().map(|entry| entry.place.clone());
                    return Ok(page);
                }
                page.entries.push(ViewEntry { place, row });
            }
            match behind {
                Some(behind) => from = behind,
                None => break,
            }
        }
        Ok(page)
    }

    /// Whether a query is answered by looking one row up.
    #[must_use]
    pub fn reads_one_row(&self, query: &ViewQuery) -> bool {
        matches!(query.keys, Keys::One(_)) && query.after.is_none() && self.has_one_row_per_key()
    }

    /// Whether a key has one row at most, in a task that is known.
    fn has_one_row_per_key(&self) -> bool {
        self.placed_by_key && self.reading.has_one_row_per_key()
    }

    /// The row of a key that has one at most: looked up, which costs less than a scan.
    fn only_row(&self, task: &Arc<dyn StateRead>, key: &[u8]) -> Result<Option<ViewRow>, ViewError> {
        let place = prefix_of(key);
        match task.get(&self.operator, &place)? {
            Some(value) => Ok(self.reading.view_row(&place, &value)?),
            None => Ok(None),
        }
    }

    /// The row of a key; that of the newest window where the view has windows.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn get(&self, key: &[u8]) -> Result<Option<ViewRow>, ViewError> {
        if self.has_one_row_per_key() {
            return self.only_row(&self.task(self.task_of(key))?, key);
        }
        let page = self.read(&ViewQuery::of(Keys::One(key.to_vec()), usize::MAX))?;
        Ok(page.entries.into_iter().next_back().map(|entry| entry.row))
    }

    /// The tasks that may hold rows of these keys.
    #[must_use]
    pub fn tasks_of(&self, keys: &Keys) -> Vec<TaskId> {
        match keys {
            Keys::One(key) if self.placed_by_key => vec![self.task_of(key)],
            _ => self.tasks(),
        }
    }

    /// The task that holds a key, where keys have one.
    fn task_of(&self, key: &[u8]) -> TaskId {
        let count = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        TaskId(partition_of_key(key, count).0)
    }

    /// Rows of all tasks from a place on, merged, as far as every task has said what it holds.
    fn chunk(&self, tasks: &[Arc<dyn StateRead>], from: &[u8], to: &[u8], limit: usize) -> Result<Chunk, ViewError> {
        // One more than asked for tells whether there are more; a few rows may be none of the view's.
        let limit = limit.saturating_add(1).clamp(16, ROWS_MAX);
        let mut rows: Vec<(Bytes, Bytes)> = Vec::new();
        let mut behind: Option<Vec<u8>> = None;
        for task in tasks {
            let found = task.scan(&self.operator, from, to, Direction::Ascending, limit)?;
            if let Some((last, _)) = found.last().filter(|_| found.len() == limit) {
                let next = [&last[..], &[0]].concat();
                behind = Some(behind.map_or(next.clone(), |known| known.min(next)));
            }
            rows.extend(found);
        }
        rows.sort();
        if let Some(behind) = &behind {
            rows.retain(|(place, _)| place[..] < behind[..]);
        }
        Ok(Chunk { rows, behind })
    }
}

/// Most rows taken from a task at once.
const ROWS_MAX: usize = 1_024;

struct Chunk {
    rows: Vec<(Bytes, Bytes)>,
    /// Where to go on, where there may be more.
    behind: Option<Vec<u8>>,
}
