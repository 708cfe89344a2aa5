//! Who has the tasks of the groups that this process has members in.
//!
//! What is here is not what the group has said last but what members hold themselves, for as long as nobody else can have it: a
//! process that was stopped for a while does not know yet that its tasks have gone to others.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use riverrun_log::{GroupName, TaskId, TaskOwner};

use crate::assign::Owners;
use crate::commit::Owned;

/// How long the group waits for a member that says nothing.
pub(crate) struct Lease {
    length: Duration,
    term: Mutex<Term>,
}

#[derive(Default)]
struct Term {
    /// When the last question was asked that the group has answered.
    renewed: Option<Instant>,
    /// How often the group has gone on without the member, and how often that has cost it its tasks; in between they may be others'.
    losses: u64,
    given_up: u64,
}

impl Lease {
    /// For a member that the group waits for as long as this, whether it is silent or does not join again.
    pub(crate) fn new(length: Duration) -> Self {
        Self { length, term: Mutex::default() }
    }

    fn term(&self) -> MutexGuard<'_, Term> {
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group has answered what was asked then.
    pub(crate) fn renew(&self, asked: Instant) {
        self.term().renewed = Some(asked);
    }

    /// Others may have the member's tasks by now.
    pub(crate) fn lose(&self) {
        self.term().losses += 1;
    }

    /// After a loss: the member has no tasks any more.
    pub(crate) fn give_up(&self) {
        self.term().given_up += 1;
    }

    fn holds(&self, now: Instant) -> bool {
        let term = self.term();
        let is_renewed = term.renewed.is_some_and(|renewed| now.saturating_duration_since(renewed) < self.length);
        is_renewed && term.losses == term.given_up
    }
}

/// The owners of the tasks of all groups.
pub(crate) struct Directory {
    instance: String,
    groups: Mutex<HashMap<GroupName, Group>>,
}

#[derive(Default)]
struct Group {
    /// The newest generation that was told.
    generation: i32,
    owners: Owners,
    members: Vec<Holding>,
}

/// A member of this process.
struct Holding {
    owned: Weak<Mutex<Owned>>,
    lease: Arc<Lease>,
}

impl Directory {
    pub(crate) fn new(instance: String) -> Self {
        Self { instance, groups: Mutex::default() }
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<GroupName, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member of this process joins a group.
    pub(crate) fn enter(&self, group: &GroupName, owned: &Arc<Mutex<Owned>>, lease: &Arc<Lease>) {
        let mut groups = self.groups();
        let members = &mut groups.entry(group.clone()).or_default().members;
        members.retain(|member| member.owned.strong_count() > 0);
        members.push(Holding { owned: Arc::downgrade(owned), lease: Arc::clone(lease) });
    }

    /// A member was told who has which task. Members hear of a generation one after the other.
    pub(crate) fn told(&self, group: &GroupName, generation: i32, owners: Owners) {
        let mut groups = self.groups();
        let known = groups.entry(group.clone()).or_default();
        if generation >= known.generation {
            (known.generation, known.owners) = (generation, owners);
        }
    }

    /// A member has lost its place in the group, which may begin to count anew.
    pub(crate) fn lost(&self, group: &GroupName) {
        self.groups().entry(group.clone()).or_default().generation = 0;
    }

    /// Who has which of these tasks.
    pub(crate) fn of(&self, group: &GroupName, tasks: &[TaskId]) -> BTreeMap<TaskId, TaskOwner> {
        let groups = self.groups();
        let Some(known) = groups.get(group) else { return BTreeMap::new() };
        let elsewhere = |task: &TaskId| {
            let owner = known.owners.get(task).filter(|owner| owner.instance != self.instance)?;
            let (instance, address) = (owner.instance.clone(), owner.address.clone());
            Some((*task, TaskOwner::Elsewhere { instance, address }))
        };
        let mut owners: BTreeMap<TaskId, TaskOwner> = tasks.iter().filter_map(elsewhere).collect();
        let now = Instant::now();
        for member in known.members.iter().filter(|member| member.lease.holds(now)) {
            let Some(owned) = member.owned.upgrade() else { continue };
            let owned = owned.lock().unwrap_or_else(PoisonError::into_inner);
            let here = tasks.iter().filter(|task| owned.tasks.contains_key(task));
            owners.extend(here.map(|task| (*task, TaskOwner::Here)));
        }
        owners
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_secs(10);

    #[test]
    fn a_lease_holds_from_the_question_on_and_not_after_a_loss() {
        let lease = Lease::new(LENGTH);
        let start = Instant::now();
        assert!(!lease.holds(start), "nobody has answered");
        lease.renew(start);
        assert!(lease.holds(start + LENGTH - Duration::from_millis(1)) && !lease.holds(start + LENGTH));
        lease.lose();
        lease.renew(start);
        assert!(!lease.holds(start), "what the member has may be another's");
        lease.lose();
        lease.give_up();
        assert!(!lease.holds(start), "it was lost twice");
        lease.give_up();
        assert!(lease.holds(start));
    }

    #[test]
    fn older_generations_are_passed_over_until_the_group_begins_anew() {
        let directory = Directory::new("one".to_owned());
        let group = GroupName::stored("g");
        let owners = |instance: &str| {
            let owner = crate::assign::Owner { instance: instance.to_owned(), address: None };
            Owners::from([(TaskId(0), owner)])
        };
        let check = |expected: Option<&str>| {
            let found = directory.of(&group, &[TaskId(0), TaskId(1)]);
            let elsewhere = |name: &str| TaskOwner::Elsewhere { instance: name.to_owned(), address: None };
            assert_eq!(found, expected.map(|name| (TaskId(0), elsewhere(name))).into_iter().collect());
        };
        directory.told(&group, 5, owners("two"));
        directory.told(&group, 4, owners("three"));
        check(Some("two"));
        directory.lost(&group);
        directory.told(&group, 1, owners("three"));
        check(Some("three"));
        directory.told(&group, 2, owners("one"));
        check(None);
    }
}
