//! Static: each instance has its partitions by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::round_robin::deal_in_turn;
use super::{Assignor, AssignorError, Deal, GroupMember, Round};
use crate::commit::TaskId;

/// Gives each instance the tasks that are written down for it; all others are dealt round robin.
///
/// When an instance goes, nothing moves: its tasks wait for it. Once it has been away for the declared time they are dealt round robin, and
/// when it returns it gets them back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    tasks: BTreeMap<String, BTreeSet<TaskId>>,
    reassign_after: Option<Duration>,
}

/// Tasks cannot be fixed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("partition {task} is given to both {first} and {second}")]
pub struct FixedError {
    /// The task.
    pub task: TaskId,
    /// Who has it.
    pub first: String,
    /// Who has it, too.
    pub second: String,
}

impl Fixed {
    /// The tasks of each instance, by its name, and how long those of one that has gone wait for it: for ever without it.
    ///
    /// # Errors
    /// [`FixedError`] when two instances have the same task.
    pub fn new(
        tasks: BTreeMap<String, BTreeSet<TaskId>>,
        reassign_after: Option<Duration>,
    ) -> Result<Self, FixedError> {
        let mut owners: BTreeMap<TaskId, &str> = BTreeMap::new();
        for (instance, own) in &tasks {
            for task in own {
                if let Some(first) = owners.insert(*task, instance) {
                    return Err(FixedError { task: *task, first: first.to_owned(), second: instance.clone() });
                }
            }
        }
        Ok(Self { tasks, reassign_after })
    }

    /// How much longer the tasks of an instance wait for it; `None` for ever.
    fn waits(&self, round: &Round, instance: &str) -> Option<Duration> {
        // One that the leader has never seen has been away for at least as long as it leads.
        let away = round.gone.get(instance).copied().unwrap_or(round.leading);
        self.reassign_after.map(|after| after.saturating_sub(away))
    }

    fn absent<'a>(&'a self, round: &'a Round) -> impl Iterator<Item = (&'a String, &'a BTreeSet<TaskId>)> {
        self.tasks.iter().filter(|(instance, _)| !round.has_instance(instance))
    }
}

impl Assignor for Fixed {
    fn assign(&self, round: &Round) -> Result<Deal, AssignorError> {
        let mut deal = Deal::default();
        // The map is for groups of any size.
        let mut free: BTreeSet<TaskId> = round.tasks.iter().copied().collect();
        for (instance, own) in &self.tasks {
            let own: Vec<TaskId> = own.iter().copied().filter(|task| free.contains(task)).collect();
            let seats: Vec<&GroupMember> =
                round.members.iter().filter(|member| member.name.instance == *instance).collect();
            if seats.is_empty() && self.waits(round, instance).is_some_and(|left| left.is_zero()) {
                continue;
            }
            deal_in_turn(&seats, &own, &mut deal);
            free.retain(|task| !own.contains(task));
        }
        let members: Vec<&GroupMember> = round.members.iter().collect();
        deal_in_turn(&members, &free.into_iter().collect::<Vec<_>>(), &mut deal);
        Ok(deal)
    }

    fn again_after(&self, round: &Round) -> Option<Duration> {
        let waits = self.absent(round).filter_map(|(instance, _)| self.waits(round, instance));
        waits.filter(|left| !left.is_zero()).min()
    }
}
