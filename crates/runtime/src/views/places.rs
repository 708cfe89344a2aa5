//! Where the tasks of a view are: here, or with another instance that can be asked.

use std::collections::BTreeMap;

use riverrun_log::{TaskId, TaskOwner};

use super::{View, ViewError};
use crate::runtime::Runtime;

/// Where tasks of a view are.
#[derive(Debug, Default)]
pub struct Places {
    /// Those that are read here.
    pub here: Vec<TaskId>,
    /// Those of other instances, by the address under which each is reached.
    pub elsewhere: BTreeMap<String, Vec<TaskId>>,
    /// Why one of them cannot be read anywhere now.
    pub missing: Option<ViewError>,
}

impl Runtime {
    /// Where these tasks of a view are. One that is here stays so long enough to be read.
    #[must_use]
    pub fn places(&self, view: &View, tasks: &[TaskId]) -> Places {
        let mut places = Places::default();
        if !self.running.contains_key(&view.stage) {
            // Nobody tells it either who has the tasks.
            places.missing = Some(ViewError::NotHere(view.name.clone()));
            return places;
        }
        let owners = self.log.owners(&view.stage.group(&self.topology.app), tasks);
        for task in tasks {
            let owner = match &owners {
                None => Some(&TaskOwner::Here),
                Some(owners) => owners.get(task),
            };
            let missing = match owner {
                Some(TaskOwner::Here) if view.holds_task(*task) => {
                    places.here.push(*task);
                    continue;
                }
                Some(TaskOwner::Here) => "its pipeline has not started here".to_owned(),
                Some(TaskOwner::Elsewhere { address: Some(address), .. }) => {
                    places.elsewhere.entry(address.clone()).or_default().push(*task);
                    continue;
                }
                Some(TaskOwner::Elsewhere { instance, address: None }) => {
                    format!("the instance {instance}, which has its partition {task}, does not say where it is reached")
                }
                None => format!("no instance has its partition {task} now; it is on its way to another"),
            };
            places.missing = Some(view.is_not_ready(missing));
        }
        places
    }

    /// Whether another process may have tasks of a view.
    #[must_use]
    pub fn shares_tasks(&self, view: &View) -> bool {
        self.log.owners(&view.stage.group(&self.topology.app), &[]).is_some()
    }
}
