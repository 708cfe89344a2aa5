//! Switches that break one promise each, so that the fault tests can show they would notice (a test that cannot fail is a
//! defect). They exist only with the cargo feature `sabotage`, which no release has; without it every switch is the constant
//! `false`. The environment variable `RIVERRUN_SABOTAGE` names the promise to break.

#[cfg(feature = "sabotage")]
fn is(switch: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("RIVERRUN_SABOTAGE").unwrap_or_default()) == switch
}

#[cfg(not(feature = "sabotage"))]
const fn is(_switch: &str) -> bool {
    false
}

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
