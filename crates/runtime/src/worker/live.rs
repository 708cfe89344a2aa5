//! The live work of a pipeline: read what is new, wait a bounded while for models that are behind, step, commit with an order
//! record.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{ModelName, Offset, Time, TopicPartition};
use riverrun_log::{Assigned, InputRange, Log, Order, StateChange, TaskCommit};
use riverrun_topology::Topology;
use riverrun_topology::operators::lookup::Question;
use tokio::sync::watch;

use super::interleaving::{Waiting, in_order_of_time};
use super::stepping::{Stepped, Stepping, SteppingTask, read_from};
use super::timing::Advanced;
use super::{Gathered, Interruption, Ownership, Work};
use crate::clock::WallClock;
use crate::metrics::{Counts, Metrics};
use crate::models::{Frontier, ModelStore};
use crate::peeks::{PeekLog, Peeks};
use crate::progress::Progress;
use crate::views::{View, ViewChange};

/// How long a commit waits for models that are behind what was durable when its input was read. An update acknowledged before
/// an event was sent is thereby seen by it, unless the model's task is stuck.
const MODEL_WAIT: Duration = Duration::from_millis(500);

/// The tasks of a running pipeline.
pub(crate) struct Live {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) stepping: Stepping,
    pub(crate) models: Arc<ModelStore>,
    /// How far the models must be before the first event: their ends when the runtime started.
    pub(crate) models_at_start: Frontier,
    /// The tasks that keep those models; without one of them snapshots would silently grow old.
    pub(crate) model_tasks: Vec<(ModelName, Arc<Progress>)>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) peek_log: PeekLog,
    pub(crate) metrics: Metrics,
    pub(crate) clock: WallClock,
    /// The views of its steps.
    pub(crate) views: Vec<Arc<View>>,
    /// What metrics and log lines call it.
    pub(crate) label: String,
    pub(crate) shutdown: watch::Receiver<bool>,
}

impl Work for Live {
    type Task = SteppingTask;
    type Decided = LiveDecided;

    fn label(&self) -> &str {
        &self.label
    }

    fn open(&self, assigned: Assigned) -> Result<SteppingTask, Interruption> {
        self.views.iter().for_each(|view| view.publish(assigned.task, assigned.epoch, &assigned.state));
        self.stepping.open(assigned)
    }

    fn closed(&self, task: SteppingTask) {
        let Ownership { task, epoch } = task.ownership;
        self.views.iter().for_each(|view| view.withdraw(task, epoch));
    }

    async fn gather(&self, task: &mut SteppingTask) -> Result<Gathered<LiveDecided>, Interruption> {
        let Read { waiting, passed_over, mut is_full } = self.read(task)?;
        let waiting = in_order_of_time(waiting);
        let tick = if waiting.is_empty() { self.due_tick(task)? } else { None };
        if waiting.is_empty() && tick.is_none() {
            // Offsets without records at the end are committed too, so that whoever looks at the group sees no lag.
            let commit = match passed_over {
                true => Some((task.positions_only(), self.decided(task, &[], None))),
                false => None,
            };
            return Ok(Gathered { commit, ..Gathered::default() });
        }
        if !self.models_are_ready().await? {
            return Ok(Gathered::default());
        }
        let frontier = self.stepping.frontier();
        let mut commit = task.commit();
        let mut order = Order { tick, frontiers: frontier.to_record(), ..Order::default() };
        let mut stop = None;
        if let Some(now) = tick {
            match self.stepping.tick(task, now, Some(&frontier), &mut commit)? {
                Advanced::All => {}
                Advanced::Paused => is_full = true,
                Advanced::Waits(timer, question) => self.ask(task, &timer, question),
                Advanced::Stopped(reason) => stop = Some(reason),
            }
        }
        if self.stepping.looks_up() {
            self.look_ahead(task, &waiting, &frontier)?;
        }
        for Waiting { input, from, mut to, records } in waiting {
            let stepped = self.stepping.step_all(task, &records, Some(&frontier), &mut commit)?;
            let is_paused = matches!(stepped, Stepped::PausedAt(_) | Stepped::WaitsAt(..));
            match stepped {
                Stepped::All => {}
                Stepped::PausedAt(offset) => (to, is_full) = (offset, true),
                Stepped::WaitsAt(offset, cause, question) => {
                    self.ask(task, &cause, question);
                    to = offset;
                }
                Stepped::StoppedAt(offset, reason) => (to, stop) = (offset, Some(reason)),
            }
            task.positions.insert(input.clone(), to);
            commit.positions.retain(|(moved, _)| *moved != input);
            commit.positions.push((input.clone(), to));
            if from < to {
                order.ranges.push(InputRange { input, from, to });
            }
            if stop.is_some() || is_paused {
                break;
            }
        }
        Ok(Gathered { commit: self.finish(task, commit, order), is_full, stop, finished: false })
    }

