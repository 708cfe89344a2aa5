//! Three brokers that are restarted one after the other while orders come in: the leaders of partitions move, and the coordinators of
//! groups and transactions with them.

use std::time::Duration;

use super::faults::on_a_fold;
use super::{Plan, site};
use crate::failure::{Failure, Interruption};
use crate::report::conclude;
use crate::services::Brokers;

pub(super) const NAME: &str = "broker restarts";
const BROKERS: usize = 3;
/// A broker that is back needs a moment to have all of it again; were the next one gone before, writes would have to wait.
const CAUGHT_UP: Duration = Duration::from_secs(5);

/// Runs the scenario on brokers of its own; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub(super) fn run(plan: &Plan, interruption: &Interruption) -> Result<bool, Failure> {
    let rounds = if plan.is_full { 5 } else { 1 };
    let mut brokers = Brokers::start(&plan.services, BROKERS, &[])?;
    let site = site(plan, NAME, brokers.address(), BROKERS, interruption);
    conclude(NAME, |passed| {
        on_a_fold(&site, &["a", "b"], |instances| {
            for number in (0..rounds).flat_map(|_| 1..=BROKERS) {
                instances.pass(CAUGHT_UP)?;
                brokers.restart(number)?;
                *passed += 1;
            }
            instances.pass(CAUGHT_UP)
        })
    })
}
