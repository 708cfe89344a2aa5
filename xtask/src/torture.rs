//! `cargo xtask torture`: builds the fault tester and the service it torments, and runs them.
//!
//! The tester shares no code with the product; it starts the service as a process, kills it, cuts its power, and compares
//! what it finds with its own ledger. The sabotage tier builds the service with switches that break one guarantee each, in a
//! target folder of its own, so that no such build can be mistaken for the product.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{self, cargo};
use crate::{Failure, packages, tree};

const TESTER: &str = "riverrun-torture";
const SERVICE: &str = "riverrun-torture-service";
/// What the service's program is called.
const SERVICE_PROGRAM: &str = "torture-service";

/// Runs the full tier, or the tier named first; the other arguments go to the tester.
///
/// # Errors
/// A build failed, or a fault was not survived.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let (tier, rest) = match arguments.split_first() {
        Some((tier, rest)) if !tier.starts_with('-') => (tier.as_str(), rest),
        _ => ("full", arguments),
    };
    build()?;
    let mut tester = match tier {
        "sabotage" => sabotage()?,
        "media" => media()?,
        "kafka" => return kafka_by_hand(rest),
        "outbox" => return outbox_by_hand(rest),
        tier => command(tier),
    };
    tester.args(rest);
    process::run(tester)
}

/// Builds the tester and the service together with the tests of the whole workspace: cargo then chooses the same features of
/// every dependency as for the tests, and nothing is compiled twice.
///
/// # Errors
/// The build failed.
pub(crate) fn build() -> Result<(), Failure> {
    process::run(cargo(&["build", "--workspace", "--bins", "--tests"]))
}

/// The tester for a tier, against the service.
pub(crate) fn command(tier: &str) -> Command {
    tester(tier, &tree::test_program(SERVICE_PROGRAM))
}

/// The tester for disks that fill up, fail and decay, and clocks that jump, against the service and the command line. What makes them
/// do so is installed first.
///
/// # Errors
/// Something cannot be installed.
pub(crate) fn media() -> Result<Command, Failure> {
    packages::debian(&packages::FAULTS)?;
    let mut command = command("media");
    command.arg("--command-line").arg(tree::test_program("riverrun"));
    Ok(command)
}

/// `kafka [short|full] [SCENARIO ...]`: the full tier where nothing is said. `kafka sabotage [SWITCH ...]`.
fn kafka_by_hand(arguments: &[String]) -> Result<(), Failure> {
    let (tier, rest) = match arguments.split_first() {
        Some((tier, rest)) if ["short", "full", "sabotage"].contains(&tier.as_str()) => (tier.as_str(), rest),
        _ => ("full", arguments),
    };
    let service = if tier == "sabotage" { sabotaged_service()? } else { tree::test_program(SERVICE_PROGRAM) };
    let mut tester = kafka_with(&service)?;
    if tier != "short" {
        tester.arg(format!("--{tier}"));
    }
    tester.args(rest);
    process::run(tester)
}

/// The tester for several instances on Kafka. It starts brokers by this program, and looks at them with a client in Python, which
/// is installed first, as is what makes clocks wrong.
///
/// # Errors
/// Something cannot be installed.
pub(crate) fn kafka() -> Result<Command, Failure> {
    kafka_with(&tree::test_program(SERVICE_PROGRAM))
}

fn kafka_with(service: &Path) -> Result<Command, Failure> {
    packages::debian(&packages::PYTHON)?;
    packages::debian(&packages::FAULTS)?;
    let sources = tree::root().join("testing/torture");
    let python = packages::python("torture/python", &sources.join("kafka/requirements.txt"))?;
    let mut command = with_services("kafka", service)?;
    command.arg("--python").arg(python).arg("--sources").arg(sources);
    Ok(command)
}

/// `outbox [short|full] [SCENARIO ...]`: the full tier where nothing is said. `outbox sabotage [SWITCH ...]`.
fn outbox_by_hand(arguments: &[String]) -> Result<(), Failure> {
    let is_sabotage = arguments.first().is_some_and(|tier| tier == "sabotage");
    let service = if is_sabotage { sabotaged_service()? } else { tree::test_program(SERVICE_PROGRAM) };
    let mut tester = with_services("outbox", &service)?;
    tester.args(arguments);
    process::run(tester)
}

/// The tester for the transactional outbox, with few faults. It starts PostgreSQL and a broker by this program.
///
/// # Errors
/// The folder for what is kept of a failure cannot be made.
pub(crate) fn outbox() -> Result<Command, Failure> {
    let mut command = with_services("outbox", &tree::test_program(SERVICE_PROGRAM))?;
    command.arg("short");
    Ok(command)
}

/// The tester for a tier that starts services by this program.
fn with_services(tier: &str, service: &Path) -> Result<Command, Failure> {
    let mut command = tester(tier, service);
    command.arg("--command-line").arg(tree::test_program("riverrun"));
    // Not the file of this process: a build of the workspace may have put a new one in its place.
    command.arg("--services").arg(tree::test_program("xtask"));
    let kept = tree::target_dir().join("torture/kept");
    std::fs::create_dir_all(&kept)?;
    command.arg("--keep").arg(kept);
    Ok(command)
}

/// The tester for the sabotage tier, against a service that can be told to break its guarantees.
fn sabotage() -> Result<Command, Failure> {
    Ok(tester("sabotage", &sabotaged_service()?))
}

fn sabotaged_service() -> Result<PathBuf, Failure> {
    let folder = tree::target_dir().join("sabotage");
    let mut build = cargo(&["build", "--package", SERVICE, "--features", "sabotage"]);
    build.arg("--target-dir").arg(&folder);
    process::run(build)?;
    Ok(folder.join("debug").join(SERVICE_PROGRAM))
}

fn tester(tier: &str, service: &Path) -> Command {
    let mut command = Command::new(tree::test_program(TESTER));
    command.arg(tier).arg("--server").arg(service);
    command
}
