//! State rows: the last change counts, and scans go both ways within bounds.

use riverrun_event::OperatorName;

use super::owner::Owner;
use super::words::{delete, ensure, membership, operator, progress, put};
use super::{Bench, Case, case};
use crate::contract::{Direction, StateRead};

pub(super) const CASES: &[Case] = &[
    case("a row that was never put is absent", absent_rows),
    case("of two changes of a row in one commit the later one counts", later_changes_count),
    case("a deleted row is gone, and can be put again", deleted_rows_are_gone),
    case("rows belong to their operator and task", rows_are_apart),
    case("keys and values can be any bytes, empty ones too", any_bytes),
    case("a state reader always shows the last commit", readers_show_the_last_commit),
    case("scans keep to their bounds, directions and limits", scans),
];

fn absent_rows(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let owner = Owner::join(opened.log(), membership("g", 1));
    assert_eq!(owner.row(0, "op", "k"), None);
    assert_eq!(owner.state(0).scan(&operator("op"), b"", b"\xff", Direction::Ascending, 10), Ok(Vec::new()));
}

fn later_changes_count(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let mut commit = progress(0, 1);
    commit.state = vec![
        put("op", "put-put", "1"),
        put("op", "put-delete", "1"),
        delete("op", "delete-put"),
        put("op", "put-put", "2"),
        delete("op", "put-delete"),
        put("op", "delete-put", "2"),
    ];
    owner.commit(vec![commit]);
    assert_eq!(owner.row(0, "op", "put-put").as_deref(), Some("2"));
    assert_eq!(owner.row(0, "op", "put-delete"), None);
    assert_eq!(owner.row(0, "op", "delete-put").as_deref(), Some("2"));
}

fn deleted_rows_are_gone(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let steps = [(put("op", "k", "1"), Some("1")), (delete("op", "k"), None), (put("op", "k", "2"), Some("2"))];
    for (next, (change, expected)) in (1..).zip(steps) {
        let mut commit = progress(0, next);
        commit.state = vec![change, delete("op", "never-put")];
        owner.commit(vec![commit]);
        assert_eq!(owner.row(0, "op", "k").as_deref(), expected);
        assert_eq!(
            scan(owner.state(0), &operator("op"), "a", "z", Direction::Ascending, 10).len(),
            expected.iter().count()
        );
    }
}

fn rows_are_apart(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 2)]);
    let mut owner = Owner::join(opened.log(), membership("g", 2));
    let (mut zero, mut one) = (progress(0, 1), progress(1, 1));
    zero.state = vec![put("op", "k", "0/op"), put("op2", "k", "0/op2"), put("o", "pk", "0/o")];
    one.state = vec![put("op", "k", "1/op")];
    owner.commit(vec![zero, one]);
    for (task, name, key, expected) in [
        (0, "op", "k", Some("0/op")),
        (0, "op2", "k", Some("0/op2")),
        (0, "o", "pk", Some("0/o")),
        (0, "o", "k", None),
        (1, "op", "k", Some("1/op")),
        (1, "op2", "k", None),
    ] {
        assert_eq!(owner.row(task, name, key).as_deref(), expected, "task {task}, {name}, {key}");
    }
    assert_eq!(scan(owner.state(0), &operator("op"), "", "~", Direction::Ascending, 10), ["k"]);
    assert_eq!(scan(owner.state(0), &operator("op"), "", "~", Direction::Descending, 10), ["k"]);
}

fn any_bytes(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let keys: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"\0\xff", b"\xff", b"\xff\xff"];
    let mut commit = progress(0, 1);
    for key in keys {
        let mut change = put("op", "", "");
        change.key = bytes::Bytes::from_static(key);
        change.value = Some(bytes::Bytes::from_static(key));
        commit.state.push(change);
    }
    owner.commit(vec![commit]);
    for key in keys {
        let value = owner.state(0).get(&operator("op"), key).unwrap();
        assert_eq!(value.as_deref(), Some(key), "{key:?}");
    }
    let rows = owner.state(0).scan(&operator("op"), b"", b"\xff\xff\xff", Direction::Ascending, 10).unwrap();
    assert_eq!(rows.iter().map(|(key, _)| &key[..]).collect::<Vec<_>>(), keys);
}

fn readers_show_the_last_commit(bench: &Bench<'_>) {
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    for next in 1..=5 {
        let mut commit = progress(0, next);
        commit.state.push(put("op", "k", &next.to_string()));
        owner.commit(vec![commit]);
        assert_eq!(owner.row(0, "op", "k"), Some(next.to_string()));
    }
    owner.join_again();
    assert_eq!(owner.row(0, "op", "k").as_deref(), Some("5"));
}

fn scans(bench: &Bench<'_>) {
    use Direction::{Ascending, Descending};
    let opened = bench.open();
    ensure(opened.log(), &[("in", 1)]);
    let mut owner = Owner::join(opened.log(), membership("g", 1));
    let mut commit = progress(0, 1);
    for key in ["d", "b", "bb", "c", "a", "e"] {
        commit.state.push(put("op", key, key));
    }
    // Neighbours on both sides, which no scan of `op` may reach.
    commit.state.extend([put("oo", "c", "x"), put("op.x", "c", "x"), put("oq", "c", "x")]);
    owner.commit(vec![commit]);
    for (from, to, direction, limit, expected) in [
        ("", "z", Ascending, 10, &["a", "b", "bb", "c", "d", "e"][..]),
        ("", "z", Descending, 10, &["e", "d", "c", "bb", "b", "a"]),
        ("b", "d", Ascending, 10, &["b", "bb", "c"]),
        ("b", "d", Descending, 10, &["c", "bb", "b"]),
        ("b", "d", Ascending, 2, &["b", "bb"]),
        ("b", "d", Descending, 2, &["c", "bb"]),
        ("ba", "cc", Ascending, 10, &["bb", "c"]),
        ("b", "d", Ascending, 0, &[]),
        ("c", "c", Ascending, 10, &[]),
        ("d", "b", Descending, 10, &[]),
        ("f", "z", Ascending, 10, &[]),
        ("", "a", Descending, 10, &[]),
    ] {
        let found = scan(owner.state(0), &operator("op"), from, to, direction, limit);
        assert_eq!(found, expected, "{from:?} to {to:?}, {direction:?}, at most {limit}");
    }
}

/// The keys of the rows found; every row of these cases but the neighbours' has its key as its value or a number.
fn scan(
    state: &dyn StateRead,
    operator: &OperatorName,
    from: &str,
    to: &str,
    direction: Direction,
    limit: usize,
) -> Vec<String> {
    let rows = state.scan(operator, from.as_bytes(), to.as_bytes(), direction, limit).unwrap();
    rows.into_iter().map(|(key, _)| String::from_utf8(key.to_vec()).unwrap()).collect()
}
