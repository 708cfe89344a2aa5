//! What every tier does with a product that has one promise broken on purpose: the scenario that looks after it has to turn red.

use crate::failure::Failure;
use crate::report::say;

/// A switch of a service built with the feature `sabotage`, the scenario that has to show it, and whether it takes all its faults.
pub(crate) type Switch<S> = (&'static str, S, bool);

/// Of a message, so that a line of the report stays one.
const CHARACTERS_MAX: usize = 300;

/// The switches of these names; all of them where none is named.
///
/// # Errors
/// [`Failure::Environment`] for a name that is no switch.
pub(crate) fn chosen<S: Copy>(switches: &[Switch<S>], only: &[String]) -> Result<Vec<Switch<S>>, Failure> {
    if let Some(unknown) = only.iter().find(|wanted| !switches.iter().any(|(switch, ..)| switch == wanted)) {
        return Err(Failure::Environment(format!("there is no switch {unknown:?}")));
    }
    let is_wanted = |switch: &str| only.is_empty() || only.iter().any(|wanted| wanted == switch);
    Ok(switches.iter().copied().filter(|(switch, ..)| is_wanted(switch)).collect())
}

/// Runs each switch; true when all turn red.
///
/// # Errors
/// As [`is_noticed`].
pub(crate) fn all_noticed<S: Copy>(
    tier: &str,
    switches: Vec<Switch<S>>,
    run: impl Fn(Switch<S>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let (mut passed, mut failed) = (0, 0);
    for switch in switches {
        if is_noticed(switch.0, run(switch))? { passed += 1 } else { failed += 1 }
    }
    say(format!("{tier} sabotage: {passed} passed, {failed} failed"));
    Ok(failed == 0)
}

/// Whether the checks notice what `switch` breaks.
///
/// # Errors
/// A failure that says nothing of the product.
pub(crate) fn is_noticed(switch: &str, outcome: Result<(), Failure>) -> Result<bool, Failure> {
    match outcome {
        Ok(()) => {
            say(format!("{switch}: GREEN; the checks do not notice it"));
            Ok(false)
        }
        Err(Failure::Broken(places)) => {
            let first: String = places.first().map_or("", String::as_str).chars().take(CHARACTERS_MAX).collect();
            say(format!("{switch}: red, as it must be, in {} places: {first}", places.len()));
            Ok(true)
        }
        Err(failure) => Err(failure),
    }
}
