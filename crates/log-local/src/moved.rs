//! The mark of a data directory whose events live elsewhere now. Going on in it would make two histories of one, so a log with
//! the mark is not opened; deleting the file says that this is wanted.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const FILE: &str = "moved";

/// Where the mark of a data directory is.
pub(crate) fn moved_file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Where the events of a data directory were moved to, if they were.
///
/// # Errors
/// When the mark cannot be read.
pub(crate) fn moved_to(data_dir: &Path) -> io::Result<Option<String>> {
    match fs::read(moved_file(data_dir)) {
        Ok(to) => Ok(Some(String::from_utf8_lossy(&to).trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Marks a data directory: its events were moved to where `to` says. Durable when this returns.
///
/// # Errors
/// When the mark cannot be written.
pub fn mark_moved(data_dir: &Path, to: &str) -> io::Result<()> {
    let unfinished = data_dir.join("moved.new");
    let mut file = File::create(&unfinished)?;
    file.write_all(format!("{to}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&unfinished, moved_file(data_dir))?;
    File::open(data_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LocalLog, OpenError, Options};

    #[test]
    fn a_log_that_was_moved_is_not_opened_until_that_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        LocalLog::open(folder.path(), Options::default()).unwrap().close();
        assert_eq!(moved_to(folder.path()).unwrap(), None);
        mark_moved(folder.path(), "kafka://broker-1:9092").unwrap();
        let refused = LocalLog::open(folder.path(), Options::default()).err().unwrap();
        assert!(matches!(&refused, OpenError::Moved { to, .. } if to == "kafka://broker-1:9092"), "{refused}");
        assert_eq!(refused.code(), "RR0207");
        fs::remove_file(moved_file(folder.path())).unwrap();
        assert!(LocalLog::open(folder.path(), Options::default()).is_ok());
    }
}
