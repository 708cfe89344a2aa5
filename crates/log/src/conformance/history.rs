//! Order records, and what is found again after reopening.

use riverrun_event::Offset;

use super::committing::order;
use super::owner::Owner;
use super::words::{
    append, append_ids, batch, ensure, event, ids, membership, partition, progress, put, read_all, record, topic,
};
use super::{Bench, Case, Needs, case, case_needing};
use crate::append::{AppendBatch, AppendError, Logged};
use crate::commit::{GroupName, TaskId};
use crate::contract::{Health, Log};

pub(super) const CASES: &[Case] = &[
    case("order records are numbered from 0 and can be paged", orders_are_paged),
    case("order records belong to their group and task", orders_are_apart),
    case("a commit without an order leaves none", commits_without_order),
    case("a log that takes writes says so", health_is_serving),
    case_needing(Needs::Reopening, "reopening keeps topics and records", reopening_keeps_records),
    case_needing(Needs::Reopening, "reopening keeps positions, state and orders", reopening_keeps_tasks),
    case_needing(Needs::Reopening, "epochs grow across reopening", epochs_grow_across_reopening),
    case_needing(Needs::Reopening, "identities are known after reopening", reopening_keeps_identities),
    case_needing(Needs::Reopening, "accept times do not decrease across reopening", accept_times_across_reopening),
];

fn orders(log: &dyn Log, group: &str, task: u32, from: u64, limit: usize) -> Vec<u64> {
    let orders = log.orders(&GroupName::stored(group), TaskId(task), from, limit).unwrap();
    for (number, found) in &orders {
        assert_eq!(found, &order(number + 1), "number {number}");
    }
    orders.into_iter().map(|(number, _)| number).collect()
}

fn orders_are_paged(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    assert!(orders(opened.log(), "g", 0, 0, 10).is_empty());
    for next in 1..=12 {
        let mut commit = progress(0, next);
        commit.order = Some(order(next));
        owner.commit(vec![commit]);
    }
    assert_eq!(orders(opened.log(), "g", 0, 0, 100), (0..12).collect::<Vec<_>>());
    assert_eq!(orders(opened.log(), "g", 0, 0, 5), [0, 1, 2, 3, 4]);
    assert_eq!(orders(opened.log(), "g", 0, 5, 5), [5, 6, 7, 8, 9]);
    assert_eq!(orders(opened.log(), "g", 0, 10, 5), [10, 11]);
    assert!(orders(opened.log(), "g", 0, 12, 5).is_empty());
    assert!(orders(opened.log(), "g", 0, 3, 0).is_empty());
}

fn orders_are_apart(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2)]);
    let mut owner = Owner::join(opened.log(), membership("g", 2));
    let mut one = progress(1, 1);
    one.order = Some(order(1));
    owner.commit(vec![progress(0, 1), one]);
    assert!(orders(opened.log(), "g", 0, 0, 10).is_empty());
    assert_eq!(orders(opened.log(), "g", 1, 0, 10), [0]);
    assert!(orders(opened.log(), "other", 1, 0, 10).is_empty());
}

fn commits_without_order(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let mut ordered = 0;
    for next in 1..=6 {
        let mut commit = progress(0, next);
        if next % 2 == 0 {
            ordered += 1;
            commit.order = Some(order(ordered));
        }
        owner.commit(vec![commit]);
    }
    assert_eq!(orders(opened.log(), "g", 0, 0, 10), [0, 1, 2]);
}

fn health_is_serving(bench: &Bench<'_>) {
    assert_eq!(bench.open().log().health(), Health::Serving);
}

fn reopening_keeps_records(bench: &Bench<'_>) {
    let mut opened = bench.open();
    let places = [partition("a", 0), partition("a", 1), partition("empty", 0)];
    ensure(opened.log(), &[("a", 2), ("empty", 1)]);
    let mut written = 0;
    for round in 0..3 {
        for place in &places[..2] {
            let ids: Vec<_> = (0..5).map(|number| format!("{place}.{round}.{number}")).collect();
            append_ids(opened.log(), place, &ids.iter().map(String::as_str).collect::<Vec<_>>());
        }
        written += 5;
        let before: Vec<_> = places.iter().map(|place| read_all(opened.log(), place)).collect();
        let described = [topic("a"), topic("empty")].map(|name| opened.log().describe(&name).unwrap());
        opened = opened.reopen();
        let after: Vec<_> = places.iter().map(|place| read_all(opened.log(), place)).collect();
        assert_eq!(after, before);
        assert_eq!([topic("a"), topic("empty")].map(|name| opened.log().describe(&name).unwrap()), described);
        assert_eq!(after[1].len(), written);
    }
}

fn reopening_keeps_tasks(bench: &Bench<'_>) {
    let mut opened = bench.open();
    ensure(opened.log(), &[("in", 2), ("out", 1)]);
    for next in 1..=3 {
        let mut owner = Owner::join(opened.log(), membership("g", 2));
        let mut commit = progress(1, next);
        commit.records.push(record(&partition("out", 0), event(&next.to_string(), "x")));
        commit.state.push(put("op", &next.to_string(), "x"));
        commit.order = Some(order(next));
        owner.commit(vec![commit]);
        drop(owner);
        opened = opened.reopen();
    }
    let owner = Owner::join(opened.log(), membership("g", 2));
    assert_eq!((owner.position(0), owner.position(1)), (Offset(0), Offset(3)));
    for key in ["1", "2", "3"] {
        assert_eq!(owner.row(1, "op", key).as_deref(), Some("x"), "{key}");
    }
    assert_eq!(orders(opened.log(), "g", 1, 0, 10), [0, 1, 2]);
    assert_eq!(ids(&read_all(opened.log(), &partition("out", 0))), ["1", "2", "3"]);
}

fn epochs_grow_across_reopening(bench: &Bench<'_>) {
    let mut opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut last = None;
    for _ in 0..3 {
        let owner = Owner::join(opened.log(), membership("g", 1));
        let epoch = owner.epoch(0);
        assert!(Some(epoch) > last, "{epoch:?} after {last:?}");
        last = Some(epoch);
        drop(owner);
        opened = opened.reopen();
    }
}

fn reopening_keeps_identities(bench: &Bench<'_>) {
    if !bench.features.deduplicates {
        return;
    }
    let opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    let first = append_ids(opened.log(), &a, &["1", "2"]);
    let opened = opened.reopen();
    let again = append(opened.log(), batch(&a, &["2", "1"])).unwrap();
    assert_eq!(again, [Logged::Duplicate(first[1].clone()), Logged::Duplicate(first[0].clone())]);
    let other = append(opened.log(), AppendBatch { records: vec![record(&a, event("1", "other"))] });
    assert_eq!(other, Err(AppendError::Conflict { index: 0, existing: first[0].clone() }));
}

fn accept_times_across_reopening(bench: &Bench<'_>) {
    let mut opened = bench.open();
    let a = partition("a", 0);
    ensure(opened.log(), &[("a", 1)]);
    for id in ["1", "2", "3"] {
        append_ids(opened.log(), &a, &[id]);
        opened = opened.reopen();
    }
    assert!(read_all(opened.log(), &a).is_sorted_by_key(|record| record.accepted));
}
