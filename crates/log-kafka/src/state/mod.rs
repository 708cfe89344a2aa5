//! The state of a task: rows in the local store, kept up to date from the group's changelog.
//!
//! The changelog is a compacted topic with a partition for each task. The key of a record is the operator's name, a zero and the
//! row's key; no value deletes the row. Order records are rows of an operator without a name, numbered. Positions are one row of their
//! own, so that whoever follows the changelog knows how far the task is.

mod store;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use riverrun_event::{Offset, OperatorName, Time, TopicPartition};
use riverrun_log::{Direction, GroupName, Order, StateChange, StateError, StateRead, TaskId};
use riverrun_store::Row;
use tokio::sync::watch;

use crate::codec;
pub use store::StateStoreError;
use store::{Number, StateStore};

/// A row's key in the changelog.
pub(crate) type RowKey = Vec<u8>;
/// How far a task has read its inputs.
pub(crate) type Positions = BTreeMap<TopicPartition, Offset>;

/// The first byte of the key of an order record; no name has it.
const ORDER: u8 = 0;
/// The key of a task's positions.
const POSITIONS: &[u8] = &[1];
/// The key of the local row that says up to where the changelog was applied. It is in no changelog.
const APPLIED: &[u8] = &[2];

/// A record of a changelog.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) offset: i64,
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// The states of all tasks that somebody in this process uses.
pub(crate) struct States {
    store: Arc<StateStore>,
    used: Mutex<HashMap<(GroupName, TaskId), Weak<TaskState>>>,
}

impl States {
    pub(crate) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, StateStoreError> {
        Ok(Self { store: Arc::new(StateStore::open(directory, cache_bytes)?), used: Mutex::default() })
    }

    /// The state of a task as it is here; the same for everyone who asks.
    pub(crate) fn of(&self, group: &GroupName, task: TaskId) -> Result<Arc<TaskState>, String> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (group.clone(), task);
        if let Some(known) = used.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let state = Arc::new(TaskState::open(&self.store, self.store.number(group, task)?)?);
        used.insert(key, Arc::downgrade(&state));
        Ok(state)
    }
}

/// The committed rows of one task. May be read while its owner commits.
pub(crate) struct TaskState {
    store: Arc<StateStore>,
    number: Number,
    taken: Mutex<Taken>,
    positions: watch::Sender<Positions>,
}

/// What was taken over from a changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The topic's own id: one that was deleted and made anew has another.
    pub(crate) topic: [u8; 16],
    /// The next record.
    pub(crate) next: i64,
    /// When the last one was taken over.
    pub(crate) at: Time,
}

struct Taken {
    applied: Applied,
    /// The number of the next order record.
    orders_end: u64,
}

