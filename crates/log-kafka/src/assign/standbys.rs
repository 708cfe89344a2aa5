//! Which instances keep a copy of a task's state while another owns the task.
//!
//! Nobody decides it: every member works it out from what all are told, and all come to the same. Each task has an order of the instances
//! of its own, and the first ones that do not own it keep the copies. So copies stay where they are when other instances come and go, and
//! those of the tasks of one instance are spread over all others.

use std::collections::BTreeSet;

use riverrun_event::partitioner::partition_of_key;
use riverrun_log::TaskId;

use super::Share;

/// Much more than there are instances, so that two hardly ever have the same place.
const PLACES: u32 = 1 << 30;

/// The tasks that an instance keeps copies of. One that waits for its next owner goes on to be copied by whoever `held` it so far.
pub(crate) fn copies(instance: &str, share: &Share, standbys: u32, held: &BTreeSet<TaskId>) -> BTreeSet<TaskId> {
    let standbys = usize::try_from(standbys).unwrap_or(usize::MAX);
    let waits = held.iter().filter(|task| !share.owners.contains_key(task) && !share.tasks.contains(task));
    let owned = share.owners.iter().filter(|(task, owner)| {
        let mut others: Vec<&String> = share.instances.iter().filter(|other| **other != owner.instance).collect();
        others.sort_by_cached_key(|other| (place(other, **task), (*other).clone()));
        others.into_iter().take(standbys).any(|standby| standby == instance)
    });
    owned.map(|(task, _)| task).chain(waits).copied().collect()
}

/// An instance's place in the order of a task.
fn place(instance: &str, task: TaskId) -> u32 {
    partition_of_key(format!("{instance}/{task}").as_bytes(), PLACES).0
}

#[cfg(test)]
mod tests {
    use super::super::{Owner, Owners};
    use super::*;

    const TASKS: u32 = 12;

    /// The tasks are dealt to these instances in turn.
    fn share(instances: &[&str]) -> Share {
        let owner = |task: u32| {
            let instance = instances[task as usize % instances.len()].to_owned();
            (TaskId(task), Owner { instance, address: None })
        };
        let owners: Owners = (0..TASKS).map(owner).collect();
        Share { owners, instances: instances.iter().map(|name| (*name).to_owned()).collect(), ..Share::default() }
    }

    fn copies_of(share: &Share, standbys: u32) -> Vec<(String, BTreeSet<TaskId>)> {
        let of = |instance: &String| (instance.clone(), copies(instance, share, standbys, &BTreeSet::new()));
        share.instances.iter().map(of).collect()
    }

    #[test]
    fn each_task_has_as_many_copies_as_are_wanted_and_none_at_its_owner() {
        for (standbys, expected) in [(0, 0), (1, 1), (2, 2), (9, 3)] {
            let share = share(&["a", "b", "c", "d"]);
            let all = copies_of(&share, standbys);
            for (task, owner) in &share.owners {
                let keep: Vec<&String> =
                    all.iter().filter(|(_, own)| own.contains(task)).map(|(name, _)| name).collect();
                assert_eq!(keep.len(), expected, "{task}");
                assert!(!keep.contains(&&owner.instance), "{task}");
            }
        }
        let alone = share(&["a"]);
        assert!(copies_of(&alone, 2).iter().all(|(_, own)| own.is_empty()));
    }

    #[test]
    fn copies_stay_when_an_instance_without_them_goes() {
        let before = share(&["a", "b", "c", "d"]);
        let mut after = before.clone();
        after.instances.remove("d");
        for (name, own) in copies_of(&after, 1) {
            let (_, had) = copies_of(&before, 1).into_iter().find(|(known, _)| *known == name).unwrap();
            assert!(had.is_subset(&own), "{name} had {had:?} and has {own:?}");
        }
    }

    #[test]
    fn a_task_between_two_owners_is_copied_by_who_has_it() {
        let mut waiting = share(&["a", "b"]);
        waiting.owners.clear();
        waiting.tasks.insert(TaskId(1));
        let held = [0, 1].map(TaskId).into();
        assert_eq!(copies("a", &waiting, 1, &held), [TaskId(0)].into());
        assert!(copies("b", &waiting, 1, &BTreeSet::new()).is_empty());
    }
}
