//! When there is nothing left to do: every pipeline and model has processed everything that is durable, and no replay runs.

use std::time::{Duration, Instant};

use riverrun_log::ReadError;

use super::Parts;

/// Whether nothing waits right now.
///
/// # Errors
/// [`ReadError`] when the ends of the topics cannot be read.
pub(super) fn is_idle(parts: &Parts) -> Result<bool, ReadError> {
    // What is looked at early may get work from what is looked at late; then the log has moved meanwhile.
    let mut moved = parts.log.moved();
    moved.borrow_and_update();
    let models = parts.runtime.models()?;
    let pipelines = parts.runtime.pipelines()?;
    let doors = parts.runtime.doors()?;
    let nothing_waits = models.iter().all(|model| model.next == model.end)
        && doors.iter().all(|door| door.waiting.iter().all(|events| *events == 0))
        && pipelines.iter().all(riverrun_runtime::PipelineStatus::is_idle)
        && parts.relay.as_ref().is_none_or(|relay| relay.get().idle)
        && !parts.runtime.is_replaying();
    Ok(nothing_waits && !moved.has_changed().unwrap_or(false))
}

/// Resolves when nothing waited and nothing came in for this long.
pub(super) async fn idle_for(parts: &Parts, duration: Duration) {
    let mut moved = parts.log.moved();
    let mut idle_since = Instant::now();
    // Short against any sensible duration, long against a look at the status.
    let mut look = tokio::time::interval(Duration::from_millis(20));
    loop {
        look.tick().await;
        let came_in = moved.has_changed().unwrap_or(false);
        if came_in {
            moved.borrow_and_update();
        }
        if came_in || !is_idle(parts).unwrap_or(false) {
            idle_since = Instant::now();
        } else if idle_since.elapsed() >= duration {
            return;
        }
    }
}
