//! The parts without a network: the local log's append, pipelines with and without state, point reads of a view, lookups.
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
    alike("flights pipeline", "pipeline", plan.events(1_000_000), plan, place)
}

/// Stateless steps over events in memory.
pub(crate) fn chain(plan: &Plan, place: &Place) -> Result<Row, Failure> {
    alike("five stateless steps, in memory", "chain", plan.events(1_000_000), plan, place)
}

/// A count per key and window.
pub(crate) fn count(plan: &Plan, place: &Place) -> Result<Row, Failure> {
    alike("count per key in a tumbling window", "count", plan.events(1_000_000), plan, place)
}

/// Point reads by the library.
pub(crate) fn views(plan: &Plan, place: &Place) -> Result<Row, Failure> {
    alike("view, point reads by the library", "views", plan.events(1_000_000), plan, place)
}

/// A lookup that takes 50 ms; the other side asks one question after the other, and a hundred show how fast that is.
pub(crate) fn lookup(plan: &Plan, place: &Place) -> Result<Row, Failure> {
    let events = plan.events(10_000).to_string();
    let product = || {
        let mut command = program_in(place.path(), PRODUCT, "lookup");
        command.args(["--events", &events]);
        figures(command)
    };
    let one_by_one = || {
        let mut command = Command::new(tree::release_program(BARE));
        command.args(["lookup", "--events", "100"]);
        figures(command)
    };
    rounds::alternate("lookup of 50 ms, one partition", plan.rounds(), product, one_by_one)
}

/// A part that both sides run under its name.
fn alike(what: &str, part: &str, events: u64, plan: &Plan, place: &Place) -> Result<Row, Failure> {
    let run = |program: &str| {
        let mut command = program_in(place.path(), program, part);
        command.args(["--events", &events.to_string()]);
        figures(command)
    };
    rounds::alternate(what, plan.rounds(), || run(PRODUCT), || run(BARE))
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
