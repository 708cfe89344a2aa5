//! Views: the keyed state of steps, read by others. A view is the rows of one step in all tasks of its stage; it is read as it
//! was at the last commit of each task, and never between two of them.
//!
//! [`query`] reads rows in the order of their keys, [`fresh`] waits until a view holds what came of a position, and what a
//! commit changes is told to those who follow. Where a log is shared by several processes, [`places`] says who has which tasks.

mod fresh;
mod places;
mod query;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use riverrun_event::{OperatorName, ViewName};
use riverrun_log::{Epoch, ReadError, StateChange, StateError, StateRead, TaskId};
use riverrun_topology::rows::split;
use riverrun_topology::view::ViewRow;
use riverrun_topology::{Operator, StepError, Topology};
use tokio::sync::broadcast;

use crate::stage_name::StageName;

pub use places::Places;
pub use query::{Keys, ViewEntry, ViewPage, ViewQuery};

/// Changes a follower may be behind before it is told that it has missed some.
const CHANGES_MAX: usize = 4_096;

/// All views of an app.
pub struct Views {
    views: BTreeMap<ViewName, Arc<View>>,
}

/// One view.
pub struct View {
    /// Its name.
    pub name: ViewName,
    /// The stage its step runs in.
    pub stage: StageName,
    /// The step whose state it is.
    pub operator: OperatorName,
    reading: Operator,
    /// Whether a key's rows are in the task that its partitioner names.
    placed_by_key: bool,
    tasks: Vec<RwLock<Option<Published>>>,
    changes: broadcast::Sender<ViewEvent>,
}

/// The state of a task that is here, and since which of its openings.
type Published = (Epoch, Arc<dyn StateRead>);

/// What those who follow a view are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViewEvent {
    /// A commit has changed a row.
    Changed(ViewChange),
    /// The task is over here: another worker has it next, or another process.
    Moved(TaskId),
}

/// A row that a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewChange {
    /// The task that holds it.
    pub task: TaskId,
    /// The key.
    pub key: Vec<u8>,
    /// The row as it is now; `None` when it is gone.
    pub row: Option<ViewRow>,
}

/// Why a view could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Some of its tasks have not started yet, do not run here or are on their way.
    #[error("the view {view} is not ready: {reason}")]
    NotReady {
        /// The view.
        view: ViewName,
        /// What is missing.
        reason: String,
    },
    /// Its pipeline does not run in this process.
    #[error("the view {0} is not ready: its pipeline does not run here")]
    NotHere(ViewName),
    /// It does not hold yet what was asked for.
    #[error("the view {view} has not come to {position} in time; it would answer without it")]
    Behind {
        /// The view.
        view: ViewName,
        /// What was asked for.
        position: String,
    },
    /// The position is of a topic that the view is not made from.
    #[error("the view {view} is not made from {position}; its pipeline reads {inputs}")]
    NotAnInput {
        /// The view.
        view: ViewName,
        /// What was asked for.
        position: String,
        /// What it is made from.
        inputs: String,
    },
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// A row cannot be read.
    #[error(transparent)]
    Row(#[from] StepError),
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Views {
    /// The views of a topology, with nothing to read yet.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let mut views = BTreeMap::new();
        for pipeline in topology.pipelines.values() {
            let stages = topology.stages(pipeline);
            for step in pipeline.all_steps() {
                let Some(name) = step.operator.view() else { continue };
                // The check of the topology has found that a keyed step belongs to one stage.
                let Some(stage) = stages.iter().find(|stage| stage.steps.contains(&step.name)) else { continue };
                let view = View {
                    name: name.clone(),
                    stage: StageName { pipeline: pipeline.name.clone(), behind: stage.behind.clone() },
                    operator: step.name.clone(),
                    reading: step.operator.clone(),
                    placed_by_key: topology.is_placed_by_key(pipeline, stage),
                    tasks: (0..stage.tasks).map(|_| RwLock::default()).collect(),
                    changes: broadcast::Sender::new(CHANGES_MAX),
                };
                views.insert(name.clone(), Arc::new(view));
            }
        }
        Self { views }
    }

    /// The view of this name.
    #[must_use]
    pub fn get(&self, name: &ViewName) -> Option<&Arc<View>> {
        self.views.get(name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<View>> {
        self.views.values()
    }

    /// Those of a stage.
    pub(crate) fn of_stage(&self, stage: &StageName) -> Vec<Arc<View>> {
        self.views.values().filter(|view| view.stage == *stage).cloned().collect()
    }
}

impl View {
    /// A task opens: its committed state can be read from now on.
    pub(crate) fn publish(&self, task: TaskId, epoch: Epoch, state: &Arc<dyn StateRead>) {
        if let Some(held) = self.held(task) {
            *held.write().unwrap_or_else(PoisonError::into_inner) = Some((epoch, Arc::clone(state)));
        }
    }

    /// A task is over here. It may have been opened again meanwhile.
    pub(crate) fn withdraw(&self, task: TaskId, epoch: Epoch) {
        if let Some(held) = self.held(task) {
            let mut held = held.write().unwrap_or_else(PoisonError::into_inner);
            held.take_if(|(published, _)| *published == epoch);
        }
        // Nobody follows any more.
        let _told = self.changes.send(ViewEvent::Moved(task));
    }

    fn held(&self, task: TaskId) -> Option<&RwLock<Option<Published>>> {
        usize::try_from(task.0).ok().and_then(|task| self.tasks.get(task))
    }

    /// What a commit of a task changes in this view; nothing when nobody follows it.
    pub(crate) fn changed(&self, task: TaskId, changes: &[StateChange]) -> Vec<ViewChange> {
        if self.changes.receiver_count() == 0 {
            return Vec::new();
        }
        let own = changes.iter().filter(|change| change.operator == self.operator);
        own.filter_map(|change| self.change(task, &change.key, change.value.as_ref())).collect()
    }

    fn change(&self, task: TaskId, row_key: &Bytes, value: Option<&Bytes>) -> Option<ViewChange> {
        let Some(value) = value else {
            let (key, _) = split(row_key)?;
            return Some(ViewChange { task, key, row: None });
        };
        match self.reading.view_row(row_key, value) {
            Ok(row) => row.map(|row| ViewChange { task, key: row.key.clone(), row: Some(row) }),
            Err(error) => {
                tracing::error!(view = %self.name, %error, "a changed row cannot be shown");
                None
            }
        }
    }

    /// The changes are durable.
    pub(crate) fn tell(&self, changes: Vec<ViewChange>) {
        for change in changes {
            // Nobody follows any more.
            let _told = self.changes.send(ViewEvent::Changed(change));
        }
    }

    /// The changes from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<ViewEvent> {
        self.changes.subscribe()
    }

    /// How many tasks hold its rows.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// All tasks that hold its rows.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskId> {
        (0..).map(TaskId).take(self.tasks.len()).collect()
    }

    /// Whether the state of a task can be read here.
    pub(crate) fn holds_task(&self, task: TaskId) -> bool {
        self.task(task).is_ok()
    }

    fn task(&self, task: TaskId) -> Result<Arc<dyn StateRead>, ViewError> {
        let held = self.held(task).map(|held| held.read().unwrap_or_else(PoisonError::into_inner));
        let state = held.and_then(|held| held.as_ref().map(|(_, state)| Arc::clone(state)));
        state.ok_or_else(|| self.is_not_ready(format!("its partition {task} has not started here")))
    }

    fn is_not_ready(&self, reason: String) -> ViewError {
        ViewError::NotReady { view: self.name.clone(), reason }
    }
}
