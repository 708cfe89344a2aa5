//! The state of a task: rows in memory, made anew from the group's changelog by whoever gets the task.
//!
//! The changelog is a compacted topic with a partition for each task. The key of a record is the operator's name, a zero and the
//! row's key; no value deletes the row. Order records are rows of an operator without a name, numbered.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use riverrun_event::OperatorName;
use riverrun_log::{Direction, Order, StateChange, StateError, StateRead};

use crate::order;

/// A row's key in the changelog.
type RowKey = Vec<u8>;

/// The committed rows of one task. May be read while its owner commits.
#[derive(Debug, Default)]
pub(crate) struct TaskState(RwLock<BTreeMap<RowKey, Bytes>>);

impl TaskState {
    /// Rows from a changelog, oldest first.
    pub(crate) fn restored(changes: impl IntoIterator<Item = (RowKey, Option<Bytes>)>) -> Self {
        let state = Self::default();
        state.apply(changes);
        state
    }

    /// Takes over what a commit has changed.
    pub(crate) fn apply(&self, changes: impl IntoIterator<Item = (RowKey, Option<Bytes>)>) {
        let mut rows = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in changes {
            match value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
    }

    /// The number of the next order record.
    pub(crate) fn orders_end(&self) -> u64 {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let last = rows.range(order_key(0)..=order_key(u64::MAX)).next_back();
        last.and_then(|(key, _)| order_number(key)).map_or(0, |number| number + 1)
    }

    /// Order records from a number on.
    pub(crate) fn orders(&self, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, String> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = rows.range(order_key(from)..=order_key(u64::MAX)).take(limit);
        found.map(|(key, value)| Ok((order_number(key).unwrap_or_default(), order::decode(value.clone())?))).collect()
    }
}

impl StateRead for TaskState {
    fn get(&self, operator: &OperatorName, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(&row_key(operator, key)).cloned())
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
        let (from, to) = (row_key(operator, from), row_key(operator, to));
        let prefix = row_key(operator, &[]).len();
        let rows = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = rows.range::<[u8], _>((Bound::Included(&from[..]), Bound::Excluded(&to[..])));
        let row = |(key, value): (&RowKey, &Bytes)| {
            (Bytes::copy_from_slice(key.get(prefix..).unwrap_or_default()), value.clone())
        };
        Ok(match direction {
            Direction::Ascending => found.take(limit).map(row).collect(),
            Direction::Descending => found.rev().take(limit).map(row).collect(),
        })
    }
}

/// A change of state as it stands in the changelog.
pub(crate) fn changed(change: StateChange) -> (RowKey, Option<Bytes>) {
    (row_key(&change.operator, &change.key), change.value)
}

/// An order record as it stands in the changelog.
pub(crate) fn ordered(number: u64, order: &Order) -> (RowKey, Option<Bytes>) {
    (order_key(number), Some(order::encode(order)))
}

fn row_key(operator: &OperatorName, key: &[u8]) -> RowKey {
    // Names have no zero in them.
    [operator.as_str().as_bytes(), &[0], key].concat()
}

fn order_key(number: u64) -> RowKey {
    [&[0][..], &number.to_be_bytes()].concat()
}

fn order_number(key: &[u8]) -> Option<u64> {
    key.get(1..).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes)
}
