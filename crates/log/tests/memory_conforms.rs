//! The in-memory log keeps the contract: without faults, with each fault, and with all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::Cell;
use std::time::Duration;

use riverrun_event::Time;
use riverrun_log::conformance::{Features, OpenedLog, run};
use riverrun_log::{Faults, Log, MemoryLog};

struct OpenedMemory(MemoryLog);

impl OpenedLog for OpenedMemory {
    fn log(&self) -> &dyn Log {
        &self.0
    }

    /// Dropping every member and joining again is all a restart can be here.
    fn reopen(self: Box<Self>) -> Box<dyn OpenedLog> {
        self
    }
}

fn check(faults: Faults) {
    // Another seed for each log, so that a case does not always meet the same fault.
    let logs = Cell::new(0);
    let open = || -> Box<dyn OpenedLog> {
        logs.set(logs.get() + 1);
        let faults = Faults { seed: faults.seed + logs.get(), ..faults };
        let log = MemoryLog::stepping(Time::from_unix(1_700_000_000, 0), Duration::from_millis(1));
        Box::new(OpenedMemory(log.with_faults(faults)))
    };
    let dense_offsets = faults.offset_gaps_per_mille == 0;
    run(&open, Features { dense_offsets, deduplicates: true, reopens: true, compacts: true });
}

#[test]
fn without_faults() {
    check(Faults::default());
}

#[test]
fn by_the_wall_clock() {
    let open = || -> Box<dyn OpenedLog> { Box::new(OpenedMemory(MemoryLog::new())) };
    run(&open, Features { dense_offsets: true, deduplicates: true, reopens: true, compacts: true });
}

#[test]
fn with_offset_gaps() {
    check(Faults { seed: 1, offset_gaps_per_mille: 500, ..Faults::default() });
}

#[test]
fn with_uncertain_commits() {
    check(Faults { seed: 2, uncertain_commits_per_mille: 300, ..Faults::default() });
}

#[test]
fn with_revocations() {
    check(Faults { seed: 3, revocations_per_mille: 300, ..Faults::default() });
}

#[test]
fn with_every_fault() {
    for seed in [10_000, 20_000, 30_000] {
        check(Faults::frequent(seed));
    }
}
