//! The parts without a network: the local log's append, and the flights pipeline over a million events.
//!
//! Each side is one program that runs, prints one line of figures and ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::figures::Figures;
use super::rounds::{self, Row};
use super::{BARE, PRODUCT, Place, Plan};
use crate::{Failure, process, tree};

/// Events of one commit, for both sides.
const BATCH: &str = "1000";

/// The flights that are repeated, with the tables they refer to beside them.
pub(crate) fn flights() -> PathBuf {
    tree::root().join("examples/flights/data/flights.ndjson.gz")
}

/// Appends without and with deduplication.
pub(crate) fn append(plan: &Plan, place: &Place) -> Result<Vec<Row>, Failure> {
    let events = plan.events(1_000_000).to_string();
    let mut rows = Vec::new();
    for (what, ids) in [("local append, no deduplication", false), ("local append, deduplication", true)] {
        let run = |program: &str| {
            let mut command = program_in(place.path(), program, "append");
            command.args(["--events", &events, "--batch", BATCH]);
            command.args(ids.then_some("--ids"));
            figures(command)
        };
        rows.push(rounds::alternate(what, plan.rounds(), || run(PRODUCT), || run(BARE))?);
    }
    Ok(rows)
}

/// The flights pipeline.
pub(crate) fn pipeline(plan: &Plan, place: &Place) -> Result<Row, Failure> {
    let events = plan.events(1_000_000).to_string();
    let run = |program: &str| {
        let mut command = program_in(place.path(), program, "pipeline");
        command.args(["--events", &events]);
        figures(command)
    };
    rounds::alternate("flights pipeline", plan.rounds(), || run(PRODUCT), || run(BARE))
}

fn program_in(place: &Path, program: &str, part: &str) -> Command {
    let mut command = Command::new(tree::release_program(program));
    command.arg(part).arg("--directory").arg(place).arg("--flights").arg(flights());
    command
}

/// Runs a program to its end; its last line of output is its figures.
pub(crate) fn figures(mut command: Command) -> Result<Figures, Failure> {
    let output = command.output().map_err(|error| format!("cannot start {}: {error}", process::shown(&command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("failed: {}\n{said}", process::shown(&command)).into());
    }
    Figures::parse(String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default())
}
