//! Transactions while everything between them and the topic is killed, crashed, stopped and cut off.

use std::time::{Duration, Instant};

use super::Plan;
use super::database::Whose;
use super::site::{Log, Site, UNKNOWN};
use crate::failure::{Failure, Interruption};
use crate::random::Random;
use crate::services::Brokers;

/// How long the log gives no answer: longer than a session.
const LOG_AWAY: Duration = Duration::from_secs(10);
/// How long an instance is stopped: others have its share within moments, and its session with the log lasts for 6 s.
const PAUSE: Duration = Duration::from_secs(3);
/// How long relays may take to be connected again: they pause up to 5 s between attempts.
const CONNECTED_WITHIN: Duration = Duration::from_secs(30);
/// More connections than relays have.
const ALL: i64 = 1_000;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// kill -9 of an instance, which comes back after a while.
    Kill,
    /// PostgreSQL crashes.
    Crash,
    /// Connections are cut.
    Cut(Whose),
    /// An instance is stopped where it is, loses the connection by which it has its share, and wakes when others have relayed that.
    Pause,
    /// The log gives no answer.
    LogAway,
}

/// On Kafka, with two more instances that only relay.
pub(super) fn on_kafka(plan: &Plan, interruption: &Interruption, passed: &mut u32) -> Result<(), Failure> {
    let brokers = Brokers::start(&plan.services, 1, &[])?;
    let site = Site::start(plan, Log::Kafka(brokers.address()), &["a", "b", "c"], interruption)?;
    run(plan, site, Some(&brokers), interruption, passed)
}

/// With the embedded log, in one instance.
pub(super) fn embedded(plan: &Plan, interruption: &Interruption, passed: &mut u32) -> Result<(), Failure> {
    let site = Site::start(plan, Log::Embedded, &["a"], interruption)?;
    run(plan, site, None, interruption, passed)
}

fn run(
    plan: &Plan,
    mut site: Site<'_>,
    brokers: Option<&Brokers>,
    interruption: &Interruption,
    passed: &mut u32,
) -> Result<(), Failure> {
    let outcome = disturb(plan, &mut site, brokers, interruption, passed);
    site.judge(outcome)?;
    site.check(UNKNOWN)?;
    *passed += 1;
    Ok(())
}

/// Lets an equal share of the transactions go before each fault, so that it comes while they are under way.
fn disturb(
    plan: &Plan,
    site: &mut Site<'_>,
    brokers: Option<&Brokers>,
    interruption: &Interruption,
    passed: &mut u32,
) -> Result<(), Failure> {
    let mut random = Random::part(plan.seed, 0);
    let faults = faults(plan.is_full, brokers.is_some(), &mut random);
    let transactions = if plan.is_full { 20_000 } else { 4_000 };
    site.publish_unknown()?;
    for fault in &faults {
        site.writers.let_go(transactions / faults.len());
        site.instances.pass(Duration::from_millis(random.between(20, 400)))?;
        match fault {
            Fault::Kill => kill(site, &mut random)?,
            Fault::Crash => site.postgres.crash()?,
            Fault::Cut(whose) => cut(site, *whose, &mut random, interruption)?,
            Fault::Pause => pause(site, &mut random)?,
            Fault::LogAway => brokers.map_or(Ok(()), |brokers| brokers.freeze(LOG_AWAY, interruption))?,
        }
        *passed += 1;
    }
    site.writers.let_go(transactions % faults.len());
    Ok(())
}

/// All faults of a run, in an order of their own.
fn faults(is_full: bool, has_brokers: bool, random: &mut Random) -> Vec<Fault> {
    let (kills, cuts, pauses) = if is_full { (30, 10, 5) } else { (6, 2, 1) };
    let mut faults = vec![Fault::Kill; kills];
    faults.extend([Fault::Crash; 2]);
    faults.extend(vec![Fault::Pause; pauses]);
    for whose in [Whose::Writers, Whose::Relays, Whose::Listening] {
        faults.extend(vec![Fault::Cut(whose); cuts]);
    }
    faults.extend(has_brokers.then_some(Fault::LogAway));
    for index in (1..faults.len()).rev() {
        let other = random.between(0, index as u64 + 1);
        faults.swap(index, usize::try_from(other).unwrap_or(index));
    }
    faults
}

fn kill(site: &mut Site<'_>, random: &mut Random) -> Result<(), Failure> {
    let number = random.between(0, site.instances.count() as u64);
    let number = usize::try_from(number).unwrap_or_default();
    site.instances.kill(number)?;
    let away = if random.chance(50) { 0 } else { random.between(0, 1_500) };
    site.instances.pass(Duration::from_millis(away))?;
    site.instances.start(number)?;
    // Else most would be killed before they have relayed anything.
    site.instances.pass(Duration::from_millis(random.between(300, 1_500)))
}

/// An instance is stopped where it is and loses its connections meanwhile, if it has any at that moment.
fn pause(site: &mut Site<'_>, random: &mut Random) -> Result<(), Failure> {
    let number = random.between(0, site.instances.count() as u64);
    let number = usize::try_from(number).unwrap_or_default();
    site.instances.freeze(number)?;
    let outcome = site.database.cut(Whose::Listening, ALL, random.number()).and_then(|_| site.instances.pass(PAUSE));
    site.instances.wake(number)?;
    outcome
}

/// Cuts connections as soon as there are any.
fn cut(site: &mut Site<'_>, whose: Whose, random: &mut Random, interruption: &Interruption) -> Result<(), Failure> {
    let many = match whose {
        Whose::Writers => 8,
        Whose::Relays => 2,
        Whose::Listening => ALL,
    };
    let (seed, end) = (random.number(), Instant::now() + CONNECTED_WITHIN);
    while site.database.cut(whose, many, seed)? == 0 {
        if Instant::now() > end {
            return Err(Failure::broken(format!("{whose:?}: none was connected within {CONNECTED_WITHIN:?}")));
        }
        interruption.sleep(Duration::from_millis(20))?;
    }
    Ok(())
}
