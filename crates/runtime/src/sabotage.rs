//! The switch that breaks a promise of the runtime; see `riverrun_log::sabotage`.

use riverrun_log::sabotage::is;

/// Snapshots see model versions beyond the frontier that their commit recorded.
pub(crate) fn frontier_ignored() -> bool {
    is("frontier-ignored")
}
