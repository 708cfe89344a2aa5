//! The clock of a test: it stands still until it is moved. Until it is moved by hand, it follows the newest event.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riverrun_event::Time;

/// Where a test's clock starts.
const START: &str = "2026-01-01T00:00:00Z";

/// A clock shared by the driver and its log.
#[derive(Clone, Debug)]
pub(super) struct Clock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now: Time,
    by_hand: bool,
}

impl Clock {
    pub(super) fn new() -> Self {
        let now = Time::parse(START).unwrap_or(Time::EPOCH);
        Self(Arc::new(Mutex::new(State { now, by_hand: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Time {
        self.state().now
    }

    /// Moves the clock by hand; false where that would be back in time, once something was accepted.
    pub(super) fn set(&self, time: Time, may_go_back: bool) -> bool {
        let mut state = self.state();
        let moves = may_go_back || time >= state.now;
        if moves {
            *state = State { now: time, by_hand: true };
        }
        moves
    }

    /// An event of this time comes in; whether the clock is there or beyond it now.
    pub(super) fn follow(&self, time: Time) -> bool {
        let mut state = self.state();
        if !state.by_hand {
            state.now = state.now.max(time);
        }
        state.now >= time
    }
}
