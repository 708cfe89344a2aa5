//! Which member gets which task. Round robin: the tasks in turn over all seats, those of the first seat of every instance first.
//!
//! A task that another member still has waits until that one has given it up; then the group is asked again. So a task never has two
//! owners, and those that stay are never stopped.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_log::TaskId;

/// What a member says of itself when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    /// The instance it belongs to.
    pub(crate) instance: String,
    /// Which of its seats it takes, from 0.
    pub(crate) seat: u32,
    /// How many seats the instance has, taken or not.
    pub(crate) seats: u32,
    /// The tasks it has and will keep if they stay its own.
    pub(crate) owned: BTreeSet<TaskId>,
}

impl Seat {
    pub(crate) fn to_text(&self) -> String {
        let owned: Vec<String> = self.owned.iter().map(ToString::to_string).collect();
        format!("{}\n{}\n{}\n{}", self.seat, self.seats, owned.join(","), self.instance)
    }

    /// `None` for what another program said.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut lines = text.splitn(4, '\n');
        let (seat, seats) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
        let owned = lines.next()?.split(',').filter(|task| !task.is_empty());
        let owned = owned.map(|task| task.parse().ok().map(TaskId)).collect::<Option<_>>()?;
        Some(Self { instance: lines.next()?.to_owned(), seat, seats, owned })
    }
}

/// The tasks of each member.
pub(crate) fn round_robin(members: &BTreeMap<String, Seat>, tasks: &[TaskId]) -> BTreeMap<String, BTreeSet<TaskId>> {
    let mut given: BTreeMap<String, BTreeSet<TaskId>> =
        members.keys().map(|member| (member.clone(), BTreeSet::new())).collect();
    // A seat that nobody has taken yet keeps its tasks: its member is about to come.
    let mut instances: BTreeMap<&str, u32> = BTreeMap::new();
    for seat in members.values() {
        let seats = instances.entry(&seat.instance).or_default();
        *seats = (*seats).max(seat.seats).max(seat.seat + 1);
    }
    let most = instances.values().copied().max().unwrap_or_default();
    let slots: Vec<(&str, u32)> = (0..most)
        .flat_map(|seat| instances.iter().filter(move |(_, seats)| seat < **seats).map(move |(name, _)| (*name, seat)))
        .collect();
    for (index, task) in tasks.iter().enumerate() {
        let Some((instance, seat)) = index.checked_rem(slots.len()).and_then(|slot| slots.get(slot)) else { break };
        let owner = members.iter().find(|(_, member)| member.owned.contains(task));
        let taker = members.iter().find(|(_, member)| member.instance == *instance && member.seat == *seat);
        match (taker, owner) {
            (Some((taker, _)), Some((owner, _))) if taker != owner => {}
            (Some((taker, _)), _) => drop(given.get_mut(taker).map(|tasks| tasks.insert(*task))),
            (None, _) => {}
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(instance: &str, seat: u32, seats: u32, owned: &[u32]) -> (String, Seat) {
        let owned = owned.iter().copied().map(TaskId).collect();
        (format!("{instance}/{seat}"), Seat { instance: instance.to_owned(), seat, seats, owned })
    }

    #[track_caller]
    fn check<const N: usize>(members: [(String, Seat); N], tasks: u32, expected: [&[u32]; N]) {
        let tasks: Vec<TaskId> = (0..tasks).map(TaskId).collect();
        let given = round_robin(&members.into_iter().collect(), &tasks);
        let found: Vec<Vec<u32>> = given.values().map(|tasks| tasks.iter().map(|task| task.0).collect()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn tasks_go_round_the_seats() {
        check([seat("a", 0, 1, &[])], 3, [&[0, 1, 2]]);
        check([seat("a", 0, 2, &[]), seat("a", 1, 2, &[])], 5, [&[0, 2, 4], &[1, 3]]);
        check([seat("a", 0, 2, &[]), seat("b", 0, 2, &[])], 8, [&[0, 4], &[1, 5]]);
        check([seat("a", 0, 1, &[]), seat("b", 0, 1, &[]), seat("c", 0, 1, &[])], 2, [&[0], &[1], &[]]);
        check([], 2, []);
    }

    #[test]
    fn a_task_waits_for_its_owner() {
        check([seat("a", 0, 1, &[0, 1, 2, 3]), seat("b", 0, 1, &[])], 4, [&[0, 2], &[]]);
        check([seat("a", 0, 1, &[0, 2]), seat("b", 0, 1, &[])], 4, [&[0, 2], &[1, 3]]);
        // Its owner has gone.
        check([seat("b", 0, 1, &[1, 3])], 4, [&[0, 1, 2, 3]]);
    }

    #[test]
    fn what_a_member_says_comes_back() {
        for (_, seat) in [seat("a", 0, 1, &[]), seat("odd\nname", 3, 7, &[1, 20])] {
            assert_eq!(Seat::parse(&seat.to_text()), Some(seat));
        }
        assert_eq!(Seat::parse("range"), None);
        assert_eq!(Seat::parse("0\n1\nx\na"), None);
    }
}