    fn wakes_at(&self, task: &mut SteppingTask) -> Option<Time> {
        // A state that cannot be read is found by the next look for work.
        if self.stepping.keeps_time { task.wakes_at().unwrap_or_default() } else { None }
    }

    fn wakes(&self) -> Option<watch::Receiver<u64>> {
        self.stepping.looks_up().then(|| self.stepping.answered.subscribe())
    }

    fn committed(&self, task: &mut SteppingTask, decided: LiveDecided) {
        let LiveDecided { commit, counts, peeks, view_changes, positions, last_accepted, wakes_at } = decided;
        if let Some(commit) = commit {
            task.state.get_mut().settle(commit);
        }
        self.views.iter().zip(view_changes).for_each(|(view, changes)| view.tell(changes));
        self.peek_log.write(self.label(), peeks);
        self.metrics.count(self.label(), counts);
        self.progress.update(task.ownership.task, counts, |progress| {
            (progress.positions, progress.last_accepted, progress.wakes_at) = (positions, last_accepted, wakes_at);
        });
    }
}

/// What a task has decided beside its change.
pub(crate) struct LiveDecided {
    /// Which commit of its overlay it is.
    commit: Option<u64>,
    counts: Counts,
    peeks: Peeks,
    /// What it changes in the views, in their order.
    view_changes: Vec<Vec<ViewChange>>,
    positions: BTreeMap<TopicPartition, Offset>,
    last_accepted: Option<Time>,
    wakes_at: Option<Time>,
}

/// What waits for a task.
struct Read {
    waiting: Vec<Waiting>,
    /// Whether offsets without records were passed over.
    passed_over: bool,
    /// Whether an input holds more than belongs into one commit.
    is_full: bool,
}

impl Live {
    /// Nothing to commit when the very first event stopped the pipeline.
    fn finish(
        &self,
        task: &mut SteppingTask,
        mut commit: TaskCommit,
        mut order: Order,
    ) -> Option<(TaskCommit, LiveDecided)> {
        let changes = task.take_changes();
        if order.ranges.is_empty() && commit.records.is_empty() && changes.rows.is_empty() {
            return None;
        }
        order.answers = task.calls.take_used();
        if self.stepping.looks_up() {
            Self::forget_calls(task);
        }
        let decided = self.decided(task, &changes.rows, Some(changes.commit));
        (commit.state, commit.order) = (changes.rows, Some(order));
        Some((commit, decided))
    }

    fn decided(&self, task: &mut SteppingTask, rows: &[StateChange], commit: Option<u64>) -> LiveDecided {
        LiveDecided {
            commit,
            counts: task.take_counts(),
            peeks: task.take_peeks(),
            view_changes: self.views.iter().map(|view| view.changed(task.ownership.task, rows)).collect(),
            positions: task.positions.clone(),
            last_accepted: task.last_accepted,
            wakes_at: Work::wakes_at(self, task),
        }
    }

    fn read(&self, task: &mut SteppingTask) -> Result<Read, Interruption> {
        let bytes_max = self.log.commit_interval().bytes;
        let mut read = Read { waiting: Vec::new(), passed_over: false, is_full: false };
        // Models that live here are read last, and come first among what is of the same time: what was durable before an event
        // is then known to it.
        let mut positions: Vec<_> = task.positions.iter_mut().collect();
        positions.sort_by_key(|(input, _)| self.stepping.only_feeds(&input.topic));
        for (input, next) in positions {
            let found = read_from(self.log.as_ref(), input, *next, bytes_max)?;
            read.is_full |= found.is_full;
            if let Some(first) = found.records.first() {
                let (from, to) = (first.position.offset, found.next);
                read.waiting.push(Waiting { input: input.clone(), from, to, records: found.records });
            } else if found.next > *next {
                *next = found.next;
                read.passed_over = true;
            }
        }
        read.waiting.sort_by_key(|waiting| !self.stepping.only_feeds(&waiting.input.topic));
        Ok(read)
    }

