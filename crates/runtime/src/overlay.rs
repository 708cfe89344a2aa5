//! A task's state as its steps see it: the committed rows with the uncommitted changes on top.
//!
//! Changes gather until a commit takes them, and stay on top until it is durable, since the task goes on meanwhile; those of an
//! event that fails are undone. The overlay never writes anywhere itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::OperatorName;
use riverrun_log::{Direction, StateChange, StateRead};
use riverrun_topology::{KeyedState, StepError};

/// A row that is not known to be committed as it is here.
struct Row {
    /// `None`: deleted.
    value: Option<Bytes>,
    /// Which commit holds it.
    commit: u64,
}

/// What a row was in the overlay before an event changed it; the outer `None`: not in the overlay.
type Undo = (OperatorName, Bytes, Option<Row>);

/// Committed state with uncommitted changes.
pub struct Overlay {
    committed: Arc<dyn StateRead>,
    changed: HashMap<OperatorName, BTreeMap<Bytes, Row>>,
    undo: Vec<Undo>,
    /// The number of the commit that is to take what changes now.
    commit: u64,
}

/// What a commit takes.
pub struct Changes {
    /// The rows.
    pub rows: Vec<StateChange>,
    /// Which of the overlay's commits it is, for [`Overlay::settle`].
    pub commit: u64,
}

impl Overlay {
    /// Without changes yet.
    #[must_use]
    pub fn new(committed: Arc<dyn StateRead>) -> Self {
        Self { committed, changed: HashMap::new(), undo: Vec::new(), commit: 0 }
    }

    /// Keeps the changes of the event that just succeeded.
    pub fn keep(&mut self) {
        self.undo.clear();
    }

    /// Undoes the changes of the event that just failed.
    pub fn undo(&mut self) {
        for (operator, key, before) in std::mem::take(&mut self.undo).into_iter().rev() {
            let rows = self.changed.entry(operator).or_default();
            match before {
                Some(row) => rows.insert(key, row),
                None => rows.remove(&key),
            };
        }
    }

    /// Takes the changes since the last call for a commit. They are seen on top until [`settle`](Self::settle) says that they are
    /// durable.
    pub fn take_changes(&mut self) -> Changes {
        self.undo.clear();
        let commit = self.commit;
        self.commit += 1;
        let mut changes = Vec::new();
        for (operator, rows) in &self.changed {
            let new = rows.iter().filter(|(_, row)| row.commit == commit);
            changes.extend(new.map(|(key, row)| StateChange {
                operator: operator.clone(),
                key: key.clone(),
                value: row.value.clone(),
            }));
        }
        Changes { rows: changes, commit }
    }

    /// This commit is durable, and so are those before it: what it took is found in the committed state.
    pub fn settle(&mut self, commit: u64) {
        let is_durable = |row: &Row| row.commit <= commit;
        for rows in self.changed.values_mut() {
            if rows.values().all(is_durable) {
                rows.clear();
            } else {
                rows.retain(|_, row| !is_durable(row));
            }
        }
    }

    /// Rows with `from <= key < to`, at most `limit`, in the direction's order.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the committed state cannot be read.
    pub fn range(
        &self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        let read = |limit| self.committed.scan(operator, from, to, direction, limit).map_err(fatal);
        let Some(changed) = self.changed.get(operator).filter(|_| from < to) else { return read(limit) };
        let changes = changed.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
        // Few committed rows are hidden by a deletion mostly; where more are, more are read.
        let mut asked = limit.saturating_add(HIDDEN_ROWS);
        loop {
            let committed = read(asked)?;
            let is_all = committed.len() < asked;
            let rows = match direction {
                Direction::Ascending => merged(committed, is_all, changes.clone(), |one, other| one < other, limit),
                Direction::Descending => {
                    merged(committed, is_all, changes.clone().rev(), |one, other| one > other, limit)
                }
            };
            if is_all || rows.len() == limit {
                return Ok(rows);
            }
            asked = asked.saturating_mul(4);
        }
    }
}

/// Committed rows read beyond what is asked for, in case some of them are deleted.
const HIDDEN_ROWS: usize = 8;

