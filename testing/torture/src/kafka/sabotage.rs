//! The product with one promise broken on purpose: the scenario that looks after it has to turn red.

use super::{Plan, Scenario, faults, site};
use crate::failure::{Failure, Interruption};
use crate::report::say;
use crate::sabotage::{Switch, all_noticed, chosen};
use crate::services::Brokers;

const SWITCHES: [Switch<Scenario>; 3] = [
    ("kafka-positions-apart", faults::kills, false),
    ("kafka-generation-ignored", faults::pauses, true),
    ("kafka-reads-uncommitted", faults::kills, false),
];

/// Runs the scenarios without a switch, where they must be green, and then with each; true when all is so.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run_sabotage(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    let switches = chosen(&SWITCHES, only)?;
    let brokers = Brokers::start(&plan.services, 1, &[])?;
    let outcome = |switch: Option<&str>, name: &str, scenario: Scenario, is_full: bool| {
        let plan = Plan { sabotage: Some(switch.unwrap_or_default().to_owned()), is_full, keep: None, ..plan.clone() };
        scenario(&site(&plan, name, brokers.address(), 1, interruption), &mut 0)
    };
    outcome(None, "control", faults::kills, false)?;
    say("without a switch: green");
    all_noticed("kafka", switches, |(switch, scenario, is_full)| outcome(Some(switch), switch, scenario, is_full))
}