    /// Asks for the records that wait, as far ahead as calls may be made; takes over what was answered.
    fn look_ahead(
        &self,
        task: &mut SteppingTask,
        waiting: &[Waiting],
        frontier: &Frontier,
    ) -> Result<(), Interruption> {
        task.calls.collect();
        task.cache.begin(frontier);
        for record in waiting.iter().flat_map(|waiting| &waiting.records) {
            let cause = record.position.to_string();
            match task.looked_at.get(&record.position) {
                Some(None) => continue,
                Some(Some(question)) if !task.calls.is_answered(&cause, question) => continue,
                _ => {}
            }
            let question = self.stepping.probe(task, record, Some(frontier))?;
            if let Some(question) = &question
                && let Some(calling) = self.stepping.calling(&question.operator)
                && !task.calls.ask(&cause, question.clone(), calling)
            {
                break;
            }
            task.looked_at.insert(record.position.clone(), question);
        }
        Ok(())
    }

    /// Sees to it that a question is under way that an event waits for.
    fn ask(&self, task: &mut SteppingTask, cause: &str, question: Question) {
        if let Some(calling) = self.stepping.calling(&question.operator) {
            // Where too many are under way, it is asked when one of them has come back.
            let _asked = task.calls.ask(cause, question, calling);
        }
    }

    /// Forgets the calls of the events that are behind the task.
    fn forget_calls(task: &mut SteppingTask) {
        let positions = &task.positions;
        let mut behind = HashSet::new();
        task.looked_at.retain(|position, _| {
            let input = TopicPartition::new(position.topic.clone(), position.partition);
            let waits = positions.get(&input).is_none_or(|next| position.offset >= *next);
            if !waits {
                behind.insert(position.to_string());
            }
            waits
        });
        task.calls.forget(&behind);
    }

    /// What the wall clock says, where a timer of its is due.
    fn due_tick(&self, task: &mut SteppingTask) -> Result<Option<Time>, Interruption> {
        if !self.stepping.keeps_time {
            return Ok(None);
        }
        let now = self.clock.now();
        Ok(task.wakes_at()?.filter(|due| *due <= now).map(|_| now))
    }

    /// Waits until the models are as far as they were at start (for as long as it takes), then a bounded while until they are
    /// as far as is durable now. False when the runtime shuts down meanwhile.
    async fn models_are_ready(&self) -> Result<bool, Interruption> {
        let mut shutdown = self.shutdown.clone();
        if !self.models.has_reached(&self.models_at_start) {
            tokio::select! {
                () = self.models.reached(&self.models_at_start) => {}
                reason = self.model_stopped() => return Err(Interruption::Stop(reason)),
                _ = shutdown.wait_for(|stop| *stop) => return Ok(false),
            }
        }
        if let Some(reason) = self.stopped_model() {
            return Err(Interruption::Stop(reason));
        }
        let ends = model_ends(self.log.as_ref(), &self.topology, self.stepping.broadcast_models())?;
        if !self.models.has_reached(&ends)
            && tokio::time::timeout(MODEL_WAIT, self.models.reached(&ends)).await.is_err()
        {
            tracing::warn!(
                pipeline = self.label(),
                "models are behind; their newest updates are not in these snapshots"
            );
        }
        Ok(true)
    }

    fn stopped_model(&self) -> Option<String> {
        self.model_tasks.iter().find_map(|(model, progress)| {
            progress.stopped().borrow().as_ref().map(|reason| format!("model {model} stopped: {reason}"))
        })
    }

    /// Resolves when a model has stopped; that is rare and final, so looking now and then is enough.
    async fn model_stopped(&self) -> String {
        loop {
            if let Some(reason) = self.stopped_model() {
                return reason;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The durable ends of the topics that feed `models`.
pub(crate) fn model_ends<'a>(
    log: &dyn Log,
    topology: &Topology,
    models: impl Iterator<Item = &'a ModelName>,
) -> Result<Frontier, Interruption> {
    let mut ends = Frontier::default();
    for model in models.filter_map(|name| topology.models.get(name)) {
        let of_model = log.ends(&model.from).map_err(|error| Interruption::Restart(error.to_string()))?;
        ends.0.insert(model.name.clone(), of_model);
    }
    Ok(ends)
}