/// Committed rows with the changes among them, at most `limit`; both in the order of `comes_before`. Where the committed ones are
/// not all there are, it ends with the last of them.
fn merged<'c>(
    committed: Vec<(Bytes, Bytes)>,
    is_all: bool,
    changes: impl Iterator<Item = (&'c Bytes, &'c Row)>,
    comes_before: impl Fn(&Bytes, &Bytes) -> bool,
    limit: usize,
) -> Vec<(Bytes, Bytes)> {
    let mut committed = committed.into_iter().peekable();
    let mut changes = changes.peekable();
    let mut rows = Vec::new();
    while rows.len() < limit && (is_all || committed.peek().is_some()) {
        let change =
            changes.next_if(|(changed, _)| committed.peek().is_none_or(|(key, _)| !comes_before(key, changed)));
        match change {
            Some((changed, row)) => {
                // The change counts, not what was there before.
                let _hidden = committed.next_if(|(key, _)| key == changed);
                rows.extend(row.value.clone().map(|value| (changed.clone(), value)));
            }
            None => match committed.next() {
                Some(row) => rows.push(row),
                None => break,
            },
        }
    }
    rows
}

impl KeyedState for Overlay {
    fn get(&mut self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StepError> {
        match self.changed.get(operator).and_then(|rows| rows.get(key)) {
            Some(row) => Ok(row.value.clone()),
            None => self.committed.get(operator, key).map_err(fatal),
        }
    }

    fn put(&mut self, operator: &OperatorName, key: &[u8], value: Option<Bytes>) {
        let key = Bytes::copy_from_slice(key);
        let row = Row { value, commit: self.commit };
        let before = match self.changed.get_mut(operator) {
            Some(rows) => rows.insert(key.clone(), row),
            None => self.changed.entry(operator.clone()).or_default().insert(key.clone(), row),
        };
        self.undo.push((operator.clone(), key, before));
    }

    fn scan(
        &mut self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        self.range(operator, from, to, Direction::Ascending, limit)
    }
}

/// The task's state, shared by a step's look-ups and its operators, one after the other.
pub struct SharedOverlay<'a>(pub &'a RefCell<Overlay>);

impl KeyedState for SharedOverlay<'_> {
    fn get(&mut self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StepError> {
        self.0.borrow_mut().get(operator, key)
    }

    fn put(&mut self, operator: &OperatorName, key: &[u8], value: Option<Bytes>) {
        self.0.borrow_mut().put(operator, key, value);
    }

    fn scan(
        &mut self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        KeyedState::scan(&mut *self.0.borrow_mut(), operator, from, to, limit)
    }
}

fn fatal(error: riverrun_log::StateError) -> StepError {
    StepError::Fatal(error.to_string())
}

#[cfg(test)]
pub(crate) mod testing {
    //! The committed rows of one operator, in memory.

    use std::sync::{Mutex, PoisonError};

    use riverrun_log::StateError;

    use super::*;

    #[derive(Default)]
    pub(crate) struct Committed(pub(crate) Mutex<BTreeMap<Bytes, Bytes>>);

    impl Committed {
        /// Changes the rows as a commit does.
        pub(crate) fn commit(&self, changes: Vec<StateChange>) {
            let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for change in changes {
                match change.value {
                    Some(value) => rows.insert(change.key, value),
                    None => rows.remove(&change.key),
                };
            }
        }
    }

