//! `cargo xtask bench`: the product beside bare programs on the same machine in the same run, written to bench/RESULTS.md.
//!
//! Absolute rates say more about the machine than about the product, so every figure has its bare limit next to it and the
//! ratio is what counts. Sides alternate round by round and medians are taken; bench/README.md says what each part does.
//! This file reads the arguments and runs the parts; what a part is stands in its own file.

mod door;
mod figures;
mod goals;
mod in_process;
mod java_peer;
mod kafka;
mod nats;
mod outbox;
mod report;
mod rounds;
mod server;
mod start;
mod state;

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::{self, cargo};
use crate::{Failure, tree};

const BARE: &str = "riverrun-bare";
const PRODUCT: &str = "riverrun-bench-product";
const SERVER: &str = "riverrun";

/// Runs the parts that are named, or all, and writes the report when all ran.
///
/// # Errors
/// An argument is unknown, a build failed, or a program ended badly.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let plan = Plan::parse(arguments)?;
    build(&plan)?;
    match plan.beside {
        Some(Beside::KafkaStreams) => return kafka::run(&plan),
        Some(Beside::Debezium) => return outbox::run(&plan),
        None => {}
    }
    let place = Place::create()?;
    let mut rows = Vec::new();
    if plan.has("append") {
        rows.extend(in_process::append(&plan, &place)?);
    }
    if plan.has("pipeline") {
        rows.push(in_process::pipeline(&plan, &place)?);
    }
    if plan.has("chain") {
        rows.push(in_process::chain(&plan, &place)?);
    }
    if plan.has("count") {
        rows.push(in_process::count(&plan, &place)?);
    }
    if plan.has("views") {
        rows.push(in_process::views(&plan, &place)?);
        rows.push(door::views(&plan, &place)?);
    }
    if plan.has("lookup") {
        rows.push(in_process::lookup(&plan, &place)?);
    }
    if plan.has("http") {
        rows.extend(door::http(&plan, &place)?);
    }
    let peers = if plan.has("nats") { nats::nats(&plan, &place)? } else { Vec::new() };
    let starts = if plan.has("start") { start::starts(&plan, &place)? } else { Vec::new() };
    let state = if plan.has("state") { Some(state::state(&plan, &place)?) } else { None };
    let text = report::render(&plan, &rows, &peers, &starts, state.as_ref());
    println!("\n{text}");
    if plan.parts.is_empty() && !plan.quick {
        let written = report::written()?;
        let kept = [kafka::SECTION, outbox::SECTION].map(|title| report::section(&written, title));
        report::write(&format!("{text}{}", kept.concat()))?;
    }
    Ok(())
}

/// The parts there are.
const PARTS: [&str; 10] = ["append", "pipeline", "chain", "count", "views", "lookup", "http", "nats", "start", "state"];

/// What is measured, and how long.
pub(crate) struct Plan {
    /// The parts named; all when empty.
    parts: Vec<String>,
    /// A look rather than a measurement: few events, one round, nothing written.
    quick: bool,
    /// Only beside another system, which is a run of its own.
    beside: Option<Beside>,
}

/// What has a run of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    KafkaStreams,
    Debezium,
}

impl Beside {
    /// As one asks for it.
    fn option(self) -> &'static str {
        match self {
            Self::KafkaStreams => "--kafka",
            Self::Debezium => "--outbox",
        }
    }
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut plan = Self { parts: Vec::new(), quick: false, beside: None };
        for argument in arguments {
            match argument.as_str() {
                "--quick" => plan.quick = true,
                "--kafka" => plan.beside = Some(Beside::KafkaStreams),
                "--outbox" => plan.beside = Some(Beside::Debezium),
                part if PARTS.contains(&part) => plan.parts.push(part.to_owned()),
                unknown => {
                    let parts = PARTS.join(", ");
                    return Err(
                        format!("unknown part {unknown:?}; there are {parts}, --kafka, --outbox and --quick").into()
                    );
                }
            }
        }
        if let Some(beside) = plan.beside.filter(|_| !plan.parts.is_empty()) {
            return Err(format!("{} is a run of its own, without parts", beside.option()).into());
        }
        Ok(plan)
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|named| named == part)
    }

    /// What was asked for, as one would type it.
    fn command(&self) -> String {
        ["cargo xtask bench"]
            .into_iter()
            .chain(self.beside.map(Beside::option))
            .chain(self.parts.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// How often each side runs; odd, so that the median is a run that happened.
    fn rounds(&self) -> usize {
        match (self.quick, self.beside) {
            (true, _) => 1,
            // The broker's own work comes and goes, so more are needed.
            (false, Some(Beside::KafkaStreams)) => 5,
            (false, Some(Beside::Debezium) | None) => 3,
        }
    }

    /// `events`, or a tenth of them for a quick look.
    fn events(&self, events: u64) -> u64 {
        if self.quick { events / 10 } else { events }
    }
}

fn build(plan: &Plan) -> Result<(), Failure> {
    let mut command = cargo(&["build", "--release"]);
    command.args(["--package", BARE, "--package", "riverrun-cli"]);
    if plan.beside.is_none() {
        command.args(["--package", PRODUCT]);
    }
    process::run(command)
}

/// Where both sides keep their files: on the disk of the target folder, since a memory file system syncs for nothing.
/// Removed when dropped.
pub(crate) struct Place(PathBuf);

impl Place {
    fn create() -> Result<Self, Failure> {
        let path = tree::target_dir().join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A new, empty folder in it.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.0.join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} was not removed: {error}", self.0.display());
        }
    }
}
