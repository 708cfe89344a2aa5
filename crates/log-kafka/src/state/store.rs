//! The local copy of the state of tasks: one embedded store for all tasks of the instance.
//!
//! It is never ahead of the cluster, since a change is applied after its transaction was committed, and it need not be durable: what a
//! crash takes from its end is read again from the changelog. All rows are in one keyspace, so that rows and the place in the changelog
//! up to which they hold are lost together or not at all. A row's key begins with the number of its task; number 0 is the list of tasks.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use riverrun_event::Time;
use riverrun_log::{GroupName, TaskId};
use riverrun_store::{Batch, Durability, Keyspace, OpenError, ReadError, Shape, Snapshot, Store, Tuning, WriteError};

/// Whoever closed it a moment ago may still be about to.
const LOCKED_PATIENCE: Duration = Duration::from_secs(5);
const LOCKED_POLL: Duration = Duration::from_millis(20);
/// Rows deleted in one batch.
const DELETED_MAX: usize = 10_000;
/// Written next to the store when it cannot be trusted any more.
const DAMAGED: &str = "damaged";

/// The number of a task in the store.
pub(crate) type Number = u32;

pub(crate) struct StateStore {
    store: Store,
    rows: Keyspace,
    /// The next number that no task has; whoever gives it out holds the lock.
    next: Mutex<Number>,
    directory: PathBuf,
}

/// The local copy of the state cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the local copy of the state in {directory}: {reason}")]
pub struct StateStoreError {
    /// Where it is.
    pub directory: PathBuf,
    /// What happened.
    pub reason: String,
}

impl StateStore {
    /// Opens the store in a directory. One that is damaged is set aside, and a new one made: the cluster has everything.
    pub(crate) fn open(directory: &Path, cache_bytes: u64) -> Result<Self, StateStoreError> {
        let failed = |reason: String| StateStoreError { directory: directory.to_owned(), reason };
        let mark = directory.join(DAMAGED);
        if mark.exists() {
            set_aside(directory, "a row could not be read").map_err(failed)?;
        }
        let tuning = Tuning { cache_bytes, ..Tuning::default() };
        let deadline = Instant::now() + LOCKED_PATIENCE;
        loop {
            match Self::open_rows(directory, tuning) {
                Ok(opened) => return Ok(opened),
                Err(OpenError::Locked) if Instant::now() < deadline => std::thread::sleep(LOCKED_POLL),
                Err(error @ (OpenError::Damaged(_) | OpenError::Version(_))) => {
                    set_aside(directory, &error.to_string()).map_err(failed)?;
                }
                Err(error) => return Err(failed(error.to_string())),
            }
        }
    }

    fn open_rows(directory: &Path, tuning: Tuning) -> Result<Self, OpenError> {
        std::fs::create_dir_all(directory).map_err(OpenError::Io)?;
        let store = Store::open(directory, tuning)?;
        let damaged = |error: &dyn std::error::Error| OpenError::Damaged(error.to_string());
        let rows = store.keyspace("state", Shape::Rows).map_err(|error| damaged(&error))?;
        let listed = store.snapshot().prefix(&rows, &0_u32.to_be_bytes());
        let mut next = 1;
        for row in listed {
            let row = row.map_err(|error| damaged(&error))?;
            next = next.max(number(&row.value).ok_or_else(|| damaged(&Misread))? + 1);
        }
        Ok(Self { store, rows, next: Mutex::new(next), directory: directory.to_owned() })
    }

    /// The number of a task, given out when it is asked for first.
    pub(crate) fn number(&self, group: &GroupName, task: TaskId) -> Result<Number, String> {
        let key = [&0_u32.to_be_bytes()[..], group.as_str().as_bytes(), &[0], &task.0.to_be_bytes()].concat();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.read(|snapshot, rows| snapshot.get(rows, &key))? {
            return number(&known).ok_or_else(|| Misread.to_string());
        }
        let given = *next;
        let mut batch = self.store.batch();
        batch.put(&self.rows, &key, &given.to_be_bytes());
        batch.commit(Durability::Buffered).map_err(|error| error.to_string())?;
        *next += 1;
        Ok(given)
    }

