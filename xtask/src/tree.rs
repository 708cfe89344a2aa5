//! The project's files on disk: where its root is and which files it has.
//!
//! Walks the directory rather than asking git, so that a file is checked before it is committed. Build output, data and
//! version control are left out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Failure;

/// Folders of the root that hold nothing of the project's own, as .gitignore has them.
const LEFT_OUT: [&str; 3] = ["target", ".git", "data"];

/// The folder of the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program as the tests are built.
pub(crate) fn test_program(name: &str) -> PathBuf {
    target_dir().join("debug").join(name)
}

/// A program of the release build.
pub(crate) fn release_program(name: &str) -> PathBuf {
    target_dir().join("release").join(name)
}

/// A text file of the project.
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl TextFile {
    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// All files whose name ends in `extension` (with its dot), in the order of their paths.
///
/// # Errors
/// A folder or file that cannot be read, by name.
pub(crate) fn files(extension: &str) -> Result<Vec<TextFile>, Failure> {
    let root = root();
    let left_out = LEFT_OUT.map(|name| root.join(name));
    let mut paths = Vec::new();
    collect(&root, extension, &left_out, &mut paths)?;
    paths.sort();
    paths.into_iter().map(|path| read(&root, &path)).collect()
}

fn read(root: &Path, path: &Path) -> Result<TextFile, Failure> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(TextFile { path: relative.to_string_lossy().replace('\\', "/"), text })
}

fn collect(folder: &Path, extension: &str, left_out: &[PathBuf], found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry.map_err(|error| format!("{}: {error}", folder.display()))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(|error| format!("{}: {error}", path.display()))?;
        if kind.is_dir() && !left_out.contains(&path) {
            collect(&path, extension, left_out, found)?;
        } else if kind.is_file() && path.to_string_lossy().ends_with(extension) {
            found.push(path);
        }
    }
    Ok(())
}
