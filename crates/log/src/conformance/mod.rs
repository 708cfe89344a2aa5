//! The suite every log must pass: one case for each promise of [`crate::contract`].
//!
//! A log's own test opens it for the suite and says what it can do:
//!
//! ```no_run
//! # fn open() -> Box<dyn riverrun_log::conformance::OpenedLog> { unreachable!() }
//! use riverrun_log::conformance::{Features, run};
//!
//! run(&open, Features { dense_offsets: true, deduplicates: true, reopens: true, compacts: true });
//! ```
//!
//! Every case gets an empty log of its own. All cases run; those that failed are listed at the end, each with its reason. No
//! case needs an async runtime: answers are awaited by blocking. Commits are made as a worker makes them, joining again after
//! one that was fenced or uncertain, so the suite also holds for a log with faults.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test suite: what is not as expected panics, and the case is reported as failed"
)]

mod appending;
mod committing;
mod compacting;
mod concurrency;
mod history;
mod membership;
mod model;
mod owner;
mod reading;
mod state;
mod topics;
mod wait;
mod words;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::contract::Log;

/// A log under test with the place where its data is.
pub trait OpenedLog: Send + Sync {
    /// The log.
    fn log(&self) -> &dyn Log;

    /// Closes the log and opens the same data again, as after a restart of the process. Only called where
    /// [`Features::reopens`]; no member or state reader is left then.
    fn reopen(self: Box<Self>) -> Box<dyn OpenedLog>;
}

/// What a log can do beyond what every log must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// Offsets start at 0 and have no gaps.
    pub dense_offsets: bool,
    /// It tells `First` from `Duplicate` and refuses conflicts.
    pub deduplicates: bool,
    /// [`OpenedLog::reopen`] finds everything that was answered.
    pub reopens: bool,
    /// It compacts topics that ask for it, soon after they could be.
    pub compacts: bool,
}

/// Runs every case that fits the features.
///
/// # Panics
/// When a case failed; the message lists all that did and why.
pub fn run(open: &dyn Fn() -> Box<dyn OpenedLog>, features: Features) {
    let bench = Bench { open, features };
    let cases: Vec<&Case> = all_cases().filter(|case| case.fits(features)).collect();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let outcome = catch_unwind(AssertUnwindSafe(|| (case.run)(&bench)));
            outcome.err().map(|panic| format!("- {}: {}", case.name, reason(&*panic)))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases failed:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn all_cases() -> impl Iterator<Item = &'static Case> {
    let groups: [&'static [Case]; 10] = [
        topics::CASES,
        appending::CASES,
        reading::CASES,
        membership::CASES,
        committing::CASES,
        state::CASES,
        history::CASES,
        compacting::CASES,
        concurrency::CASES,
        model::CASES,
    ];
    groups.into_iter().flatten()
}

/// Opens logs for a case.
struct Bench<'a> {
    open: &'a dyn Fn() -> Box<dyn OpenedLog>,
    features: Features,
}

impl Bench<'_> {
    /// An empty log.
    fn open(&self) -> Box<dyn OpenedLog> {
        (self.open)()
    }
}

/// One promise to check.
struct Case {
    name: &'static str,
    needs: Needs,
    run: fn(&Bench<'_>),
}

/// The feature a case is about.
enum Needs {
    Nothing,
    Deduplication,
    DenseOffsets,
    Reopening,
    Compaction,
}

impl Case {
    fn fits(&self, features: Features) -> bool {
        match self.needs {
            Needs::Nothing => true,
            Needs::Deduplication => features.deduplicates,
            Needs::DenseOffsets => features.dense_offsets,
            Needs::Reopening => features.reopens,
            Needs::Compaction => features.compacts,
        }
    }
}

const fn case(name: &'static str, run: fn(&Bench<'_>)) -> Case {
    Case { name, needs: Needs::Nothing, run }
}

const fn case_needing(needs: Needs, name: &'static str, run: fn(&Bench<'_>)) -> Case {
    Case { name, needs, run }
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked without a message")
}
