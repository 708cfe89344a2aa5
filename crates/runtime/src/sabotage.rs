//! The switch the fault tests use to show that they would notice a broken runtime: `frontier-ignored` lets a snapshot see model
//! versions beyond the frontier its commit recorded. Compiled in only with the feature `sabotage`.

/// Whether snapshots ignore the frontier.
#[cfg(feature = "sabotage")]
pub(crate) fn frontier_ignored() -> bool {
    use std::sync::OnceLock;
    static SWITCH: OnceLock<bool> = OnceLock::new();
    *SWITCH.get_or_init(|| std::env::var("RIVERRUN_SABOTAGE").is_ok_and(|name| name == "frontier-ignored"))
}

/// Whether snapshots ignore the frontier: never, in a build without the feature.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn frontier_ignored() -> bool {
    false
}
