//! A directory for what a service writes, gone when it is dropped.
//!
//! Whoever is killed with SIGKILL drops nothing, so each directory holds a file that its owner keeps locked: the next owner removes the
//! directories whose lock is free. A directory gets its name only once its lock is held, so nobody takes a new one for an abandoned one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Failure;

/// What the name of every finished directory begins with.
const PREFIX: &str = "riverrun-service-";
const LOCK: &str = "owner.lock";

/// A directory of one's own.
pub(crate) struct Scratch {
    path: PathBuf,
    /// Closing it frees the lock.
    _lock: File,
}

impl Scratch {
    /// Makes a directory in the system's place for temporary files, and removes what killed processes left there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub(crate) fn make() -> Result<Self, Failure> {
        Self::make_in(&std::env::temp_dir())
    }

    fn make_in(place: &Path) -> Result<Self, Failure> {
        sweep(place);
        let cannot = |error: std::io::Error| {
            format!(
                "cannot make a directory in {}: {error}; make room there, or set TMPDIR to a place one can write to",
                place.display()
            )
        };
        // Containers that share a place have the same process ids, hence the time.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!("{PREFIX}{}-{}", std::process::id(), now.as_nanos());
        let (unfinished, path) = (place.join(format!(".{name}")), place.join(name));
        fs::create_dir(&unfinished).map_err(cannot)?;
        let locked = File::create(unfinished.join(LOCK))
            .and_then(|lock| lock.lock().map(|()| lock))
            .and_then(|lock| fs::rename(&unfinished, &path).map(|()| lock));
        match locked {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(error) => {
                let _ = fs::remove_dir_all(&unfinished);
                Err(cannot(error).into())
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}; it can be deleted by hand", self.path.display());
        }
    }
}

/// Removes the directories nobody owns any more. What cannot be read or removed is somebody else's.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if is_ours && File::open(path.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_stays() {
        let place = std::env::temp_dir().join(format!("riverrun-scratch-test-{}", std::process::id()));
        fs::create_dir_all(place.join("riverrun-service-killed")).unwrap();
        fs::write(place.join("riverrun-service-killed").join(LOCK), "").unwrap();
        fs::create_dir_all(place.join("another")).unwrap();

        let scratch = Scratch::make_in(&place).unwrap();
        assert!(!place.join("riverrun-service-killed").exists());
        sweep(&place);
        assert!(scratch.path().exists());
        assert!(place.join("another").exists());

        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
        fs::remove_dir_all(place).unwrap();
    }
}
