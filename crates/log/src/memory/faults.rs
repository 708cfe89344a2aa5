//! Faults a simulation declares: what brokers and rebalances do to workers, drawn from a seed.

use crate::random::Random;

/// How often each fault strikes, per mille of its occasions. The default is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The same seed and calls give the same faults.
    pub seed: u64,
    /// After a record: up to three offsets stay unused, as Kafka's transaction markers and aborted transactions leave them.
    pub offset_gaps_per_mille: u32,
    /// A commit is answered `Uncertain`; half of them have happened. Its tasks must be assigned anew to commit again.
    pub uncertain_commits_per_mille: u32,
    /// The tasks of a commit are revoked while it is under way. Half of these commits still happen unless the revocation is
    /// acknowledged first; the others are `Fenced`. After the acknowledgement the tasks are assigned again, with a higher
    /// epoch.
    pub revocations_per_mille: u32,
}

impl Faults {
    /// Every fault, often: what a short simulation wants.
    #[must_use]
    pub fn frequent(seed: u64) -> Self {
        Self { seed, offset_gaps_per_mille: 300, uncertain_commits_per_mille: 150, revocations_per_mille: 150 }
    }
}

/// What strikes a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitFault {
    Uncertain {
        applied: bool,
    },
    Revoked {
        /// Another owner is there already, as after a session timeout.
        fenced: bool,
    },
}

/// Draws faults as declared.
pub(super) struct FaultSource {
    faults: Faults,
    random: Random,
}

impl Default for FaultSource {
    fn default() -> Self {
        Self { faults: Faults::default(), random: Random::seeded(0) }
    }
}

impl FaultSource {
    pub(super) fn declare(&mut self, faults: Faults) {
        *self = Self { faults, random: Random::seeded(faults.seed) };
    }

    /// How many offsets stay unused here.
    pub(super) fn offset_gap(&mut self) -> u64 {
        // 3: markers of two commits and one aborted record; enough to tell a gap from an off-by-one.
        if self.random.chance(self.faults.offset_gaps_per_mille) { 1 + self.random.below(3) } else { 0 }
    }

    pub(super) fn commit_fault(&mut self) -> Option<CommitFault> {
        if self.random.chance(self.faults.uncertain_commits_per_mille) {
            return Some(CommitFault::Uncertain { applied: self.random.chance(500) });
        }
        if self.random.chance(self.faults.revocations_per_mille) {
            return Some(CommitFault::Revoked { fenced: self.random.chance(500) });
        }
        None
    }
}
