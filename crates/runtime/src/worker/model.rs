//! The work of a broadcast model: apply its topic's events, publish how far it is.

use std::sync::Arc;

use riverrun_event::{Offset, Partition, TopicName, TopicPartition};
use riverrun_log::{Assigned, Followed, Log, StateRead};
use riverrun_topology::StepError;

use super::stepping::{Found, read_from};
use super::{Gathered, InputDecided, Interruption, Ownership, Work};
use crate::dead_letter::dead_letter;
use crate::metrics::{Counts, Metrics};
use crate::models::{Feed, ModelStore};
use crate::overlay::Overlay;
use crate::progress::Progress;

/// The tasks of a model, one per partition of its topic.
pub(crate) struct Modelling {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) feed: Feed,
    pub(crate) label: String,
    pub(crate) dead_letters: TopicName,
    pub(crate) store: Arc<ModelStore>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) metrics: Metrics,
    /// The states of all partitions, where other processes may own some.
    pub(crate) followed: Vec<(TopicPartition, Followed)>,
}

/// One of them.
pub(crate) struct ModelTask {
    ownership: Ownership,
    input: TopicPartition,
    next: Offset,
    state: Overlay,
    counts: Counts,
}

impl Work for Modelling {
    type Task = ModelTask;
    type Decided = InputDecided;

    fn label(&self) -> &str {
        &self.label
    }

    fn open(&self, assigned: Assigned) -> Result<ModelTask, Interruption> {
        let input = TopicPartition::new(self.feed.model().from.clone(), Partition(assigned.task.0));
        let next = assigned.positions.get(&input).copied().unwrap_or_default();
        let state: Arc<dyn StateRead> = assigned.state;
        self.store.publish(&self.feed.model().name, input.partition, Arc::clone(&state), next);
        let ownership = Ownership { task: assigned.task, epoch: assigned.epoch };
        Ok(ModelTask { ownership, input, next, state: Overlay::new(state), counts: Counts::default() })
    }

    fn look_around(&self) {
        for (input, followed) in &self.followed {
            let next = followed.positions.borrow().get(input).copied().unwrap_or_default();
            self.store.advance(&self.feed.model().name, input.partition, next);
        }
    }

    async fn gather(&self, task: &mut ModelTask) -> Result<Gathered<InputDecided>, Interruption> {
        let bytes_max = self.log.commit_interval().bytes;
        let Found { records, next, is_full } = read_from(self.log.as_ref(), &task.input, task.next, bytes_max)?;
        if next == task.next {
            return Ok(Gathered::default());
        }
        // Offsets without records are committed too, so that whoever looks at the group sees no lag.
        let mut commit = riverrun_log::TaskCommit::new(task.ownership.task, task.ownership.epoch);
        task.next = next;
        for record in &records {
            task.counts.received += 1;
            match self.feed.apply(record, &mut task.state) {
                Ok(()) => task.state.keep(),
                Err(StepError::Fatal(reason)) => return Err(Interruption::Restart(reason)),
                Err(error @ StepError::Waits(_)) => return Err(Interruption::Restart(error.to_string())),
                Err(StepError::Event(error)) => {
                    task.state.undo();
                    task.counts.dead_letters += 1;
                    tracing::warn!(model = %self.feed.model().name, position = %record.position, %error, "an event became a dead letter");
                    commit.records.push(dead_letter(
                        &self.dead_letters,
                        Partition(task.ownership.task.0),
                        &self.label,
                        record,
                        &error,
                    ));
                }
            }
        }
        commit.positions.push((task.input.clone(), task.next));
        let changes = task.state.take_changes();
        commit.state = changes.rows;
        let decided =
            InputDecided { commit: changes.commit, counts: std::mem::take(&mut task.counts), next: task.next };
        Ok(Gathered { commit: Some((commit, decided)), is_full, ..Gathered::default() })
    }

    fn committed(&self, task: &mut ModelTask, InputDecided { commit, counts, next }: InputDecided) {
        task.state.settle(commit);
        self.metrics.count(&self.label, counts);
        self.store.advance(&self.feed.model().name, task.input.partition, next);
        self.progress.update(task.ownership.task, counts, |progress| {
            progress.positions.insert(task.input.clone(), next);
        });
    }
}
