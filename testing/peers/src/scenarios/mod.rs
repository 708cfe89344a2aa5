//! The scenarios, a file each.

mod cloudevents;
mod consumers;
mod graphql;
mod json;

use riverrun_torture::failure::Failure;

use crate::programs::Programs;
use crate::score::Score;

/// Runs a scenario.
pub(crate) type Run = fn(&Programs) -> Result<Score, Failure>;

/// Every scenario with its name.
pub(crate) const SCENARIOS: &[(&str, Run)] =
    &[("json", json::run), ("cloudevents", cloudevents::run), ("consumers", consumers::run), ("graphql", graphql::run)];
