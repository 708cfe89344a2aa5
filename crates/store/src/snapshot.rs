//! Reading: always through a snapshot of the whole store, so that no batch is ever seen half.

use std::ops::{Deref, RangeBounds};

use bytes::Bytes;
use fjall::{Readable as _, Slice};

use crate::error::ReadError;
use crate::keyspace::Keyspace;

/// Everything as it stood after one batch. Keep it short: what it sees cannot be cleaned up.
#[derive(Clone)]
pub struct Snapshot(pub(crate) fjall::Snapshot);

/// Bytes of a key or value as stored; cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value(Slice);

/// A row of a scan.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its key.
    pub key: Value,
    /// Its value.
    pub value: Value,
}

/// From this size on a value is shared with the engine's cache instead of copied: below, copying costs less than the
/// bookkeeping.
const SHARED_BYTES_MIN: usize = 4 * 1024;

impl Value {
    /// The bytes in the workspace's common currency.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.len() < SHARED_BYTES_MIN { Bytes::copy_from_slice(&self) } else { Bytes::from_owner(self) }
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Snapshot {
    /// The value of one row.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Value>, ReadError> {
        let value = self.0.get(&keyspace.0, key).map_err(|error| ReadError::new(keyspace.name(), error))?;
        Ok(value.map(Value))
    }

    /// How many bytes the value of one row has, without reading it where values are kept apart.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn size(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<u32>, ReadError> {
        self.0.size_of(&keyspace.0, key).map_err(|error| ReadError::new(keyspace.name(), error))
    }

    /// Rows whose keys lie in `range`; take them from the front (ascending) or the back (descending).
    pub fn scan<K: AsRef<[u8]>>(&self, keyspace: &Keyspace, range: impl RangeBounds<K>) -> Rows {
        Rows { rows: self.0.range(&keyspace.0, range), keyspace: keyspace.clone() }
    }

    /// Rows whose keys start with `prefix`.
    pub fn prefix(&self, keyspace: &Keyspace, prefix: &[u8]) -> Rows {
        Rows { rows: self.0.prefix(&keyspace.0, prefix), keyspace: keyspace.clone() }
    }
}

/// Rows of a scan, from both ends.
pub struct Rows {
    rows: fjall::Iter,
    /// For the error that names it.
    keyspace: Keyspace,
}

impl Rows {
    fn row(&self, guard: fjall::Guard) -> Result<Row, ReadError> {
        let (key, value) = guard.into_inner().map_err(|error| self.error(error))?;
        Ok(Row { key: Value(key), value: Value(value) })
    }

    /// The next key from the front, without reading its value where values are kept apart.
    pub fn next_key(&mut self) -> Option<Result<Value, ReadError>> {
        let guard = self.rows.next()?;
        Some(guard.key().map(Value).map_err(|error| self.error(error)))
    }

    fn error(&self, error: fjall::Error) -> ReadError {
        ReadError::new(self.keyspace.name(), error)
    }
}

impl Iterator for Rows {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let guard = self.rows.next()?;
        Some(self.row(guard))
    }
}

impl DoubleEndedIterator for Rows {
    fn next_back(&mut self) -> Option<Self::Item> {
        let guard = self.rows.next_back()?;
        Some(self.row(guard))
    }
}
