//! Joining, seats, positions and fencing.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_event::Offset;

use super::owner::Owner;
use super::wait::pends;
use super::words::{append_ids, ensure, membership, partition, progress, put, read_all, record};
use super::{Bench, Case, case};
use crate::commit::CommitError;
use crate::contract::JoinError;

pub(super) const CASES: &[Case] = &[
    case("a new group starts at the start of its inputs", new_groups_start_at_the_start),
    case("who joins gets the committed positions", joins_get_committed_positions),
    case("groups do not share positions or state", groups_are_apart),
    case("seats own each task once between them", seats_share_the_tasks),
    case("next pends while nothing changes, and can be dropped", next_pends),
    case("every owner of a task has a higher epoch", epochs_grow),
    case("a second join with the same seat fences the first", second_join_fences),
    case("a member that took another's tasks fences it", taking_over_fences),
    case("a commit with a wrong epoch is fenced and changes nothing", wrong_epochs_are_fenced),
    case("an unknown input is named", unknown_input),
];

fn new_groups_start_at_the_start(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2)]);
    append_ids(opened.log(), &partition("in", 0), &["1"]);
    let owner = Owner::join(opened.log(), membership("g", 2));
    assert_eq!(owner.tasks(), [0, 1]);
    assert_eq!((owner.position(0), owner.position(1)), (Offset(0), Offset(0)));
}

fn joins_get_committed_positions(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2)]);
    let mut owner = Owner::join(opened.log(), membership("g", 2));
    owner.commit(vec![progress(0, 5), progress(1, 7)]);
    owner.commit(vec![progress(0, 6)]);
    owner.join_again();
    assert_eq!((owner.position(0), owner.position(1)), (Offset(6), Offset(7)));
}

fn groups_are_apart(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut one = Owner::join(opened.log(), membership("one", 1));
    let mut commit = progress(0, 5);
    commit.state.push(put("op", "k", "of one"));
    one.commit(vec![commit]);
    // A name that begins like the other, and one that ends like it.
    for name in ["on", "one.replay:x", "two"] {
        let other = Owner::join(opened.log(), membership(name, 1));
        assert_eq!(other.position(0), Offset(0), "{name}");
        assert_eq!(other.row(0, "op", "k"), None, "{name}");
    }
    let mut two = Owner::join(opened.log(), membership("two", 1));
    two.commit(vec![progress(0, 9)]);
    one.join_again();
    assert_eq!((one.position(0), one.row(0, "op", "k")), (Offset(5), Some("of one".to_owned())));
}

fn seats_share_the_tasks(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 5)]);
    let seats: Vec<_> = (0..2)
        .map(|seat| {
            let mut membership = membership("g", 5);
            (membership.seat, membership.seats) = (seat, 2);
            Owner::join(opened.log(), membership)
        })
        .collect();
    let all: Vec<_> = seats.iter().flat_map(Owner::tasks).collect();
    assert_eq!(all.len(), 5);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), (0..5).collect::<BTreeSet<_>>());
    for mut owner in seats {
        let tasks = owner.tasks();
        owner.commit(tasks.into_iter().map(|task| progress(task, 1)).collect());
    }
}

fn next_pends(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    for _ in 0..3 {
        assert!(pends(owner.member().next(), Duration::from_millis(5)), "nothing has changed");
    }
    owner.commit(vec![progress(0, 1)]);
}

fn epochs_grow(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let mut last = owner.epoch(0);
    for _ in 0..3 {
        owner.join_again();
        assert!(owner.epoch(0) > last, "{:?} after {last:?}", owner.epoch(0));
        last = owner.epoch(0);
    }
}

fn second_join_fences(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2), ("out", 1)]);
    let zombie = Owner::join(opened.log(), membership("g", 2));
    let mut owner = Owner::join(opened.log(), membership("g", 2));
    let mut late = progress(1, 3);
    late.records.push(record(&partition("out", 0), super::words::event("late", "late")));
    late.state.push(put("op", "k", "late"));
    let answer = zombie.try_commit(vec![late]);
    assert!(matches!(answer, Err(CommitError::Fenced { task }) if task.0 == 1), "{answer:?}");
    drop(zombie);
    owner.commit(vec![progress(0, 4)]);
    owner.join_again();
    assert_eq!((owner.position(0), owner.position(1)), (Offset(4), Offset(0)));
    assert_eq!(owner.row(1, "op", "k"), None);
    assert!(read_all(opened.log(), &partition("out", 0)).is_empty());
}

fn taking_over_fences(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2)]);
    let seat = |seat| {
        let mut membership = membership("g", 2);
        (membership.seat, membership.seats) = (seat, 2);
        membership
    };
    let whole = Owner::join(opened.log(), membership("g", 2));
    let mut half = Owner::join(opened.log(), seat(1));
    // Both tasks in one commit: one of them is gone, so neither may change.
    let answer = whole.try_commit(vec![progress(0, 1), progress(1, 1)]);
    assert!(matches!(answer, Err(CommitError::Fenced { task }) if task.0 == 1), "{answer:?}");
    half.commit(vec![progress(1, 2)]);
    drop(whole);
    let other_half = Owner::join(opened.log(), seat(0));
    assert_eq!(other_half.position(0), Offset(0), "a refused commit changed a position");
}

fn wrong_epochs_are_fenced(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let epoch = owner.epoch(0);
    for wrong in [epoch.0.wrapping_sub(1), epoch.0 + 1, u64::MAX] {
        let mut commit = progress(0, 9);
        commit.epoch.0 = wrong;
        let answer = super::wait::wait(owner.member().commit(crate::Commit { tasks: vec![commit] }));
        assert!(matches!(answer, Err(CommitError::Fenced { .. })), "{answer:?} at {wrong}, not {epoch:?}");
    }
    owner.join_again();
    assert_eq!(owner.position(0), Offset(0));
}

fn unknown_input(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let answer = opened.log().join(membership("g", 2));
    assert_eq!(answer.err(), Some(JoinError::UnknownPartition(partition("in", 1))));
}
