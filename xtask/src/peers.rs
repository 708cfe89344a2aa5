//! The peers: clients of other languages and foreign test suites against the real binary.

use std::process::Command;

use crate::process::{self, cargo};
use crate::{Failure, packages, tree};

const RUNNER: &str = "riverrun-peers";
const RUST_PEER: &str = "riverrun-peer";

/// Runs the peers, or the scenarios named.
///
/// # Errors
/// Something cannot be installed or built, or a peer found a fault.
pub(crate) fn run(scenarios: &[String]) -> Result<(), Failure> {
    process::run(cargo(&["build", "--workspace", "--bins", "--tests"]))?;
    let mut runner = command()?;
    runner.args(scenarios);
    process::run(runner)
}

/// Installs what the peers are made of, and gives the command that runs them all. The workspace's programs are built already.
///
/// # Errors
/// Something cannot be installed or built.
pub(crate) fn command() -> Result<Command, Failure> {
    let sources = tree::root().join("testing/peers");
    packages::debian(&packages::NODE)?;
    packages::debian(&packages::PYTHON)?;
    let node = packages::node(&sources.join("node"))?;
    let python = packages::python("peers/python", &sources.join("python/requirements.txt"))?;
    let rust = tree::target_dir().join("peers/rust");
    let mut build = cargo(&["build", "--quiet", "--locked", "--manifest-path"]);
    build.arg(sources.join("rust/Cargo.toml")).arg("--target-dir").arg(&rust);
    process::run(build)?;

    let mut runner = Command::new(tree::test_program(RUNNER));
    runner.arg("--server").arg(tree::test_program("riverrun")).arg("--sources").arg(sources);
    runner.arg("--node").arg(node).arg("--python").arg(python);
    runner.arg("--rust").arg(rust.join("debug").join(RUST_PEER));
    Ok(runner)
}
