//! Views: the keyed state of steps, read by others. A view is the rows of one step in all tasks of its stage; it is read as it
//! was at the last commit of each task, and never between two of them.
//!
//! [`query`] reads rows in the order of their keys, [`fresh`] waits until a view holds what came of a position, and what a
//! commit changes is told to those who follow.

mod fresh;
mod query;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use riverrun_event::{OperatorName, ViewName};
use riverrun_log::{ReadError, StateChange, StateError, StateRead, TaskId};
use riverrun_topology::rows::split;
use riverrun_topology::view::ViewRow;
use riverrun_topology::{Operator, StepError, Topology};
use tokio::sync::broadcast;

use crate::stage_name::StageName;

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
    tasks: Vec<RwLock<Option<Arc<dyn StateRead>>>>,
    changes: broadcast::Sender<ViewChange>,
}

/// A row that a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewChange {
    /// The key.
    pub key: Vec<u8>,
    /// The row as it is now; `None` when it is gone.
    pub row: Option<ViewRow>,
}

/// Why a view could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// Its tasks have not started yet, or do not run here.
    #[error("the view {0} is not ready: its pipeline has not started here")]
    NotReady(ViewName),
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
    pub(crate) fn publish(&self, task: TaskId, state: &Arc<dyn StateRead>) {
        let held = usize::try_from(task.0).ok().and_then(|task| self.tasks.get(task));
        if let Some(held) = held {
            *held.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(state));
        }
    }

    /// What a commit changes in this view; nothing when nobody follows it.
    pub(crate) fn changed(&self, changes: &[StateChange]) -> Vec<ViewChange> {
        if self.changes.receiver_count() == 0 {
            return Vec::new();
        }
        let own = changes.iter().filter(|change| change.operator == self.operator);
        own.filter_map(|change| self.change(&change.key, change.value.as_ref())).collect()
    }

    fn change(&self, row_key: &Bytes, value: Option<&Bytes>) -> Option<ViewChange> {
        let Some(value) = value else {
            let (key, _) = split(row_key)?;
            return Some(ViewChange { key, row: None });
        };
        match self.reading.view_row(row_key, value) {
            Ok(row) => row.map(|row| ViewChange { key: row.key.clone(), row: Some(row) }),
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
            let _told = self.changes.send(change);
        }
    }

    /// The changes from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<ViewChange> {
        self.changes.subscribe()
    }

    /// How many tasks hold its rows.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    fn task(&self, task: usize) -> Result<Arc<dyn StateRead>, ViewError> {
        let held = self.tasks.get(task).ok_or_else(|| ViewError::NotReady(self.name.clone()))?;
        let state = held.read().unwrap_or_else(PoisonError::into_inner).clone();
        state.ok_or_else(|| ViewError::NotReady(self.name.clone()))
    }
}
