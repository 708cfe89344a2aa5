//! Lines for the person who runs this, on standard output.

use std::io::Write;

use crate::failure::Failure;

/// Prints one line at once. Where nobody reads it, the run goes on.
pub fn say(line: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", line.as_ref());
    let _ = out.flush();
}

/// Runs a scenario and prints its closing line, with as many passed as `run` counts; true when nothing is wrong.
///
/// # Errors
/// [`Failure::Interrupted`] or [`Failure::Environment`], when nothing can be said of the product.
pub fn conclude(name: &str, run: impl FnOnce(&mut u32) -> Result<(), Failure>) -> Result<bool, Failure> {
    /// Of the first and of the last ones; those between are of the same kinds.
    const PLACES_MAX: usize = 12;
    let mut passed = 0;
    match run(&mut passed) {
        Ok(()) => {
            say(format!("{name}: {passed} passed, 0 failed"));
            Ok(true)
        }
        Err(Failure::Broken(places)) => {
            let is_shown = |number: usize| number < PLACES_MAX || number + PLACES_MAX >= places.len();
            let shown = places.iter().enumerate().filter(|(number, _)| is_shown(*number));
            shown.for_each(|(_, place)| say(format!("  wrong: {place}")));
            say(format!("  {} places are wrong", places.len()));
            say(format!("{name}: {passed} passed, 1 failed"));
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}
