//! Commits: everything at once or nothing.

use riverrun_event::{Offset, Time};

use super::owner::Owner;
use super::wait::wait;
use super::words::{append_ids, end, ensure, event, ids, membership, partition, progress, put, read_all, record};
use super::{Bench, Case, case};
use crate::commit::{CallAnswer, Commit, CommitError, InputRange, ModelFrontier, Order, TaskCommit};

pub(super) const CASES: &[Case] = &[
    case("a commit changes records, state, positions and order", commits_change_everything),
    case("a commit of several tasks changes all of them", commits_span_tasks),
    case("records of a commit keep their order among appended ones", commits_keep_their_order),
    case("records of a commit are never deduplicated", commits_are_not_deduplicated),
    case("a commit to an unknown topic is refused and changes nothing", refused_commits_change_nothing),
    case("committed records move the log", commits_move_the_log),
    case("commit numbers increase", commit_numbers_increase),
    case("a commit of nothing is answered", empty_commit),
];

pub(super) fn order(next: u64) -> Order {
    Order {
        tick: next.is_multiple_of(2).then(|| Time::from_unix(7, 8)),
        answers: vec![CallAnswer { call: "call".into(), answer: "answer".into() }],
        ranges: vec![InputRange { input: partition("in", 0), from: Offset(next - 1), to: Offset(next) }],
        frontiers: vec![ModelFrontier {
            model: riverrun_event::ModelName::new("model").unwrap(),
            partition: riverrun_event::Partition(3),
            next: Offset(next * 10),
        }],
    }
}

/// A commit of task `task` up to `next` that changes one of everything.
fn full(task: u32, next: u64) -> TaskCommit {
    let mut commit = progress(task, next);
    let out = partition("out", 0);
    commit.records.push(record(&out, event(&format!("{task}.{next}.a"), "x")));
    commit.records.push(record(&out, event(&format!("{task}.{next}.b"), "x")));
    commit.state.push(put("op", "next", &next.to_string()));
    commit.order = Some(order(next));
    commit
}

fn commits_change_everything(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1), ("out", 1)]);
    let membership = membership("g", 1);
    let mut owner = Owner::join(opened.log(), membership.clone());
    for next in 1..=3 {
        owner.commit(vec![full(0, next)]);
        assert_eq!(read_all(opened.log(), &partition("out", 0)).len() as u64, next * 2);
        assert_eq!(owner.row(0, "op", "next"), Some(next.to_string()));
    }
    owner.join_again();
    assert_eq!(owner.position(0), Offset(3));
    let orders = opened.log().orders(&membership.group, membership.tasks[0].task, 0, 10).unwrap();
    assert_eq!(orders, vec![(0, order(1)), (1, order(2)), (2, order(3))]);
    let read = read_all(opened.log(), &partition("out", 0));
    assert_eq!(ids(&read), ["0.1.a", "0.1.b", "0.2.a", "0.2.b", "0.3.a", "0.3.b"]);
    assert_eq!(read[0].event, event("0.1.a", "x"));
}

fn commits_span_tasks(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 3), ("out", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 3));
    owner.commit(vec![full(0, 4), full(1, 5), full(2, 6)]);
    owner.join_again();
    for (task, next) in [(0, 4), (1, 5), (2, 6)] {
        assert_eq!(owner.position(task), Offset(next));
        assert_eq!(owner.row(task, "op", "next"), Some(next.to_string()), "each task has its own rows");
    }
    assert_eq!(read_all(opened.log(), &partition("out", 0)).len(), 6);
}

fn commits_keep_their_order(bench: &Bench<'_>) {
    let opened = bench.open();
    let out = partition("out", 0);
    ensure(opened.log(), &[("in", 1), ("out", 2)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    append_ids(opened.log(), &out, &["before"]);
    let mut commit = progress(0, 1);
    for number in 0..10 {
        commit.records.push(record(&partition("out", number % 2), event(&number.to_string(), "x")));
    }
    owner.commit(vec![commit]);
    append_ids(opened.log(), &out, &["after"]);
    assert_eq!(ids(&read_all(opened.log(), &out)), ["before", "0", "2", "4", "6", "8", "after"]);
    assert_eq!(ids(&read_all(opened.log(), &partition("out", 1))), ["1", "3", "5", "7", "9"]);
}

fn commits_are_not_deduplicated(bench: &Bench<'_>) {
    let opened = bench.open();
    let out = partition("out", 0);
    ensure(opened.log(), &[("in", 1), ("out", 1)]);
    append_ids(opened.log(), &out, &["same"]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    for next in 1..=2 {
        let mut commit = progress(0, next);
        commit.records = vec![record(&out, event("same", "same")), record(&out, event("same", "other"))];
        owner.commit(vec![commit]);
    }
    assert_eq!(read_all(opened.log(), &out).len(), 5);
}

fn refused_commits_change_nothing(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2), ("out", 1)]);
    let membership = membership("g", 2);
    let mut owner = Owner::join(opened.log(), membership.clone());
    owner.commit(vec![full(0, 1), full(1, 1)]);
    let before = end(opened.log(), &partition("out", 0));
    for wrong in [partition("missing", 0), partition("out", 1)] {
        let mut second = full(1, 8);
        second.records.push(record(&wrong, event("x", "x")));
        let expected = CommitError::UnknownTopic { topic: wrong.topic, partition: wrong.partition };
        assert_eq!(owner.refusal(&[full(0, 8), second]), expected);
    }
    assert_eq!(end(opened.log(), &partition("out", 0)), before, "a record of a refused commit was stored");
    owner.join_again();
    for task in 0..2 {
        assert_eq!(owner.position(task), Offset(1));
        assert_eq!(owner.row(task, "op", "next"), Some("1".to_owned()));
        let id = membership.tasks[task as usize].task;
        assert_eq!(opened.log().orders(&membership.group, id, 0, 10).unwrap().len(), 1);
    }
}

fn commits_move_the_log(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1), ("out", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let mut moved = opened.log().moved();
    moved.borrow_and_update();
    owner.commit(vec![full(0, 1)]);
    wait(moved.changed()).unwrap();
}

fn commit_numbers_increase(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1), ("out", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let numbers: Vec<_> =
        (1..=20).filter_map(|next| owner.commit(vec![full(0, next)])).map(|committed| committed.number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

fn empty_commit(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let answer = wait(owner.member().commit(Commit::default()));
    assert!(answer.is_ok(), "{answer:?}");
}
