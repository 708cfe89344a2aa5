//! The product with one promise broken on purpose: the scenario that looks after it has to turn red.

use super::{Plan, Scenario, faults, site};
use crate::failure::{Failure, Interruption};
use crate::report::say;
use crate::services::Brokers;

/// The switches of a service built with the feature `sabotage`, the scenario that has to show each, and whether it takes all its faults.
const SWITCHES: [(&str, Scenario, bool); 3] = [
    ("kafka-positions-apart", faults::kills, false),
    ("kafka-generation-ignored", faults::pauses, true),
    ("kafka-reads-uncommitted", faults::kills, false),
];
/// Of a message, so that a line of the report stays one.
const CHARACTERS_MAX: usize = 300;

/// Runs the scenarios without a switch, where they must be green, and then with each; true when all is so.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run_sabotage(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    if let Some(unknown) = only.iter().find(|wanted| !SWITCHES.iter().any(|(switch, ..)| switch == wanted)) {
        return Err(Failure::Environment(format!("there is no switch {unknown:?}")));
    }
    let brokers = Brokers::start(&plan.services, 1, &[])?;
    let outcome = |switch: Option<&str>, name: &str, scenario: Scenario, is_full: bool| {
        let plan = Plan { sabotage: Some(switch.unwrap_or_default().to_owned()), is_full, keep: None, ..plan.clone() };
        scenario(&site(&plan, name, brokers.address(), 1, interruption), &mut 0)
    };
    outcome(None, "control", faults::kills, false)?;
    say("without a switch: green");
    let (mut passed, mut failed) = (0, 0);
    for (switch, scenario, is_full) in SWITCHES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == switch) {
            continue;
        }
        match outcome(Some(switch), switch, scenario, is_full) {
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
    say(format!("kafka sabotage: {passed} passed, {failed} failed"));
    Ok(failed == 0)
}
