//! Switches that break one promise each; see `riverrun_log::sabotage`.

use riverrun_log::sabotage::is;

/// Nothing is synced: a power cut loses what was acknowledged.
pub(crate) fn no_sync() -> bool {
    is("no-sync")
}

/// Positions are committed in a batch of their own before the outputs: a crash in between loses outputs.
pub(crate) fn positions_first() -> bool {
    is("positions-first")
}

/// Identities are remembered by the process only: after a restart repetitions are stored again.
pub(crate) fn deduplication_in_memory_only() -> bool {
    is("dedup-memory-only")
}

/// Senders are answered before their events are written: a crash loses what was acknowledged.
pub(crate) fn acknowledge_before_append() -> bool {
    is("ack-before-append")
}
