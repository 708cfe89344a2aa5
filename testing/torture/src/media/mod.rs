//! The tier `media`: disks that fill up, fail and decay, and clocks that jump. A file for each kind.
//!
//! What a fault may do is stop the server, or make it refuse, with a reason. What it may not do is the same for all: lose or double
//! what was acknowledged, or give out something else than was sent.

mod clock;
mod errors;
mod full;
mod rot;
mod small_disk;

use std::path::PathBuf;

use crate::failure::{Failure, Interruption};
use crate::report::say;

/// What the tier is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The service under test.
    pub program: PathBuf,
    /// The command line `riverrun`, whose `verify` is asked too.
    pub command_line: PathBuf,
    /// Where files are made.
    pub directory: PathBuf,
    /// Where ledger and log are copied to when something is wrong.
    pub keep: Option<PathBuf>,
    /// What the load and the places of damage come from.
    pub seed: u64,
}

/// What a kind of fault gives: how many were survived, and what was not.
struct Verdict {
    passed: u32,
    failure: Option<Failure>,
}

/// Why a kind of fault is left out on this machine, for people.
type Skipped = String;

type Kind = fn(&Plan, &Interruption) -> Result<Verdict, Skipped>;

/// The kinds, by the names of their lines.
const KINDS: [(&str, Kind); 4] =
    [("full disk", full::run), ("bit rot", rot::run), ("disk errors", errors::run), ("clock steps", clock::run)];

/// Runs every kind whose name is in `only`, or all; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    if let Some(unknown) = only.iter().find(|wanted| KINDS.iter().all(|(name, _)| name != wanted)) {
        return Err(Failure::Environment(format!(
            "there is no kind {unknown:?}; there are {:?}",
            KINDS.map(|kind| kind.0)
        )));
    }
    let (mut is_good, mut skipped) = (true, 0);
    for (name, kind) in KINDS.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|wanted| wanted == name)) {
        let Verdict { passed, failure } = match kind(plan, interruption) {
            Ok(verdict) => verdict,
            Err(reason) => {
                say(format!("skipped: {name}: {reason}"));
                skipped += 1;
                continue;
            }
        };
        match failure {
            None => say(format!("{name}: {passed} passed, 0 failed")),
            Some(Failure::Broken(places)) => {
                places.iter().for_each(|place| say(format!("  wrong: {place}")));
                say(format!("{name}: {passed} passed, 1 failed"));
                is_good = false;
            }
            Some(failure) => return Err(failure),
        }
    }
    if skipped > 0 {
        say(format!("skipped: {skipped} of {} kinds of faults, which this machine does not allow", KINDS.len()));
    }
    Ok(is_good)
}

/// Runs `fault` for each number until one is not survived.
fn each(count: u32, mut fault: impl FnMut(u32) -> Result<(), Failure>) -> Verdict {
    for number in 0..count {
        if let Err(failure) = fault(number) {
            return Verdict { passed: number, failure: Some(failure) };
        }
    }
    Verdict { passed: count, failure: None }
}