    /// Reads. Damage is remembered, so that the next start sets the store aside.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Snapshot, &Keyspace) -> Result<T, ReadError>) -> Result<T, String> {
        read(&self.store.snapshot(), &self.rows).map_err(|error| {
            if matches!(error, ReadError::Damaged { .. }) {
                // When even this cannot be written, the next read finds the same damage.
                drop(std::fs::write(self.directory.join(DAMAGED), error.to_string()));
                tracing::error!(%error, "the local copy of the state is damaged; the next start makes a new one");
            }
            error.to_string()
        })
    }

    /// Writes rows at once.
    pub(crate) fn write(&self, fill: impl FnOnce(&mut Batch, &Keyspace)) -> Result<(), WriteError> {
        let mut batch = self.store.batch();
        fill(&mut batch, &self.rows);
        batch.commit(Durability::Buffered)
    }

    /// Deletes all rows of a task.
    pub(crate) fn clear(&self, task: Number) -> Result<(), String> {
        loop {
            let mut keys = Vec::new();
            self.read(|snapshot, rows| {
                let mut found = snapshot.prefix(rows, &task.to_be_bytes());
                while keys.len() < DELETED_MAX
                    && let Some(key) = found.next_key()
                {
                    keys.push(key?);
                }
                Ok(())
            })?;
            if keys.is_empty() {
                return Ok(());
            }
            let deleted = self.write(|batch, rows| keys.iter().for_each(|key| batch.delete(rows, key)));
            deleted.map_err(|error| error.to_string())?;
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a row is not what was written")]
struct Misread;

fn number(value: &[u8]) -> Option<Number> {
    value.try_into().ok().map(Number::from_be_bytes)
}

/// Keeps what is damaged, for whoever wants to look at it.
fn set_aside(directory: &Path, reason: &str) -> Result<(), String> {
    let mut name = directory.file_name().unwrap_or_default().to_owned();
    name.push(format!(".damaged-{}", Time::now().unix_seconds()));
    let aside = directory.with_file_name(name);
    tracing::warn!(reason, aside = %aside.display(), "the local copy of the state is set aside and made anew");
    std::fs::rename(directory, &aside).map_err(|error| format!("it is damaged and cannot be set aside: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_keep_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let (group, other) = (GroupName::stored("app.p"), GroupName::stored("app.q"));
        let open = || StateStore::open(directory.path(), 1 << 20).unwrap();
        let store = open();
        let numbers = |store: &StateStore| {
            [(&group, 0), (&group, 1), (&other, 0)].map(|(group, task)| store.number(group, TaskId(task)).unwrap())
        };
        let first = numbers(&store);
        assert_eq!(first, [1, 2, 3]);
        store.write(|batch, rows| batch.put(rows, &[0, 0, 0, 2, b'k'], b"v")).unwrap();
        drop(store);
        let store = open();
        assert_eq!(numbers(&store), first);
        assert_eq!(store.number(&other, TaskId(1)), Ok(4));
        store.clear(2).unwrap();
        assert!(store.read(|snapshot, rows| snapshot.get(rows, &[0, 0, 0, 2, b'k'])).unwrap().is_none());
        assert_eq!(numbers(&store), first);
    }

    #[test]
    fn a_damaged_store_is_set_aside() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("state");
        let store = StateStore::open(&directory, 1 << 20).unwrap();
        store.number(&GroupName::stored("g"), TaskId(0)).unwrap();
        drop(store);
        std::fs::remove_dir_all(directory.join("keyspaces").join("0")).unwrap();
        let store = StateStore::open(&directory, 1 << 20).unwrap();
        assert_eq!(store.number(&GroupName::stored("other"), TaskId(0)), Ok(1), "it begins anew");
        drop(store);
        let names: Vec<String> =
            parent.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert!(names.iter().any(|name| name.starts_with("state.damaged-")), "{names:?}");
    }
}