impl TaskState {
    fn open(store: &Arc<StateStore>, number: Number) -> Result<Self, String> {
        let nothing = Applied { topic: [0; 16], next: 0, at: Time::from_unix_ms(0) };
        let taken = Mutex::new(Taken { applied: nothing, orders_end: 0 });
        let state = Self { store: Arc::clone(store), number, taken, positions: watch::Sender::new(Positions::new()) };
        if let Some(row) = state.row(APPLIED)? {
            let orders_end = state.last_order()?.map_or(0, |number| number + 1);
            *state.lock() = Taken { applied: codec::decode_applied(row)?, orders_end };
        }
        if let Some(row) = state.row(POSITIONS)? {
            state.positions.send_replace(codec::decode_positions(row)?);
        }
        Ok(state)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is here of the changelog.
    pub(crate) fn applied(&self) -> Applied {
        self.lock().applied
    }

    /// How far the task is, as of what is here.
    pub(crate) fn positions(&self) -> watch::Receiver<Positions> {
        self.positions.subscribe()
    }

    /// Forgets everything, and begins anew with a changelog; unless it has been taken further since it was `seen` there.
    pub(crate) fn clear(&self, seen: Applied, topic: [u8; 16], next: i64) -> Result<(), String> {
        let mut taken = self.lock();
        if taken.applied != seen {
            return Ok(());
        }
        self.store.clear(self.number)?;
        *taken = Taken { applied: Applied { topic, next, at: Time::now() }, orders_end: 0 };
        self.positions.send_replace(Positions::new());
        Ok(())
    }

    /// Takes over committed records of the changelog, in order; those that are here already are passed over. All records before
    /// `next` were seen then, and may have been marks of transactions.
    pub(crate) fn apply(&self, changes: &[Change], next: i64) -> Result<(), String> {
        let mut taken = self.lock();
        let applied = Applied { next: taken.applied.next.max(next), at: Time::now(), ..taken.applied };
        let new: Vec<&Change> = changes.iter().filter(|change| change.offset >= taken.applied.next).collect();
        let mut key = Vec::new();
        let written = self.store.write(|batch, rows| {
            for change in &new {
                key.clear();
                key.extend_from_slice(&self.number.to_be_bytes());
                key.extend_from_slice(&change.key);
                match &change.value {
                    Some(value) => batch.put(rows, &key, value),
                    None => batch.delete(rows, &key),
                }
            }
            batch.put(rows, &self.key(APPLIED), &codec::encode_applied(&applied));
        });
        written.map_err(|error| error.to_string())?;
        let kept = new.iter().filter(|change| change.value.is_some());
        let orders_end = kept.filter_map(|change| order_number(&change.key)).map(|number| number + 1).max();
        let orders_end = orders_end.unwrap_or_default().max(taken.orders_end);
        *taken = Taken { applied, orders_end };
        drop(taken);
        let positions = new.iter().rev().find(|change| &*change.key == POSITIONS);
        if let Some(positions) = positions.and_then(|change| change.value.clone()) {
            self.positions.send_replace(codec::decode_positions(positions)?);
        }
        Ok(())
    }

    /// The number of the next order record.
    pub(crate) fn orders_end(&self) -> u64 {
        self.lock().orders_end
    }

    /// Order records from a number on.
    pub(crate) fn orders(&self, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, String> {
        let (from, to) = (self.key(&order_key(from)), self.key(&[ORDER + 1]));
        let rows = self.rows(&from, &to, Direction::Ascending, limit)?;
        let prefix = self.key(&[]).len();
        let order = |row: Row| {
            let number = order_number(row.key.get(prefix..).unwrap_or_default()).unwrap_or_default();
            Ok((number, codec::decode_order(row.value.into_bytes())?))
        };
        rows.into_iter().map(order).collect()
    }

    fn last_order(&self) -> Result<Option<u64>, String> {
        let (from, to) = (self.key(&[ORDER]), self.key(&[ORDER + 1]));
        let last = self.rows(&from, &to, Direction::Descending, 1)?;
        Ok(last.first().and_then(|row| order_number(row.key.get(self.key(&[]).len()..).unwrap_or_default())))
    }

    fn rows(&self, from: &[u8], to: &[u8], direction: Direction, limit: usize) -> Result<Vec<Row>, String> {
        self.store.read(|snapshot, rows| {
            let found = snapshot.scan::<&[u8]>(rows, (Bound::Included(from), Bound::Excluded(to)));
            match direction {
                Direction::Ascending => found.take(limit).collect(),
                Direction::Descending => found.rev().take(limit).collect(),
            }
        })
    }

    fn row(&self, key: &[u8]) -> Result<Option<Bytes>, String> {
        let key = self.key(key);
        let value = self.store.read(|snapshot, rows| snapshot.get(rows, &key))?;
        Ok(value.map(riverrun_store::Value::into_bytes))
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], key].concat()
    }
}

impl StateRead for TaskState {
    fn get(&self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        self.row(&row_key(operator, key)).map_err(StateError)
    }

