//! The scenarios of a tier: kills, then power cuts, each in rounds on fresh directories.

use crate::failure::{Failure, Interruption};
use crate::report::say;
use crate::round::{Fault, Plan, Verdict, run};
use crate::sabotage::is_noticed;

/// Faults of one round. A longer round has more to read at each check, which grows with the square; the short tier is one round.
const ROUND_FAULTS: u32 = 60;

/// Runs `plan.faults` faults in rounds and prints the line of the scenario; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run_rounds(name: &str, plan: &Plan, interruption: &Interruption) -> Result<bool, Failure> {
    let mut passed = 0;
    let mut left = plan.faults;
    say(format!("{name}: {} faults", plan.faults));
    for number in 0.. {
        if left == 0 {
            break;
        }
        let faults = left.min(ROUND_FAULTS);
        let round = Plan { seed: plan.seed.wrapping_add(number), faults, ..plan.clone() };
        let verdict = match run(&round, interruption) {
            Ok(verdict) => verdict,
            Err(reason) => {
                say(format!(
                    "skipped: {name}: this machine cannot mount an ext4 image through a loop device ({reason})"
                ));
                return Ok(true);
            }
        };
        passed += verdict.passed;
        if let Some(failure) = verdict.failure {
            return fail(name, passed, &round, failure);
        }
        left -= faults;
    }
    say(format!("{name}: {passed} passed, 0 failed"));
    Ok(true)
}

fn fail(name: &str, passed: u32, round: &Plan, failure: Failure) -> Result<bool, Failure> {
    let Failure::Broken(places) = failure else { return Err(failure) };
    for place in places {
        say(format!("  wrong: {place}"));
    }
    say(format!("{name}: {passed} passed, 1 failed (the seed of this round is {})", round.seed));
    Ok(false)
}

/// The sabotage switches and the fault that has to show each.
const SWITCHES: [(&str, Fault); 5] = [
    // Without a sync the page cache still survives a kill, so only a power cut shows it.
    ("no-sync", Fault::PowerCut),
    ("positions-first", Fault::Kill),
    ("dedup-memory-only", Fault::Kill),
    // The write follows within microseconds, its sync within milliseconds.
    ("ack-before-append", Fault::PowerCut),
    ("frontier-ignored", Fault::Kill),
];

/// Runs each switch, which must turn red, and first the same without a switch, which must not; true when all is so.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn run_sabotage(plan: &Plan, only: &[String], interruption: &Interruption) -> Result<bool, Failure> {
    let plan = Plan { replay_each_check: true, ..plan.clone() };
    let control = Plan { faults: plan.faults.min(8), check_every: 4, sabotage: None, ..plan.clone() };
    if !run_rounds("without sabotage", &control, interruption)? {
        say("sabotage: 0 passed, 1 failed (red without any switch)");
        return Ok(false);
    }
    let (mut passed, mut failed) = (0, 0);
    for (switch, fault) in SWITCHES {
        if !only.is_empty() && !only.iter().any(|wanted| wanted == switch) {
            continue;
        }
        let plan = Plan { fault, check_every: 2, sabotage: Some(switch.to_owned()), ..plan.clone() };
        match run(&plan, interruption) {
            Err(reason) => say(format!("skipped: {switch}: this machine cannot mount an ext4 image ({reason})")),
            Ok(verdict) => match judge(switch, verdict)? {
                true => passed += 1,
                false => failed += 1,
            },
        }
    }
    say(format!("sabotage: {passed} passed, {failed} failed"));
    Ok(failed == 0)
}

fn judge(switch: &str, verdict: Verdict) -> Result<bool, Failure> {
    is_noticed(&format!("{switch} after {} good faults", verdict.passed), verdict.failure.map_or(Ok(()), Err))
}
