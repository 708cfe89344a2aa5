//! Where an app is to move, said in its data directory. The process that runs the app sends its events there and nowhere else: who
//! may write into the directory says where to, and nobody who can only reach the server does.

use std::io;
use std::path::Path;

use super::MigrateError;

const FILE: &str = "moving";

/// Says where the app is to move.
pub(crate) fn announce(data_dir: &Path, to: &str) -> Result<(), MigrateError> {
    let path = data_dir.join(FILE);
    std::fs::write(&path, to).map_err(|error| MigrateError::Target { path, error })
}

/// Where the app is to move.
pub(crate) fn announced(data_dir: &Path) -> Result<String, MigrateError> {
    let path = data_dir.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(to) => Ok(to.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(MigrateError::NotAsked("nobody asked for this app to be moved; `riverrun migrate` does"))
        }
        Err(error) => Err(MigrateError::Target { path, error }),
    }
}

/// It has moved.
pub(super) fn forget(data_dir: &Path) {
    // A file that stays says what is so.
    drop(std::fs::remove_file(data_dir.join(FILE)));
}
