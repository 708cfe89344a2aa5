//! Which promise a sabotaged build breaks, so that the fault tests can show they would notice (a test that cannot fail is a defect). The
//! switches stand where the promises are kept. They exist only with the cargo feature `sabotage`, which no release has; without it every
//! switch is the constant `false`.

/// Whether the environment variable `RIVERRUN_SABOTAGE` names this switch.
#[cfg(feature = "sabotage")]
#[must_use]
pub fn is(switch: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("RIVERRUN_SABOTAGE").unwrap_or_default()) == switch
}

/// Never, in a build without the feature.
#[cfg(not(feature = "sabotage"))]
#[must_use]
pub const fn is(_switch: &str) -> bool {
    false
}
