//! The product with one promise of its relay broken on purpose: the scenario that looks after it has to turn red.

use super::{Plan, Scenario, chaos, long_transaction};
use crate::failure::{Failure, Interruption};
use crate::report::say;

/// What is no switch of the service but a setting of the writers: they lock nothing, and publishing is told not to lock the aggregate either.
const UNLOCKED: &str = "unlocked";

/// The switches of a service built with the feature `sabotage`, the scenario that has to show each, and whether it takes all its faults.
const SWITCHES: [(&str, Scenario, bool); 3] = [
    // Shown by a kill between the two steps, of which the short tier may have too few.
    ("outbox-delete-first", chaos::embedded, true),
    ("outbox-cursor", long_transaction::run, false),
    (UNLOCKED, long_transaction::run, false),
];
/// Of a message, so that a line of the report stays one.
const CHARACTERS_MAX: usize = 300;

/// Runs each scenario without a switch, where it must be green, and then with its switch; true when all is so.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run_sabotage(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    if let Some(unknown) = only.iter().find(|wanted| !SWITCHES.iter().any(|(switch, ..)| switch == wanted)) {
        return Err(Failure::Environment(format!("there is no switch {unknown:?}")));
    }
    let (mut passed, mut failed) = (0, 0);
    for (switch, scenario, is_full) in SWITCHES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == switch) {
            continue;
        }
        let outcome = |switch: &str| {
            let (sabotage, is_unlocked) = (Some(switch.to_owned()), switch == UNLOCKED);
            let plan = Plan { sabotage, is_unlocked, is_full, keep: None, ..plan.clone() };
            scenario(&plan, interruption, &mut 0)
        };
        outcome("")?;
        say(format!("{switch}: green without it"));
        match outcome(switch) {
            Ok(()) => {
                say(format!("{switch}: GREEN; the checks do not notice it"));
                failed += 1;
            }
            Err(Failure::Broken(places)) => {
                let first: String = places.first().map_or("", String::as_str).chars().take(CHARACTERS_MAX).collect();
                say(format!("{switch}: red, as it must be, in {} places: {first}", places.len()));
                passed += 1;
            }
            Err(failure) => return Err(failure),
        }
    }
    say(format!("outbox sabotage: {passed} passed, {failed} failed"));
    Ok(failed == 0)
}
