//! `panics`: an assignor that does so every other time, and deals round robin in between. The group has to go on either way.

use std::sync::atomic::{AtomicU64, Ordering};

use riverrun::assignor::{Assignor, AssignorError, Deal, Round, RoundRobin};

static ROUNDS: AtomicU64 = AtomicU64::new(0);

/// The assignor.
pub(crate) struct Panics;

impl Assignor for Panics {
    #[expect(clippy::panic, reason = "that is what it is for")]
    fn assign(&self, round: &Round) -> Result<Deal, AssignorError> {
        if ROUNDS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            panic!("an assignor of the fault tests panics");
        }
        RoundRobin.assign(round)
    }
}