    impl StateRead for Committed {
        fn get(&self, _: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError> {
            Ok(self.0.lock().unwrap().get(key).cloned())
        }

        fn scan(
            &self,
            _: &OperatorName,
            from: &[u8],
            to: &[u8],
            direction: Direction,
            limit: usize,
        ) -> Result<Vec<(Bytes, Bytes)>, StateError> {
            let rows = self.0.lock().unwrap();
            let rows = rows.range::<[u8], _>((Bound::Included(from), Bound::Excluded(to)));
            let rows = rows.map(|(key, value)| (key.clone(), value.clone()));
            Ok(match direction {
                Direction::Ascending => rows.take(limit).collect(),
                Direction::Descending => rows.rev().take(limit).collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::testing::Committed;
    use super::*;

    fn bytes(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    fn overlay() -> (Overlay, OperatorName) {
        let rows = ["a", "c", "e"].map(|key| (bytes(key), bytes("old")));
        (Overlay::new(Arc::new(Committed(Mutex::new(rows.into())))), OperatorName::new("count").unwrap())
    }

    fn keys(overlay: &Overlay, operator: &OperatorName, direction: Direction, limit: usize) -> String {
        let rows = overlay.range(operator, b"a", b"z", direction, limit).unwrap();
        rows.iter().map(|(key, _)| std::str::from_utf8(key).unwrap()).collect()
    }

    #[test]
    fn scans_see_changes_over_committed_rows() {
        let (mut overlay, operator) = overlay();
        overlay.put(&operator, b"b", Some(bytes("new")));
        overlay.put(&operator, b"c", None);
        assert_eq!(keys(&overlay, &operator, Direction::Ascending, 9), "abe");
        assert_eq!(keys(&overlay, &operator, Direction::Descending, 2), "eb");
        assert_eq!(overlay.get(&operator, b"c").unwrap(), None);
        assert_eq!(overlay.get(&operator, b"e").unwrap(), Some(bytes("old")));
    }

    #[test]
    fn a_scan_passes_over_any_number_of_deleted_rows() {
        let key = |number: u32| Bytes::copy_from_slice(&number.to_be_bytes());
        let rows = (0..100).map(|number| (key(number), bytes("old")));
        let mut overlay = Overlay::new(Arc::new(Committed(Mutex::new(rows.collect()))));
        let operator = OperatorName::new("count").unwrap();
        (0..90).for_each(|number| overlay.put(&operator, &key(number), None));
        let scan = |direction, limit| {
            let rows = overlay.range(&operator, &key(0), &key(100), direction, limit).unwrap();
            rows.iter().map(|(key, _)| u32::from(key[3])).collect::<Vec<_>>()
        };
        assert_eq!(scan(Direction::Ascending, 2), [90, 91]);
        assert_eq!(scan(Direction::Descending, usize::MAX), (90..100).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_failed_event_leaves_no_change_and_keeps_those_before_it() {
        let (mut overlay, operator) = overlay();
        overlay.put(&operator, b"a", Some(bytes("1")));
        overlay.keep();
        overlay.put(&operator, b"a", Some(bytes("2")));
        overlay.put(&operator, b"x", Some(bytes("2")));
        overlay.put(&operator, b"a", None);
        overlay.undo();
        let changes = overlay.take_changes().rows;
        assert_eq!(changes, [StateChange { operator, key: bytes("a"), value: Some(bytes("1")) }]);
    }

    #[test]
    fn changes_stay_on_top_until_their_commit_is_durable() {
        let rows = Arc::new(Committed::default());
        let mut overlay = Overlay::new(Arc::clone(&rows) as Arc<dyn StateRead>);
        let operator = OperatorName::new("count").unwrap();
        let read = |overlay: &mut Overlay| {
            let mut row = |key: &[u8]| overlay.get(&OperatorName::new("count").unwrap(), key).unwrap();
            ["a", "b"].map(|key| row(key.as_bytes()).map(|row| String::from_utf8(row.to_vec()).unwrap()))
        };
        overlay.put(&operator, b"a", Some(bytes("1")));
        overlay.put(&operator, b"b", Some(bytes("1")));
        overlay.keep();
        let first = overlay.take_changes();
        overlay.put(&operator, b"a", Some(bytes("2")));
        overlay.keep();
        overlay.put(&operator, b"b", None);
        overlay.undo();
        assert_eq!(read(&mut overlay), [Some("2".to_owned()), Some("1".to_owned())]);
        let second = overlay.take_changes();
        assert_eq!((first.rows.len(), second.rows.len()), (2, 1));
        rows.commit(first.rows);
        overlay.settle(first.commit);
        assert_eq!(read(&mut overlay), [Some("2".to_owned()), Some("1".to_owned())]);
        assert_eq!(keys(&overlay, &operator, Direction::Ascending, 9), "ab");
        rows.commit(second.rows);
        overlay.settle(second.commit);
        rows.0.lock().unwrap().clear();
        assert_eq!(read(&mut overlay), [None, None], "what is durable is read where it was committed");
    }
}
