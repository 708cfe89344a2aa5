//! Peers: programs in other languages and test suites of others, unchanged, against the real binary.
//!
//! A scenario is a file in `scenarios/`. It starts `riverrun run` on a directory of its own, runs a foreign program against it, and
//! counts the lines `ok ...` and `not ok ...` this prints. Nothing here shares code with the product.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod programs;
mod scenarios;
mod score;
mod served;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use riverrun_torture::failure::{Failure, Interruption, OrEnvironment};
use riverrun_torture::report::say;

use programs::Programs;
use scenarios::SCENARIOS;

/// Runs clients of other languages and foreign test suites against a server
#[derive(Parser)]
#[command(name = "riverrun-peers", version)]
struct Arguments {
    /// The binary under test, `riverrun`
    #[arg(long)]
    server: PathBuf,
    /// The folder with this crate's foreign programs: `node`, `python`, `rust`
    #[arg(long)]
    sources: PathBuf,
    /// A folder that holds `node_modules`, as package.json asks for them
    #[arg(long)]
    node: PathBuf,
    /// A Python interpreter that has the packages of requirements.txt
    #[arg(long)]
    python: PathBuf,
    /// The built Rust peer
    #[arg(long)]
    rust: PathBuf,
    /// Only these scenarios
    scenarios: Vec<String>,
}

fn main() -> ExitCode {
    match Interruption::listen().and_then(|interruption| run(Arguments::parse(), &interruption)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(format!("cannot run: {failure}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenarios; true when all passed.
fn run(arguments: Arguments, interruption: &Interruption) -> Result<bool, Failure> {
    let programs = Programs {
        server: std::path::absolute(&arguments.server).or_environment("cannot find the server")?,
        sources: std::path::absolute(&arguments.sources).or_environment("cannot find the sources")?,
        node: std::path::absolute(&arguments.node).or_environment("cannot find the node modules")?,
        // Not made canonical: a virtual environment's interpreter is a link, and where it lies is what makes it one.
        python: std::path::absolute(&arguments.python).or_environment("cannot find the interpreter")?,
        rust: std::path::absolute(&arguments.rust).or_environment("cannot find the Rust peer")?,
        interruption: interruption.clone(),
    };
    let mut is_good = true;
    for (name, scenario) in chosen(&arguments.scenarios)? {
        interruption.check()?;
        let score = match scenario(&programs) {
            Ok(score) => score,
            Err(Failure::Broken(places)) => score::Score::broken(&places),
            Err(failure) => return Err(failure),
        };
        say(format!("{name}: {score}"));
        is_good &= score.is_good();
    }
    Ok(is_good)
}

fn chosen(names: &[String]) -> Result<Vec<(&'static str, scenarios::Run)>, Failure> {
    if let Some(unknown) = names.iter().find(|name| !SCENARIOS.iter().any(|(known, _)| known == name)) {
        let known: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Environment(format!("no scenario {unknown:?}; there are {}", known.join(", "))));
    }
    let is_chosen = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    Ok(SCENARIOS.iter().filter(|(name, _)| is_chosen(name)).copied().collect())
}
