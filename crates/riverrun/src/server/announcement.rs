//! Tells commands on this machine where the server of a data directory is: `server.json` beside the data.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ServeError;

/// The file's name within the data directory.
pub const ANNOUNCEMENT_FILE: &str = "server.json";

/// A running server's place. Removed when it stops; a file left behind by a crash names a server that does not answer.
#[derive(Debug)]
pub struct Announcement {
    path: PathBuf,
}

/// What the file says.
#[derive(Debug, Deserialize, Serialize)]
struct Place {
    url: String,
    pid: u32,
}

impl Announcement {
    /// Where the server of this data directory says it is. Whether it still is there must be tried.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<String> {
        let text = std::fs::read(data_dir.join(ANNOUNCEMENT_FILE)).ok()?;
        serde_json::from_slice::<Place>(&text).ok().map(|place| place.url)
    }

    /// Announces a server.
    ///
    /// # Errors
    /// [`ServeError::Announce`] when the file cannot be written.
    pub(super) fn write(data_dir: &Path, url: &str) -> Result<Self, ServeError> {
        let path = data_dir.join(ANNOUNCEMENT_FILE);
        let place = Place { url: url.to_owned(), pid: std::process::id() };
        // Written beside and renamed, so that nobody reads half of it.
        let unfinished = data_dir.join("server.json.new");
        let written = serde_json::to_vec(&place).map_err(std::io::Error::other);
        let written = written.and_then(|text| std::fs::write(&unfinished, text));
        match written.and_then(|()| std::fs::rename(&unfinished, &path)) {
            Ok(()) => Ok(Self { path }),
            Err(source) => Err(ServeError::Announce { path, source }),
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // A file that stays names a server that does not answer; readers try before they believe it.
        let _ = std::fs::remove_file(&self.path);
    }
}
