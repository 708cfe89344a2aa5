//! What the cluster refuses this instance although it answers: a right is missing, or another has its name. Whoever is refused asks again, since
//! rights are granted without a restart, and says so here each time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use krafka::error::ErrorCode;

/// The wait before something that was refused is asked for again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Whoever was refused has asked again several times by then; what nobody asks for any more is not missing.
const HOLDS: Duration = Duration::from_secs(10);

/// The sentence for a right that is missing on something, with the name that Kafka has for the refusal.
pub(crate) fn lacks_right(what: &str, code: ErrorCode) -> String {
    format!("this user lacks a right on {what} ({code:?})")
}

/// What is refused, by whom it is refused to.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<String, Refusal>>);

struct Refusal {
    reason: String,
    at: Instant,
}

impl Refusals {
    /// Notes that `who` was refused something. Each reason is logged once, until it is over.
    pub(crate) fn note(&self, who: &str, reason: &str) {
        let mut noted = self.noted();
        let is_known = noted.get(who).is_some_and(|known| known.reason == reason);
        noted.insert(who.to_owned(), Refusal { reason: reason.to_owned(), at: Instant::now() });
        drop(noted);
        if !is_known {
            tracing::warn!("{who}: {reason} (RR0426); trying again");
        }
    }

    /// One of those that hold.
    pub(crate) fn any(&self) -> Option<String> {
        self.noted().iter().next().map(|(who, Refusal { reason, .. })| format!("{who}: {reason}"))
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<String, Refusal>> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|_, refusal| refusal.at.elapsed() < HOLDS);
        noted
    }
}