    fn scan(
        &self,
        operator: &OperatorName,
        from: &[u8],
        to: &[u8],
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(Bytes, Bytes)>, StateError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let (from, to) = (self.key(&row_key(operator, from)), self.key(&row_key(operator, to)));
        let prefix = self.key(&row_key(operator, &[])).len();
        let rows = self.rows(&from, &to, direction, limit).map_err(StateError)?;
        let row =
            |row: Row| (Bytes::copy_from_slice(row.key.get(prefix..).unwrap_or_default()), row.value.into_bytes());
        Ok(rows.into_iter().map(row).collect())
    }
}

/// A change of state as it stands in the changelog.
pub(crate) fn changed(change: StateChange) -> (RowKey, Option<Bytes>) {
    (row_key(&change.operator, &change.key), change.value)
}

/// An order record as it stands in the changelog.
pub(crate) fn ordered(number: u64, order: &Order) -> (RowKey, Option<Bytes>) {
    (order_key(number), Some(codec::encode_order(order)))
}

/// Positions as they stand in the changelog.
pub(crate) fn positioned(positions: &Positions) -> (RowKey, Option<Bytes>) {
    (POSITIONS.to_vec(), Some(codec::encode_positions(positions)))
}

fn row_key(operator: &OperatorName, key: &[u8]) -> RowKey {
    // Names have no zero in them.
    [operator.as_str().as_bytes(), &[0], key].concat()
}

fn order_key(number: u64) -> RowKey {
    [&[ORDER][..], &number.to_be_bytes()].concat()
}

fn order_number(key: &[u8]) -> Option<u64> {
    key.strip_prefix(&[ORDER]).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use riverrun_event::{Partition, TopicName};

    use super::*;

    fn change(offset: i64, (key, value): (RowKey, Option<Bytes>)) -> Change {
        Change { offset, key: key.into(), value }
    }

    #[test]
    fn a_state_goes_on_where_it_was_and_passes_over_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let (group, step) = (GroupName::stored("g"), OperatorName::new("count").unwrap());
        let put = |value: &'static str| {
            changed(StateChange { operator: step.clone(), key: "k".into(), value: Some(value.into()) })
        };
        let input = TopicPartition::new(TopicName::new("in").unwrap(), Partition(3));
        let at = |next| positioned(&Positions::from([(input.clone(), Offset(next))]));
        {
            let states = States::open(directory.path(), 1 << 20).unwrap();
            let state = states.of(&group, TaskId(0)).unwrap();
            let other = states.of(&group, TaskId(1)).unwrap();
            assert_eq!(state.applied().next, 0);
            let first = [change(0, put("one")), change(1, ordered(0, &Order::default())), change(2, at(5))];
            state.apply(&first, 4).unwrap();
            assert_eq!(*state.positions().borrow(), Positions::from([(input.clone(), Offset(5))]));
            state.apply(&[change(0, put("late")), change(4, ordered(1, &Order::default()))], 5).unwrap();
            assert!(other.get(&step, b"k").unwrap().is_none());
            assert!(Arc::ptr_eq(&state, &states.of(&group, TaskId(0)).unwrap()));
        }
        let states = States::open(directory.path(), 1 << 20).unwrap();
        let state = states.of(&group, TaskId(0)).unwrap();
        assert_eq!((state.applied().next, state.orders_end()), (5, 2));
        assert_eq!(state.get(&step, b"k").unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(state.orders(0, 9).unwrap().len(), 2);
        assert_eq!(*state.positions().borrow(), Positions::from([(input, Offset(5))]));
        let seen = state.applied();
        state.apply(&[], 6).unwrap();
        state.clear(seen, [9; 16], 7).unwrap();
        assert_eq!(state.applied().next, 6, "it is further than whoever wants it cleared has seen");
        state.clear(state.applied(), [9; 16], 7).unwrap();
        assert_eq!((state.applied().next, state.orders_end()), (7, 0));
        assert!(state.get(&step, b"k").unwrap().is_none() && state.positions().borrow().is_empty());
    }
}
