//! The clock of a test: it stands still until it is moved. Until it is moved by hand, it follows the newest event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use riverrun_event::Time;
use tokio::sync::watch;

/// Where a test's clock starts.
const START: &str = "2026-01-01T00:00:00Z";

/// A clock shared by the driver, its log and its workers.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    now: Arc<watch::Sender<Time>>,
    by_hand: Arc<AtomicBool>,
}

impl Clock {
    pub(super) fn new() -> Self {
        let now = Time::parse(START).unwrap_or(Time::EPOCH);
        Self { now: Arc::new(watch::Sender::new(now)), by_hand: Arc::default() }
    }

    pub(super) fn now(&self) -> Time {
        *self.now.borrow()
    }

    /// Tells whenever it moves.
    pub(super) fn moved(&self) -> watch::Receiver<Time> {
        self.now.subscribe()
    }

    /// Moves the clock by hand; false where that would be back in time, once something was accepted.
    pub(super) fn set(&self, time: Time, may_go_back: bool) -> bool {
        let moves = may_go_back || time >= self.now();
        if moves {
            self.by_hand.store(true, Ordering::Relaxed);
            self.now.send_replace(time);
        }
        moves
    }

    /// An event of this time comes in; whether the clock is there or beyond it now.
    pub(super) fn follow(&self, time: Time) -> bool {
        if !self.by_hand.load(Ordering::Relaxed) {
            self.now.send_if_modified(|now| {
                let moves = time > *now;
                *now = (*now).max(time);
                moves
            });
        }
        self.now() >= time
    }
}
