//! PostgreSQL's programs and the pooler: those at hand, or Debian's.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Setup;
use crate::{Failure, packages};

/// Debian keeps each version's programs in a folder of its own, and not on the path.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
/// Where Debian keeps what administrators start, which is on the path of few others.
const ADMINISTRATION: &str = "/usr/sbin";
const NEEDED: [&str; 3] = ["initdb", "postgres", "pg_isready"];
const POOLER: &str = "pgbouncer";

/// What is run.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    /// Found only where one is wanted.
    pub(super) pooler: Option<PathBuf>,
}

impl Programs {
    /// The programs; those that are missing are installed.
    ///
    /// # Errors
    /// They cannot be installed; the message says what to do.
    pub(super) fn find_or_install(setup: Setup) -> Result<Self, Failure> {
        let folder = found_or_installed(server, packages::postgresql, "PostgreSQL", "postgresql")?;
        let install_pooler = || packages::debian_first_of(&[POOLER]);
        let pooler = || found_or_installed(pooler, install_pooler, "PgBouncer", POOLER);
        Ok(Self { folder, pooler: setup.pooler.then(pooler).transpose()? })
    }

    /// One of PostgreSQL's own.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// What it says of itself: `postgres (PostgreSQL) 15.18`.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn version(&self) -> Result<String, Failure> {
        let output = Command::new(self.path("postgres")).arg("--version").output();
        let output = output.map_err(|error| format!("cannot start {}: {error}", self.path("postgres").display()))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn found_or_installed(
    find: fn() -> Option<PathBuf>,
    install: impl FnOnce() -> Result<(), Failure>,
    name: &str,
    package: &str,
) -> Result<PathBuf, Failure> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let why = match install() {
        Ok(()) => "what Debian installed is incomplete".to_owned(),
        Err(failure) => failure.to_string(),
    };
    find().ok_or_else(|| {
        format!("no {name} is here, and none could be installed: {why}\nInstall it (Debian: {package}), or put its programs on the PATH.").into()
    })
}

/// The folder of the newest version.
fn server() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN_VERSIONS).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    newest_first.chain(on_the_path()).find(|folder| NEEDED.iter().all(|program| folder.join(program).is_file()))
}

fn pooler() -> Option<PathBuf> {
    let folders = on_the_path().into_iter().chain([Path::new(ADMINISTRATION).to_owned()]);
    folders.map(|folder| folder.join(POOLER)).find(|program| program.is_file())
}

fn on_the_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}
