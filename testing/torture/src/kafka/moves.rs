//! Instances that join and leave every 2 s, under each way to deal tasks, also one that panics.

use std::path::Path;
use std::time::Duration;

use super::Site;
use super::faults::under_load;
use super::fold;
use crate::failure::Failure;
use crate::instances::{Instances, Program};

/// The first one stays.
const NAMES: [&str; 3] = ["a", "b", "c"];
const EVERY: Duration = Duration::from_secs(2);
/// What the app file says, by a name for the group. The service brings the last one.
const ASSIGNORS: [(&str, &str); 4] = [
    ("round-robin", "round_robin"),
    ("static", "{ static: { a: [0, 1], b: [2, 3], c: [4] }, reassign_after: 1s }"),
    ("score", "{ score: '(member.owns ? 2 : 0) - member.tasks' }"),
    ("custom", "{ custom: panics }"),
];

pub(super) fn run(site: &Site<'_>, passed: &mut u32) -> Result<(), Failure> {
    ASSIGNORS.iter().try_for_each(|(name, assignor)| {
        let site = Site { prefix: format!("{}{name}.", site.prefix), ..site.clone() };
        under(&site, assignor).map(|moves| *passed += moves)
    })
}

fn under(site: &Site<'_>, assignor: &str) -> Result<u32, Failure> {
    let moves = if site.plan.is_full { 40 } else { 2 };
    let program = Program::Service(site.plan.service.clone());
    let more = format!(", assignor: {assignor}");
    let app = |name: &str, data_directory: &Path| fold::app_file(site, name, data_directory, &more);
    let mut instances = Instances::prepare(&program, &site.plan.directory, &NAMES, app, &site.interruption)?;
    let outcome = under_load(site, &mut instances, |instances| {
        for number in (0..moves).map(|number| 1 + number as usize % 2) {
            instances.pass(EVERY)?;
            instances.wait_ready()?;
            instances.end(number)?;
            instances.pass(EVERY)?;
            instances.start(number)?;
        }
        Ok(moves)
    });
    site.judge(&instances, outcome)
}
