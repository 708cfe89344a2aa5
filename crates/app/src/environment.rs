//! What is outside the app file: the variables and files that `${env:NAME}` and `${file:path}` take their values from, and the
//! files that belong to the app. Tests put their own in place of the process's.

use std::path::{Path, PathBuf};

use crate::glob::{self, Pattern};
use crate::source::Source;

/// Most bytes of a file named by `${file:...}`: secrets and addresses are short.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the outside says.
pub(crate) trait Environment {
    /// An environment variable.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file's text without its trailing line break; `Err` says why not.
    fn file(&self, path: &Path) -> Result<String, String>;

    /// The files that fit a pattern, sorted; `Err` says what cannot be read.
    fn matching(&self, pattern: &Pattern) -> Result<Vec<PathBuf>, String>;

    /// A file of the app; `Err` says why it cannot be read.
    fn source(&self, path: &Path) -> Result<Source, String>;
}

/// The process's own environment, and files relative to the app file's folder.
pub(crate) struct ProcessEnvironment {
    folder: PathBuf,
    /// What the app file's name begins with, and ends with: `riverrun` and `.yaml`.
    stem: String,
    ending: String,
}

impl ProcessEnvironment {
    /// What is around this app file.
    pub(crate) fn new(app_file: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let ending = app_file.extension().map(|ending| format!(".{}", ending.to_string_lossy())).unwrap_or_default();
        let folder = app_file.parent().filter(|folder| !folder.as_os_str().is_empty());
        Self { folder: folder.unwrap_or(Path::new(".")).to_owned(), stem: text(app_file.file_stem()), ending }
    }

    /// The file of an environment: `riverrun.prod.yaml` for `prod`.
    pub(crate) fn file_of(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.{name}{}", self.stem, self.ending))
    }

    /// The environments that have a file, sorted.
    pub(crate) fn environments(&self) -> Vec<String> {
        let names = names_in(&self.folder).unwrap_or_default();
        names.iter().filter_map(|name| self.environment_of(name)).map(str::to_owned).collect()
    }

    /// The environment whose file has this name.
    fn environment_of<'n>(&self, name: &'n str) -> Option<&'n str> {
        let name = name.strip_prefix(&self.stem)?.strip_prefix('.')?.strip_suffix(&self.ending)?;
        (!name.is_empty()).then_some(name)
    }

    /// Whether a name in the app file's own folder is the app file's, or that of an environment; neither is ever included.
    fn is_own(&self, name: &str) -> bool {
        name == format!("{}{}", self.stem, self.ending) || self.environment_of(name).is_some()
    }
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

    fn matching(&self, pattern: &Pattern) -> Result<Vec<PathBuf>, String> {
        let mut found = vec![self.folder.clone()];
        for (depth, segment) in pattern.segments().iter().enumerate() {
            let is_own = |name: &str| depth == 0 && self.is_own(name);
            let mut next = Vec::new();
            for folder in found {
                if glob::is_literal(segment) {
                    next.extend((!is_own(segment)).then(|| folder.join(segment)).filter(|path| path.exists()));
                } else if folder.is_dir() {
                    let unreadable = |error| format!("{} cannot be read: {error}", folder.display());
                    let names = names_in(&folder).map_err(unreadable)?;
                    let fitting = names.iter().filter(|name| glob::fits(segment, name) && !is_own(name));
                    next.extend(fitting.map(|name| folder.join(name)));
                }
            }
            found = next;
        }
        found.retain(|path| path.is_file());
        Ok(found)
    }

    fn source(&self, path: &Path) -> Result<Source, String> {
        let text =
            std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Ok(Source::new(path, &text))
    }
}

/// The names in a folder, sorted, so that the same app is the same on every file system.
fn names_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<String> = entries.iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
