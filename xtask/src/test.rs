//! `cargo xtask test`: everything that can be tested, and nothing else needs to be started for it.
//!
//! Parts run one after the other and all run, even when one fails. Counts of all parts are summed into the closing line
//! `N passed, N failed`, the last line printed. A part that ends badly without naming a failed test counts as one failure,
//! so a build error can never look like success.
//!
//! A real Kafka broker and a real PostgreSQL run beside cargo's tests. Where one cannot be had that is a failure, since a test left out
//! would look like one that passed.

use std::time::Instant;

use crate::process::{self, cargo};
use crate::services::kafka::Broker;
use crate::services::postgres::Postgres;
use crate::{Failure, peers, torture};

/// Runs the tests. A filter selects cargo's tests by name and leaves the black-box parts out.
///
/// # Errors
/// Something failed (the output says what), or an argument is unknown.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let options = Options::parse(arguments)?;
    let mut total = Count::default();
    total.add(part("unit, integration and doc tests", || cargo_tests(options.filter.as_deref())));
    if options.filter.is_none() {
        total.add(part("manifests: the example on Kubernetes", manifests));
        total.add(part("peers: clients of other languages and foreign test suites", with_peers));
    }
    if options.filter.is_none() && options.with_torture {
        total.add(part("short fault tier: kill -9 and power cuts", || torture_tier("short")));
        total.add(part("media: disks that fill up, fail and decay, clocks that jump", media));
        total.add(part("kafka: instances killed, paused and moved about", kafka_tier));
        total.add(part("outbox: writers, relays, PostgreSQL and the log killed, restarted and cut off", outbox_tier));
        total.add(part("storms: idle connections, slow readers, 413 and 429", || torture_tier("storm")));
    }
    println!("\n{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { Ok(()) } else { Err(format!("{} failed", total.failed).into()) }
}

struct Options {
    filter: Option<String>,
    with_torture: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self { filter: None, with_torture: true };
        for argument in arguments {
            match argument.as_str() {
                "--no-torture" => options.with_torture = false,
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}; there is --no-torture, and a filter").into());
                }
                filter => options.filter = Some(filter.to_owned()),
            }
        }
        Ok(options)
    }
}

/// How many checks passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Takes in a line of cargo's test runner: `test result: ok. 3 passed; 0 failed; ...`.
    fn see_result(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result:") {
            self.see_counts(counts);
        }
    }

    /// Takes in a line of the fault tester: `kill -9: 60 passed, 0 failed`. Details are indented.
    fn see_scenario(&mut self, line: &str) {
        match line.split_once(": ") {
            Some((scenario, counts)) if !scenario.starts_with(' ') => self.see_counts(counts),
            _ => {}
        }
    }

    fn see_counts(&mut self, text: &str) {
        let number_before = |word: &str| -> Option<u64> {
            let (before, _) = text.split_once(word)?;
            before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        if let (Some(passed), Some(failed)) = (number_before(" passed"), number_before(" failed")) {
            self.add(Self { passed, failed });
        }
    }

    /// What a part that ended badly counts as: at least one failure.
    fn ended(mut self, well: bool) -> Self {
        if !well && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

/// Runs one part with its headline and time. A part that cannot run at all is a failure.
fn part(name: &str, run: impl FnOnce() -> Result<Count, Failure>) -> Count {
    println!("\n== {name}");
    let begun = Instant::now();
    let count = run().unwrap_or_else(|failure| {
        println!("{failure}");
        Count { passed: 0, failed: 1 }
    });
    println!("== {} passed, {} failed in {:.0} s: {name}", count.passed, count.failed, begun.elapsed().as_secs_f64());
    count
}

fn manifests() -> Result<Count, Failure> {
    torture::build()?;
    crate::manifests::check()?;
    Ok(Count { passed: 1, failed: 0 })
}

fn cargo_tests(filter: Option<&str>) -> Result<Count, Failure> {
    let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
    arguments.extend(filter);
    let mut tests = cargo(&arguments);
    // Kept until the tests have ended, however they do.
    let broker = Broker::for_tests()?;
    let postgres = Postgres::for_tests()?;
    tests.envs(broker.iter().flat_map(Broker::variables)).envs(postgres.iter().flat_map(Postgres::variables));
    counted(tests, Count::see_result)
}

fn with_peers() -> Result<Count, Failure> {
    torture::build()?;
    counted(peers::command()?, Count::see_scenario)
}

fn torture_tier(tier: &str) -> Result<Count, Failure> {
    torture::build()?;
    counted(torture::command(tier), Count::see_scenario)
}

fn media() -> Result<Count, Failure> {
    torture::build()?;
    counted(torture::media()?, Count::see_scenario)
}

fn kafka_tier() -> Result<Count, Failure> {
    torture::build()?;
    counted(torture::kafka()?, Count::see_scenario)
}

fn outbox_tier() -> Result<Count, Failure> {
    torture::build()?;
    counted(torture::outbox()?, Count::see_scenario)
}

/// Runs a program and sums the closing lines it prints.
fn counted(command: std::process::Command, see: fn(&mut Count, &str)) -> Result<Count, Failure> {
    let mut count = Count::default();
    let well = process::watch(command, |line| see(&mut count, line))?;
    Ok(count.ended(well))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[&str], see: fn(&mut Count, &str), passed: u64, failed: u64) {
        let mut count = Count::default();
        lines.iter().for_each(|line| see(&mut count, line));
        assert_eq!(count, Count { passed, failed });
    }

    #[test]
    fn closing_lines_are_summed() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test a ... ok",
            "error: 3 passed, 9 failed is what a message says",
            "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        check(&lines, Count::see_result, 15, 2);
        let lines = [
            "seed 17 (--seed 17 sends the same again)",
            "kill -9: 60 faults",
            "kill -9: 60 passed, 0 failed",
            "  wrong: 9 passed, is what the service says; 1 failed",
            "power cut: 3 passed, 1 failed (the seed of this round is 18)",
            "skipped: power cut: this machine cannot mount an ext4 image through a loop device",
        ];
        check(&lines, Count::see_scenario, 63, 1);
    }

    #[test]
    fn a_bad_end_is_a_failure() {
        assert_eq!(Count { passed: 4, failed: 0 }.ended(false), Count { passed: 4, failed: 1 });
        assert_eq!(Count { passed: 4, failed: 2 }.ended(false), Count { passed: 4, failed: 2 });
        assert_eq!(Count { passed: 4, failed: 0 }.ended(true), Count { passed: 4, failed: 0 });
    }
}
