//! The programs of a run: the server under test, and what runs the foreign programs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use riverrun_torture::failure::{Failure, Interruption, OrEnvironment};

use crate::score::Score;

/// Where everything is.
pub(crate) struct Programs {
    /// The binary under test.
    pub(crate) server: PathBuf,
    /// The folder with `node`, `python` and `rust`.
    pub(crate) sources: PathBuf,
    /// Holds `node_modules`.
    pub(crate) node: PathBuf,
    /// The interpreter with the packages.
    pub(crate) python: PathBuf,
    /// The built Rust peer.
    pub(crate) rust: PathBuf,
    /// Set by SIGINT.
    pub(crate) interruption: Interruption,
}

impl Programs {
    /// A script of `node/`. Modules are looked up beside a script, so it is run from a copy beside them.
    ///
    /// # Errors
    /// [`Failure::Environment`] when it cannot be copied.
    pub(crate) fn node(&self, script: &str) -> Result<Command, Failure> {
        let copy = self.node.join(script);
        std::fs::copy(self.sources.join("node").join(script), &copy)
            .or_environment(&format!("cannot copy {script}"))?;
        let mut command = Command::new("node");
        command.arg(copy);
        Ok(command)
    }

    /// A script of `python/`.
    pub(crate) fn python(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.sources.join("python").join(script));
        command
    }

    /// The Rust peer.
    pub(crate) fn rust(&self) -> Command {
        Command::new(&self.rust)
    }
}

/// Runs a foreign program to its end and counts what it said. One that fails without naming a check counts as a failure.
///
/// # Errors
/// [`Failure::Environment`] when it cannot be started.
pub(crate) fn score(mut command: Command) -> Result<Score, Failure> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().or_environment(&format!("cannot start {shown}"))?;
    let mut score = Score::of(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() && score.is_good() {
        score.fail(&format!("{shown} ended with {}", output.status));
    }
    if !score.is_good() {
        score.explain(&String::from_utf8_lossy(&output.stderr));
    }
    Ok(score)
}
