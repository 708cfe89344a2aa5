//! The store: one database in one directory, opened by one process at a time.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fjall::{CompressionType, Database, PersistMode};

use crate::batch::Batch;
use crate::engine_panic;
use crate::error::{KeyspaceError, OpenError, WriteError, describe};
use crate::keyspace::{Keyspace, Shape};
use crate::manifest;
use crate::snapshot::Snapshot;

/// How much the store may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Bytes of blocks and values kept in memory after they were read.
    pub cache_bytes: u64,
    /// Bytes of journals before the oldest is emptied by flushing; bounds what an opening has to read back. At least 64 MiB.
    pub journal_bytes_max: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            // fjall's own default; readers of a log go forward, so more brings little.
            cache_bytes: 32 * 1024 * 1024,
            // Two journals of 64 MiB: one being written, one being flushed. fjall's 512 MiB would have to be read after a crash.
            journal_bytes_max: 128 * 1024 * 1024,
        }
    }
}

/// An open store; cheap to clone. The files close when the last clone, keyspace and snapshot are gone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    poisoned: Arc<AtomicBool>,
}

/// Longer than flushing all memtables takes on a slow disk; whoever stops a server waits no longer for it.
const FLUSH_WAIT_MAX: Duration = Duration::from_secs(5);

/// Reading back a shorter journal takes no longer than opening the files it would be flushed to.
const FLUSH_BYTES_MIN: u64 = 1024 * 1024;

/// The engine tells nobody when a flush is done.
const FLUSH_POLL: Duration = Duration::from_millis(1);

/// fjall refuses fewer (`max_journaling_size`).
const JOURNAL_BYTES_MIN: u64 = 64 * 1024 * 1024;

impl Store {
    /// Whether a store was ever completely created in `path`.
    #[must_use]
    pub fn exists(path: &Path) -> bool {
        path.join("version").exists()
    }

    /// Opens the store in `path`, creating it if there is none.
    ///
    /// # Errors
    /// [`OpenError`] tells a lock from damage from what the operating system refused.
    pub fn open(path: &Path, tuning: Tuning) -> Result<Self, OpenError> {
        Self::check_catalogue(path)?;
        let builder = Database::builder(path)
            .cache_size(tuning.cache_bytes)
            .max_journaling_size(tuning.journal_bytes_max.max(JOURNAL_BYTES_MIN))
            // Large values come compressed by their writer; compressing them again costs time and saves nothing.
            .journal_compression(CompressionType::None)
            // Every batch states how durable it must be; nothing else is to touch the journal.
            .manual_journal_persist(true)
            // One thread flushes, one compacts: neither may wait for the other, and more would take cores from workers.
            .worker_threads(2);
        match engine_panic::caught(|| builder.open()) {
            Ok(Ok(database)) => Ok(Self { database, poisoned: Arc::default() }),
            Ok(Err(error)) => Err(Self::placed(path, error.into())),
            Err(said) => Err(Self::placed(path, OpenError::Damaged(format!("the storage engine gave up: {said}")))),
        }
    }

    /// The error with the file that is damaged, if one is: the engine names none.
    fn placed(path: &Path, error: OpenError) -> OpenError {
        match error {
            OpenError::Locked => error,
            error => match manifest::damaged_file(path) {
                Some(file) => OpenError::Damaged(file),
                None => error,
            },
        }
    }

    /// fjall takes a store whose catalogue of keyspaces vanished for an empty one and deletes every keyspace's folder as
    /// unreferenced; likewise the tables that a damaged list does not name. So these are looked at before fjall is asked.
    fn check_catalogue(path: &Path) -> Result<(), OpenError> {
        let keyspaces = path.join("keyspaces");
        if Self::exists(path) && keyspaces.join("1").exists() && !keyspaces.join("0").join("current").exists() {
            return Err(OpenError::Damaged("the catalogue of keyspaces (keyspaces/0/current) is missing".to_owned()));
        }
        match manifest::damaged_list(path) {
            // Its owner may have been writing the list at this moment.
            Some(_) if is_locked(path) => Err(OpenError::Locked),
            Some(file) => Err(OpenError::Damaged(file)),
            None => Ok(()),
        }
    }

