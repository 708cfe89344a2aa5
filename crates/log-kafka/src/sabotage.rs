//! Switches that break one promise each; see `riverrun_log::sabotage`.

use std::time::Duration;

use riverrun_log::sabotage::is;

/// How long a sabotaged build waits between what must happen together: a crash falls into it sooner or later.
pub(crate) const WINDOW: Duration = Duration::from_millis(20);

/// Positions are committed in a transaction of their own after the outputs: a crash in between doubles outputs.
pub(crate) fn positions_apart() -> bool {
    is("kafka-positions-apart")
}

/// Commits do not say in which generation of the group they are made: who was out of it for a while writes on.
pub(crate) fn generation_ignored() -> bool {
    is("kafka-generation-ignored")
}

/// Readers take what no transaction has committed: outputs of commits that were given up are doubled.
pub(crate) fn reads_uncommitted() -> bool {
    is("kafka-reads-uncommitted")
}
