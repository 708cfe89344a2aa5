//! Append: from a door's batch to a request in the queue. The permit is tried, never waited for: a door answers 429 instead.

use std::sync::Arc;
use std::time::Duration;

use riverrun_log::{Answer, AppendBatch, AppendError, Logged};
use tokio::sync::oneshot;

use crate::committer::queue::{DoorRequest, Request};
use crate::local::Inner;
use crate::prepare::{self, Prepared};

/// A full queue of doors is four cycles of the committer; after this long it has room on any disk that is not stuck.
const RETRY_AFTER: Duration = Duration::from_millis(250);

impl Inner {
    /// Encodes and queues at once, in the caller's thread, so that calls made one after the other keep their order.
    pub(crate) fn append(log: &Arc<Self>, batch: &AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        let queued = log.enqueue(batch);
        let log = Arc::clone(log);
        Box::pin(async move {
            match queued? {
                None => Ok(Vec::new()),
                Some(answered) => answered.await.unwrap_or_else(|_| Err(AppendError::Failed(log.why_stopped()))),
            }
        })
    }

    /// Shows how much waits; asked after it grew and after it shrank.
    pub(crate) fn observe_queue(&self) {
        self.metrics.door_queue_bytes.set(i64::try_from(self.queue.door_bytes()).unwrap_or(i64::MAX));
    }

    #[expect(clippy::type_complexity, reason = "it is the queue's own answer, or none where there is nothing to do")]
    fn enqueue(
        &self,
        batch: &AppendBatch,
    ) -> Result<Option<oneshot::Receiver<Result<Vec<Logged>, AppendError>>>, AppendError> {
        if batch.records.is_empty() {
            return Ok(None);
        }
        let bytes: usize = batch.records.iter().map(riverrun_log::NewRecord::bytes).sum();
        let wanted = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.door_permit_bytes);
        let permit = Arc::clone(&self.door_permits).try_acquire_many_owned(wanted).map_err(|_| {
            self.metrics.overloaded.inc();
            AppendError::Overloaded { retry_after: RETRY_AFTER }
        })?;
        let prepared = Prepared::new(&self.directory, batch.records.iter())
            .map_err(|unknown| AppendError::UnknownTopic { topic: unknown.topic, partition: unknown.partition })?;
        let identities = if self.deduplicates { prepare::identities(&prepared, &batch.records) } else { Vec::new() };
        let (answer, answered) = oneshot::channel();
        let request = Request::Door(DoorRequest { prepared, identities, bytes, answer, permit });
        self.queue.push(request).map_err(AppendError::Failed)?;
        self.observe_queue();
        Ok(Some(answered))
    }
}