    /// Names of all keyspaces.
    #[must_use]
    pub fn keyspaces(&self) -> Vec<String> {
        self.database.list_keyspace_names().iter().map(ToString::to_string).collect()
    }

    /// The keyspace of this name, created with the tuning of `shape` when it does not exist.
    ///
    /// # Errors
    /// [`KeyspaceError`] when it cannot be created.
    pub fn keyspace(&self, name: &str, shape: Shape) -> Result<Keyspace, KeyspaceError> {
        self.database
            .keyspace(name, || shape.options().manual_journal_persist(true))
            .map(Keyspace)
            .map_err(|error| KeyspaceError::Failed { name: name.to_owned(), detail: describe(&error) })
    }

    /// Deletes a keyspace with all its rows. Its files go when the last handle and snapshot do.
    ///
    /// # Errors
    /// [`KeyspaceError`] when it cannot be deleted.
    pub fn delete_keyspace(&self, keyspace: Keyspace) -> Result<(), KeyspaceError> {
        let name = keyspace.name().to_owned();
        self.database
            .delete_keyspace(keyspace.0)
            .map_err(|error| KeyspaceError::Failed { name, detail: describe(&error) })
    }

    /// Writes rows straight into the keyspace's files, past the journal and the memtable: for many small rows under random keys
    /// that is a tenth of the work. They come in ascending order of their keys, and are durable and visible, all of them, when
    /// this returns; after a crash before that, none is.
    ///
    /// # Errors
    /// [`WriteError`]; the store takes no more batches then.
    pub fn ingest<K, V>(&self, keyspace: &Keyspace, rows: impl IntoIterator<Item = (K, V)>) -> Result<(), WriteError>
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        if self.is_poisoned() {
            return Err(WriteError::Poisoned);
        }
        let write = || {
            let mut ingestion = keyspace.0.start_ingestion()?;
            for (key, value) in rows {
                ingestion.write(key.as_ref(), value.as_ref())?;
            }
            ingestion.finish()
        };
        write().map_err(|error: fjall::Error| {
            self.poisoned.store(true, Ordering::Release);
            WriteError::from(error)
        })
    }

    /// Writes what is in memory to the keyspaces' files, so that the next opening has no journal to read back. Waits for a
    /// while only: what it does not get done, the next opening does.
    ///
    /// # Errors
    /// [`WriteError`] when it cannot be begun.
    pub fn flush<'a>(&self, keyspaces: impl IntoIterator<Item = &'a Keyspace>) -> Result<(), WriteError> {
        if self.database.write_buffer_size() < FLUSH_BYTES_MIN {
            return Ok(());
        }
        let keyspaces: Vec<&Keyspace> = keyspaces.into_iter().collect();
        for keyspace in &keyspaces {
            keyspace.0.rotate_memtable()?;
        }
        let until = Instant::now() + FLUSH_WAIT_MAX;
        let waits = |keyspace: &&Keyspace| keyspace.0.sealed_memtable_count() > 0;
        while keyspaces.iter().any(waits) && Instant::now() < until && !self.is_poisoned() {
            std::thread::sleep(FLUSH_POLL);
        }
        Ok(())
    }

    /// Syncs what batches have buffered.
    ///
    /// # Errors
    /// [`WriteError`]; the store takes no more batches then.
    pub fn sync(&self) -> Result<(), WriteError> {
        if self.is_poisoned() {
            return Err(WriteError::Poisoned);
        }
        self.database.persist(PersistMode::SyncData).map_err(|error| {
            self.poisoned.store(true, Ordering::Release);
            WriteError::from(error)
        })
    }

    /// A new batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch::new(self.database.batch(), Arc::clone(&self.poisoned))
    }

    /// Everything as it stands now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.database.snapshot())
    }

    /// Whether a write or sync failed: the store takes no more batches, reads go on.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Bytes on disk, journal included; `None` where the operating system does not say.
    #[must_use]
    pub fn disk_bytes(&self) -> Option<u64> {
        self.database.disk_space().ok()
    }
}

/// Whether a process has the store open.
fn is_locked(path: &Path) -> bool {
    let lock = File::open(path.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}
