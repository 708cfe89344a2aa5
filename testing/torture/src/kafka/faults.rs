//! What happens to the instances while orders come in: kill -9 again and again, and a pause that outlives the session.

use std::time::Duration;

use super::Site;
use super::fold::{self, ENTRANCE, Found, ORDERS, REFUSED, SUMS};
use super::load::Load;
use crate::failure::Failure;
use crate::instances::{Instances, Program};
use crate::random::Random;
use crate::report::say;

/// How long the app may take to work off everything: the last tasks that moved wait for a session of 6 s and a transaction of 20 s.
const CATCH_UP: Duration = Duration::from_secs(90);
/// Longer than a session and the heartbeat before it: the group goes on without the instance.
const OUTLIVED: Duration = Duration::from_secs(8);
/// How many of the kills are followed by an absence that the group notices.
const ABSENT_EVERY: u32 = 20;

/// kill -9 of one of two instances after the other, at any moment; most return at once, some after their session.
pub(super) fn kills(site: &Site<'_>, passed: &mut u32) -> Result<(), Failure> {
    let kills = if site.plan.is_full { 200 } else { 40 };
    let mut random = Random::part(site.plan.seed, 0);
    on_a_fold(site, &["a", "b"], |instances| {
        kill_some(instances, kills, &mut random)?;
        Ok(kills)
    })
    .map(|kills| *passed += kills)
}

/// The clocks of two instances differ by hours, and change their minds whenever one is killed.
pub(super) fn clocks(site: &Site<'_>, passed: &mut u32) -> Result<(), Failure> {
    const OFFSETS: [(usize, &str); 4] = [(0, "+7200"), (1, "-7200"), (0, "-90000"), (1, "+90000")];
    let rounds = if site.plan.is_full { 10 } else { 1 };
    let mut random = Random::part(site.plan.seed, 2);
    on_a_fold(site, &["a", "b"], |instances| {
        for (number, offset) in (0..rounds).flat_map(|_| OFFSETS) {
            instances.pass(Duration::from_millis(random.between(500, 2_000)))?;
            instances.kill(number)?;
            instances.set_clock(number, offset)?;
            instances.start(number)?;
            *passed += 1;
        }
        instances.pass(OUTLIVED)
    })
}

/// Kills one of the first two instances after the other, and starts it again.
///
/// # Errors
/// One does not start, or says something wrong.
pub(super) fn kill_some(instances: &mut Instances, kills: u32, random: &mut Random) -> Result<(), Failure> {
    for kill in 1..=kills {
        instances.pass(Duration::from_millis(random.between(300, 2_000)))?;
        let number = usize::try_from(random.between(0, 2)).unwrap_or_default();
        instances.kill(number)?;
        if kill % ABSENT_EVERY == 0 {
            instances.pass(OUTLIVED)?;
        }
        instances.start(number)?;
    }
    Ok(())
}

/// An instance is stopped where it is, its session ends, the other goes on with its tasks, and then it wakes.
pub(super) fn pauses(site: &Site<'_>, passed: &mut u32) -> Result<(), Failure> {
    let pauses = if site.plan.is_full { 10 } else { 1 };
    on_a_fold(site, &["a", "b"], |instances| {
        for pause in 0..pauses {
            instances.pass(Duration::from_secs(2))?;
            let number = pause as usize % 2;
            instances.freeze(number)?;
            instances.pass(OUTLIVED)?;
            instances.wake(number)?;
        }
        instances.pass(Duration::from_secs(2))?;
        Ok(pauses)
    })
    .map(|pauses| *passed += pauses)
}

/// Runs the fold on these instances, lets `disturb` happen to them under load, and checks everything afterwards.
///
/// # Errors
/// [`Failure::Broken`] with every place that is wrong.
pub(super) fn on_a_fold<T>(
    site: &Site<'_>,
    names: &[&str],
    disturb: impl FnOnce(&mut Instances) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let program = match site.plan.sabotage {
        None => Program::CommandLine(site.plan.command_line.clone()),
        Some(_) => Program::Service(site.plan.service.clone()),
    };
    let app = |name: &str, data_directory: &std::path::Path| fold::app_file(site, name, data_directory, "");
    let mut instances = Instances::prepare(&program, &site.plan.directory, names, app, &site.interruption)?;
    if let Some(switch) = &site.plan.sabotage {
        instances.sabotage(switch);
    }
    let outcome = under_load(site, &mut instances, disturb);
    site.judge(&instances, outcome)
}

/// As [`on_a_fold`], on instances that were prepared.
///
/// # Errors
/// [`Failure::Broken`] with every place that is wrong.
pub(super) fn under_load<T>(
    site: &Site<'_>,
    instances: &mut Instances,
    disturb: impl FnOnce(&mut Instances) -> Result<T, Failure>,
) -> Result<T, Failure> {
    instances.start_all()?;
    let load = Load::start(site.plan.seed, &instances.addresses());
    let told = disturb(instances)?;
    instances.wait_ready()?;
    let sends = load.end();
    for topic in [ENTRANCE, ORDERS] {
        site.outside.wait_idle(&site.prefix, &site.topic(topic), CATCH_UP)?;
    }
    let read = |topic| site.outside.read(&site.topic(topic));
    let found = Found { orders: read(ORDERS)?, sums: read(SUMS)?, refused: read(REFUSED)? };
    fold::check(&sends, &found)?;
    let (orders, sums, refused) = (found.orders.len(), found.sums.len(), found.refused.len());
    say(format!("  {} orders sent, {orders} stored, {refused} refused, {sums} sums", sends.len()));
    instances.end_all()?;
    Ok(told)
}
