//! The member that deals the tasks out, and what it remembers while it leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use riverrun_log::assignor::{GroupMember, MemberName, Round, decide};
use riverrun_log::{GroupName, NamedAssignor, TaskId};

use super::{Seat, Share, follow};

/// Deals the tasks of a group out. A leader that has just begun knows nothing of instances that went before.
pub(crate) struct Leader {
    since: Instant,
    /// The instances of the last round.
    here: BTreeSet<String>,
    gone: BTreeMap<String, Instant>,
}

/// What a leader has decided.
pub(crate) struct Orders {
    /// What each member is told, by its id.
    pub(crate) shares: BTreeMap<String, Share>,
    /// After which time the group is to be asked again although nobody came or went.
    pub(crate) again_after: Option<Duration>,
}

impl Leader {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, here: BTreeSet::new(), gone: BTreeMap::new() }
    }

    /// Asks the assignor about these members, by their ids, and says who gets what at once.
    pub(crate) fn lead(
        &mut self,
        assignor: &NamedAssignor,
        group: &GroupName,
        seats: &BTreeMap<String, Seat>,
        tasks: &[TaskId],
        now: Instant,
    ) -> Orders {
        self.note(seats, now);
        let mut round = Round::new(group.clone(), members(seats), tasks.to_vec());
        round.leading = now.saturating_duration_since(self.since);
        let gone = self.gone.iter().map(|(name, since)| (name.clone(), now.saturating_duration_since(*since)));
        round.gone = gone.collect();
        let decision = decide(assignor.assignor(), &round);
        if let Some(reason) = decision.refused {
            let assignor = assignor.name();
            tracing::warn!(%group, assignor, %reason, "the answer of the assignor cannot be followed; round robin is used instead");
        }
        let (given, owners) = follow(seats, &decision.deal);
        let share = |(member, tasks)| (member, Share { tasks, owners: owners.clone(), instances: self.here.clone() });
        Orders { shares: given.into_iter().map(share).collect(), again_after: decision.again_after }
    }

    /// Notes who has come and who has gone.
    fn note(&mut self, seats: &BTreeMap<String, Seat>, now: Instant) {
        let here: BTreeSet<String> = seats.values().map(|seat| seat.instance.clone()).collect();
        for instance in self.here.difference(&here) {
            self.gone.insert(instance.clone(), now);
        }
        self.gone.retain(|instance, _| !here.contains(instance));
        self.here = here;
    }
}

/// All seats of the instances that are there; one that nobody has taken yet is about to be.
fn members(seats: &BTreeMap<String, Seat>) -> Vec<GroupMember> {
    let mut instances: BTreeMap<&str, (u32, &Seat)> = BTreeMap::new();
    for seat in seats.values() {
        let (count, _) = instances.entry(&seat.instance).or_insert((0, seat));
        *count = (*count).max(seat.seats).max(seat.seat.saturating_add(1)).min(SEATS_MAX);
    }
    let mut members = Vec::new();
    for (instance, (count, one)) in instances {
        for number in 0..count {
            let taken = seats.values().find(|seat| seat.instance == instance && seat.seat == number);
            members.push(GroupMember {
                name: MemberName { instance: instance.to_owned(), seat: number },
                labels: taken.unwrap_or(one).labels.clone(),
                owned: taken.map(|seat| seat.owned.clone()).unwrap_or_default(),
                copies: taken.unwrap_or(one).copies.clone(),
                is_here: taken.is_some(),
            });
        }
    }
    members
}

/// No instance has more workers; a number beyond it is not what one of ours says.
const SEATS_MAX: u32 = 4096;

#[cfg(test)]
mod tests {
    use riverrun_log::Labels;
    use riverrun_log::assignor::Fixed;

    use super::*;

    fn seats(members: &[(&str, u32, u32, &[u32])]) -> BTreeMap<String, Seat> {
        let seat = |(instance, seat, seats, owned): &(&str, u32, u32, &[u32])| {
            let owned = owned.iter().copied().map(TaskId).collect();
            let (instance, seat, seats) = ((*instance).to_owned(), *seat, *seats);
            let (labels, copies) = (Labels::new(), BTreeSet::new());
            (format!("{instance}/{seat}"), Seat { instance, seat, seats, owned, copies, labels, address: None })
        };
        members.iter().map(seat).collect()
    }

    fn dealt(orders: &Orders) -> Vec<Vec<u32>> {
        orders.shares.values().map(|share| share.tasks.iter().map(|task| task.0).collect()).collect()
    }

    #[test]
    fn seats_that_are_not_taken_yet_have_their_share() {
        let tasks: Vec<TaskId> = (0..4).map(TaskId).collect();
        let mut leader = Leader::new(Instant::now());
        let mut lead = |members| {
            leader.lead(&NamedAssignor::round_robin(), &GroupName::stored("g"), &seats(members), &tasks, Instant::now())
        };
        assert_eq!(dealt(&lead(&[("a", 0, 2, &[])])), [[0, 2]]);
        assert_eq!(dealt(&lead(&[("a", 0, 2, &[0, 2]), ("a", 1, 2, &[])])), [[0, 2], [1, 3]]);
    }

    #[test]
    fn a_leader_remembers_since_when_an_instance_has_been_gone() {
        let own = [("a", 0), ("b", 1)].map(|(instance, task)| (instance.to_owned(), [TaskId(task)].into())).into();
        let assignor = NamedAssignor::fixed(Fixed::new(own, Some(Duration::from_secs(60))).unwrap());
        let start = Instant::now();
        let mut leader = Leader::new(start);
        let mut check = |after, members: &[(&str, u32, u32, &[u32])], expected: &[&[u32]], again| {
            let now = start + Duration::from_secs(after);
            let orders = leader.lead(&assignor, &GroupName::stored("g"), &seats(members), &[TaskId(0), TaskId(1)], now);
            assert_eq!(
                (dealt(&orders).as_slice(), orders.again_after.map(|again| again.as_secs())),
                (&*expected.iter().map(|tasks| tasks.to_vec()).collect::<Vec<_>>(), again)
            );
        };
        check(0, &[("a", 0, 1, &[])], &[&[0]], Some(60));
        check(50, &[("a", 0, 1, &[0]), ("b", 0, 1, &[])], &[&[0], &[1]], None);
        check(100, &[("a", 0, 1, &[0])], &[&[0]], Some(60));
        check(130, &[("a", 0, 1, &[0])], &[&[0]], Some(30));
        check(160, &[("a", 0, 1, &[0])], &[&[0, 1]], None);
        // It returns: what was dealt out goes back once it is given up.
        check(170, &[("a", 0, 1, &[0, 1]), ("b", 0, 1, &[])], &[&[0], &[]], None);
        check(171, &[("a", 0, 1, &[0]), ("b", 0, 1, &[])], &[&[0], &[1]], None);
        check(180, &[("a", 0, 1, &[0])], &[&[0]], Some(60));
    }
}
