//! Round robin: the tasks in turn over all members, and a task stays where it is as long as that is fair. One whose owner is gone goes to
//! who has a copy of its state, if that is as fair.

use std::collections::BTreeSet;

use super::{Assignor, AssignorError, Deal, GroupMember, Round};
use crate::commit::TaskId;

/// Deals the tasks in turn: no member has two more than another, and no more tasks move than that takes.
///
/// A task is one partition number of all inputs that are read together, so copartitioned partitions always go to the same member.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Assignor for RoundRobin {
    fn assign(&self, round: &Round) -> Result<Deal, AssignorError> {
        Ok(round_robin(round))
    }
}

/// What round robin answers.
pub(super) fn round_robin(round: &Round) -> Deal {
    let members: Vec<&GroupMember> = round.members.iter().collect();
    let mut deal = Deal::default();
    deal_in_turn(&members, &round.tasks, &mut deal);
    deal
}

/// Deals tasks to members. Without members they wait.
///
/// The shares are fixed first: each member's is the fair one, and what does not divide goes as one more to those that would otherwise have to
/// give it up. Each then keeps of its tasks what fits its share, and only the rest is dealt.
pub(super) fn deal_in_turn(members: &[&GroupMember], tasks: &[TaskId], deal: &mut Deal) {
    let Some(fair) = tasks.len().checked_div(members.len()) else { return deal.waiting.extend(tasks) };
    let mut extra = tasks.len() - fair * members.len();
    let turn_of = |index: usize| index % members.len();
    let mut taken = BTreeSet::new();
    let mut shares = vec![Vec::new(); members.len()];
    for ((turn, member), share) in members.iter().enumerate().zip(&mut shares) {
        let owned = tasks.iter().enumerate().filter(|(_, task)| member.owned.contains(task) && !taken.contains(*task));
        let mut owned: Vec<(usize, TaskId)> = owned.map(|(index, task)| (index, *task)).collect();
        // Those it would have been dealt in turn come first, so that who comes and goes leaves no disorder behind.
        owned.sort_by_key(|(index, _)| (turn_of(*index) != turn, *index));
        let takes_extra = extra > 0 && owned.len() > fair;
        extra -= usize::from(takes_extra);
        owned.truncate(fair + usize::from(takes_extra));
        share.extend(owned.into_iter().map(|(_, task)| task));
        taken.extend(share.iter().copied());
    }
    let has_copy = |turn: usize, task: &TaskId| members.get(turn).is_some_and(|member| member.copies.contains(task));
    for only_copies in [true, false] {
        for (index, task) in tasks.iter().enumerate() {
            if taken.contains(task) {
                continue;
            }
            let mut turns = (0..members.len()).map(|offset| turn_of(index + offset));
            let has_room = |turn: &usize| {
                shares.get(*turn).is_some_and(|share| share.len() < fair || (share.len() == fair && extra > 0))
            };
            // The shares come to as many as there are tasks, so in the end there is room for each.
            let found = turns.find(|turn| (!only_copies || has_copy(*turn, task)) && has_room(turn));
            let Some(share) = found.and_then(|turn| shares.get_mut(turn)) else { continue };
            extra -= usize::from(share.len() == fair);
            share.push(*task);
            taken.insert(*task);
        }
    }
    for (member, share) in members.iter().zip(shares) {
        deal.tasks.entry(member.name.clone()).or_default().extend(share);
    }
}
