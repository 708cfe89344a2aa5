//! The only way to write: an atomic batch over any keyspaces.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fjall::{OwnedWriteBatch, PersistMode};

use crate::error::WriteError;
use crate::keyspace::Keyspace;

/// How far a batch must be when its commit returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On disk (`fdatasync`): survives a power cut.
    Synced,
    /// With the operating system: survives the end of this process only.
    Buffered,
}

/// Changes that happen together or not at all. Of two changes to the same row the later one counts.
pub struct Batch {
    inner: OwnedWriteBatch,
    poisoned: Arc<AtomicBool>,
}

impl Batch {
    pub(crate) fn new(inner: OwnedWriteBatch, poisoned: Arc<AtomicBool>) -> Self {
        Self { inner, poisoned }
    }

    /// Puts a row. Keys have 1 to 65,535 bytes, values less than 4 GiB; the callers' formats keep to that.
    pub fn put(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) {
        self.inner.insert(&keyspace.0, key, value);
    }

    /// Deletes a row, if it is there.
    pub fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) {
        self.inner.remove(&keyspace.0, key);
    }

    /// How many changes it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Writes everything at once. Snapshots taken after it returns see it.
    ///
    /// # Errors
    /// [`WriteError`]; the store takes no more batches then, since what is on disk is in doubt.
    pub fn commit(self, durability: Durability) -> Result<(), WriteError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(WriteError::Poisoned);
        }
        let mode = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Buffered => PersistMode::Buffer,
        };
        self.inner.durability(Some(mode)).commit().map_err(|error| {
            self.poisoned.store(true, Ordering::Release);
            WriteError::from(error)
        })
    }
}
