//! How the tasks of a group get to its members: what members say of themselves, and what their leader makes of it.
//!
//! Which member gets which task is the assignor's answer ([`riverrun_log::assignor`]). A task that another member still has waits until
//! that one has given it up; then the group is asked again. So a task never has two owners, and those that stay are never stopped.

mod leader;
mod standbys;
mod words;

pub(crate) use leader::Leader;
pub(crate) use standbys::copies;

use std::collections::{BTreeMap, BTreeSet};

use riverrun_log::{Deal, Labels, TaskId};

/// What a member says of itself when it joins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seat {
    /// The instance it belongs to.
    pub(crate) instance: String,
    /// Which of its seats it takes, from 0.
    pub(crate) seat: u32,
    /// How many seats the instance has, taken or not.
    pub(crate) seats: u32,
    /// The tasks it has and will keep if they stay its own.
    pub(crate) owned: BTreeSet<TaskId>,
    /// The tasks whose state the instance keeps a copy of.
    pub(crate) copies: BTreeSet<TaskId>,
    /// What assignors may go by.
    pub(crate) labels: Labels,
    /// Where the instance is reached by others.
    pub(crate) address: Option<String>,
}

/// Who has a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The instance.
    pub(crate) instance: String,
    /// Where it is reached.
    pub(crate) address: Option<String>,
}

/// The owners of tasks; one that waits for its next owner has none.
pub(crate) type Owners = BTreeMap<TaskId, Owner>;

/// What the leader tells a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    /// Its tasks.
    pub(crate) tasks: BTreeSet<TaskId>,
    /// The owners of all tasks.
    pub(crate) owners: Owners,
    /// All instances of the group, those without tasks as well.
    pub(crate) instances: BTreeSet<String>,
}

/// The tasks that each member has from now on, by its id, on the way to the target; and who then has which.
fn follow(seats: &BTreeMap<String, Seat>, target: &Deal) -> (BTreeMap<String, BTreeSet<TaskId>>, Owners) {
    let mut given: BTreeMap<String, BTreeSet<TaskId>> =
        seats.keys().map(|member| (member.clone(), BTreeSet::new())).collect();
    let mut owners = Owners::new();
    for (name, tasks) in &target.tasks {
        let taker = seats.iter().find(|(_, seat)| seat.instance == name.instance && seat.seat == name.seat);
        for task in tasks {
            let owner = seats.iter().find(|(_, seat)| seat.owned.contains(task));
            // Whoever has a task goes on with it until a member is there to take it.
            let Some((member, seat)) = owner.or(taker) else { continue };
            owners.insert(*task, Owner { instance: seat.instance.clone(), address: seat.address.clone() });
            if taker.is_none_or(|(taker, _)| taker == member) {
                given.entry(member.clone()).or_default().insert(*task);
            }
        }
    }
    (given, owners)
}

#[cfg(test)]
mod tests {
    use riverrun_log::MemberName;

    use super::*;

    fn seat(instance: &str, seat: u32, owned: &[u32]) -> (String, Seat) {
        let owned = owned.iter().copied().map(TaskId).collect();
        let address = Some(format!("{instance}:8080"));
        let (instance, copies) = (instance.to_owned(), BTreeSet::new());
        let seat = Seat { instance, seat, seats: 2, owned, copies, labels: Labels::new(), address };
        (format!("{}/{}", seat.instance, seat.seat), seat)
    }

    /// Who is to have what, and what each gets of it at once; then the owners of all tasks, by the first letter of their instance.
    #[track_caller]
    fn check<const N: usize>(
        members: [(String, Seat); N],
        target: &[(&str, u32, &[u32])],
        expected: [&[u32]; N],
        owners: &str,
    ) {
        let mut deal = Deal::default();
        for (instance, seat, tasks) in target {
            let name = MemberName { instance: (*instance).to_owned(), seat: *seat };
            deal.tasks.insert(name, tasks.iter().copied().map(TaskId).collect());
        }
        let (given, found) = follow(&members.into_iter().collect(), &deal);
        let given: Vec<Vec<u32>> = given.values().map(|tasks| tasks.iter().map(|task| task.0).collect()).collect();
        assert_eq!(given, expected);
        let found = (0..4).map(|task| found.get(&TaskId(task)).map_or("-", |owner| &owner.instance));
        assert_eq!(found.collect::<String>(), owners);
    }

    #[test]
    fn a_task_waits_for_its_owner() {
        let target: [(&str, u32, &[u32]); 2] = [("a", 0, &[0, 2]), ("b", 0, &[1, 3])];
        check([seat("a", 0, &[]), seat("b", 0, &[])], &target, [&[0, 2], &[1, 3]], "abab");
        check([seat("a", 0, &[0, 1, 2, 3]), seat("b", 0, &[])], &target, [&[0, 2], &[]], "aaaa");
        check([seat("a", 0, &[0, 2, 3]), seat("b", 0, &[])], &target, [&[0, 2], &[1]], "abaa");
        check([seat("a", 0, &[0, 2]), seat("b", 0, &[])], &target, [&[0, 2], &[1, 3]], "abab");
        // Between two seats of an instance, too.
        check([seat("a", 0, &[0, 1]), seat("a", 1, &[])], &[("a", 0, &[0]), ("a", 1, &[1])], [&[0], &[]], "aa--");
    }

    #[test]
    fn tasks_of_a_seat_that_is_not_taken_yet_stay_where_they_are() {
        let target: [(&str, u32, &[u32]); 2] = [("a", 0, &[0, 2]), ("a", 1, &[1, 3])];
        check([seat("a", 0, &[])], &target, [&[0, 2]], "a-a-");
        check([seat("a", 0, &[0, 1])], &target, [&[0, 1, 2]], "aaa-");
    }
}
