//! Where `${env:NAME}` and `${file:path}` take their values from. Tests put their own in place of the process's.

use std::path::{Path, PathBuf};

/// Most bytes of a file named by `${file:...}`: secrets and addresses are short.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the outside says.
pub(crate) trait Environment {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file's text without its trailing line break; `Err` says why not.
    fn file(&self, path: &Path) -> Result<String, String>;
}

/// The process's own environment, and files relative to the app file's folder.
pub(crate) struct ProcessEnvironment {
    pub(crate) folder: PathBuf,
}

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let path = self.folder.join(path);
        let metadata = std::fs::metadata(&path).map_err(|error| error.to_string())?;
        if !metadata.is_file() {
            return Err("it is not a file".to_owned());
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(format!("it has {} bytes; at most {FILE_BYTES_MAX} are taken", metadata.len()));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}
