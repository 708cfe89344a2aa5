//! The demo as a check: the release build is run as the README says, and its counts must be those of the data.

use std::process::Command;

use crate::process::{self, cargo};
use crate::{Failure, tree};

/// 27,004 flights less 521 that were cancelled; a test of the command line recounts them from the data.
const DEPARTURES: &str = "26483";

/// Builds and runs the demo.
///
/// # Errors
/// It could not be built, ended badly, or did not report the departures that are in the data.
pub(crate) fn check() -> Result<(), Failure> {
    process::run(cargo(&["build", "--release", "--package", "riverrun-cli"]))?;
    let mut command = Command::new(tree::release_program("riverrun"));
    command.args(["demo", "flights"]);
    let mut counted = false;
    let well = process::watch(command, |line| counted |= numbers(line).any(|number| number == DEPARTURES))?;
    match (well, counted) {
        (true, true) => Ok(()),
        (true, false) => Err(format!("the demo did not report {DEPARTURES} departures").into()),
        (false, _) => Err("the demo failed".into()),
    }
}

/// The whole numbers of a line, separators of thousands taken out.
fn numbers(line: &str) -> impl Iterator<Item = String> {
    line.split(|c: char| !c.is_ascii_digit() && c != ',').map(|word| word.replace(',', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_with_and_without_separators() {
        let found: Vec<String> =
            numbers("26,483 departures in 1.2 s (9000/s)").filter(|word| !word.is_empty()).collect();
        assert_eq!(found, ["26483", "1", "2", "9000"]);
    }
}
