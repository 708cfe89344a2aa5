//! The commit: turns what the tasks of a worker decided into one atomic change. The only caller of [`Member::commit`].

use std::time::Instant;

use riverrun_log::{Answer, Commit, CommitError, Committed, Member, TaskCommit};
use tracing::Instrument;

use crate::metrics::Metrics;

/// Commits the tasks' changes; answers when they are durable.
///
/// # Errors
/// [`CommitError`]: the worker's tasks are over and restart from the last committed position; never retried in place.
pub fn commit(
    member: &dyn Member,
    tasks: Vec<TaskCommit>,
    metrics: &Metrics,
) -> Answer<'static, Result<Committed, CommitError>> {
    let commit = Commit { tasks };
    let span = tracing::debug_span!("commit", tasks = commit.tasks.len(), bytes = commit.bytes());
    let (started, metrics) = (Instant::now(), metrics.clone());
    let committing = member.commit(commit).instrument(span);
    Box::pin(async move {
        let committed = committing.await;
        metrics.observe_commit(started.elapsed(), committed.is_ok());
        committed
    })
}
