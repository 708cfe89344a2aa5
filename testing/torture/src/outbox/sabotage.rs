//! The product with one promise of its relay broken on purpose: the scenario that looks after it has to turn red.

use super::{Plan, Scenario, chaos, long_transaction};
use crate::failure::{Failure, Interruption};
use crate::report::say;
use crate::sabotage::{Switch, all_noticed, chosen};

/// What is no switch of the service but a setting of the writers: they lock nothing, and publishing is told not to lock the aggregate either.
const UNLOCKED: &str = "unlocked";

const SWITCHES: [Switch<Scenario>; 3] = [
    // Shown by a kill between the two steps, of which the short tier may have too few.
    ("outbox-delete-first", chaos::embedded, true),
    ("outbox-cursor", long_transaction::run, false),
    (UNLOCKED, long_transaction::run, false),
];

/// Runs each scenario without a switch, where it must be green, and then with its switch; true when all is so.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run_sabotage(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    let switches = chosen(&SWITCHES, only)?;
    let outcome = |switch: &str, scenario: Scenario, is_full: bool| {
        let (sabotage, is_unlocked) = (Some(switch.to_owned()), switch == UNLOCKED);
        let plan = Plan { sabotage, is_unlocked, is_full, keep: None, ..plan.clone() };
        scenario(&plan, interruption, &mut 0)
    };
    for (switch, scenario, is_full) in &switches {
        outcome("", *scenario, *is_full)?;
        say(format!("{switch}: green without it"));
    }
    all_noticed("outbox", switches, |(switch, scenario, is_full)| outcome(switch, scenario, is_full))
}
