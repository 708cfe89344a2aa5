//! Switches that break one promise each, so that the fault tests can show they would notice. They exist only with the cargo feature
//! `sabotage`, which no release has; without it every switch is the constant `false`. The environment variable `RIVERRUN_SABOTAGE` names
//! the promise to break.

use std::time::Duration;

/// How long a sabotaged build waits between what must happen together: a crash falls into it sooner or later.
pub(crate) const WINDOW: Duration = Duration::from_millis(20);

#[cfg(feature = "sabotage")]
fn is(switch: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("RIVERRUN_SABOTAGE").unwrap_or_default()) == switch
}

#[cfg(not(feature = "sabotage"))]
const fn is(_switch: &str) -> bool {
    false
}

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
