//! Ids for events whose sender gave none: unique across processes and restarts, not guessable to be equal by chance.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use riverrun_event::Text;

/// The system gave no random numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers, so no unique ids can be made: {0}")]
pub struct IdentityError(String);

/// Gives ids `<32 hex digits drawn at start>-<count>`.
#[derive(Debug)]
pub(crate) struct Identities {
    prefix: String,
    given: AtomicU64,
}

impl Identities {
    pub(crate) fn new() -> Result<Self, IdentityError> {
        // 128 random bits: two processes never draw the same ones.
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).map_err(|error| IdentityError(error.to_string()))?;
        let prefix = random.iter().fold(String::with_capacity(32), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        });
        Ok(Self { prefix, given: AtomicU64::new(0) })
    }

    pub(crate) fn next(&self) -> Text {
        // Relaxed: only the number itself must be unique.
        format!("{}-{}", self.prefix, self.given.fetch_add(1, Ordering::Relaxed)).into()
    }
}
