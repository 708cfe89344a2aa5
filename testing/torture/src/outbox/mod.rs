//! The tier `outbox`: services publish in their transactions on PostgreSQL, relays hand it on to a log, and all of them are tormented.
//!
//! What was committed is read of a ledger that the writers keep in the same transactions; what has arrived, of the topic. Each committed
//! event has to be there once, none that was taken back, in the order of commits for each aggregate, and nothing may be left in the table
//! but what was marked.

mod chaos;
mod check;
mod database;
mod long_transaction;
mod sabotage;
mod site;
mod transaction;
mod writers;

use std::path::PathBuf;

use crate::failure::{Failure, Interruption};
use crate::report::conclude;
pub use sabotage::run_sabotage;

/// What the tier is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The command line `riverrun`.
    pub command_line: PathBuf,
    /// The service that stands in for it in a sabotage build.
    pub service: PathBuf,
    /// The program that starts PostgreSQL and brokers, by `services start`.
    pub services: PathBuf,
    /// Where files are made.
    pub directory: PathBuf,
    /// Where logs are copied to when something is wrong.
    pub keep: Option<PathBuf>,
    /// What the load and the moments of faults come from.
    pub seed: u64,
    /// More of everything.
    pub is_full: bool,
    /// The sabotage switch for a service that was built so: it then stands in for the command line.
    pub sabotage: Option<String>,
    /// Whether publishing is told not to lock the aggregate, which only a writer may do that locks something itself.
    pub is_unlocked: bool,
}

type Scenario = fn(&Plan, &Interruption, &mut u32) -> Result<(), Failure>;

/// The scenarios, by the names of their lines.
const SCENARIOS: [(&str, Scenario); 3] =
    [("chaos", chaos::on_kafka), ("embedded", chaos::embedded), ("long-transaction", long_transaction::run)];

/// Runs every scenario whose name is in `only`, or all; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    let known = SCENARIOS.map(|(name, _)| name);
    if let Some(unknown) = only.iter().find(|wanted| !known.contains(&wanted.as_str())) {
        return Err(Failure::Environment(format!("there is no scenario {unknown:?}; there are {known:?}")));
    }
    let mut is_good = true;
    for (name, scenario) in SCENARIOS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            is_good &= conclude(&format!("outbox {name}"), |passed| scenario(plan, interruption, passed))?;
        }
    }
    Ok(is_good)
}
