//! `reduce`, `fold` and `cogroup`, against tables written by hand.

use riverrun_event::TopicName;

use super::super::Fold;
use super::*;
use crate::document::Json;
use crate::expression::Expression;

fn with(source: &str) -> Expression {
    Expression::parse_with_state(source).unwrap()
}

fn reduce() -> Method {
    Method::Reduce(Fold {
        initial: None,
        with: with("data.n > state.n ? data : state"),
        streams: Vec::new(),
        merge: None,
    })
}

fn fold(merge: Option<&str>) -> Fold {
    Fold {
        initial: Some(Json::check(r#"{"n":0}"#).unwrap()),
        with: with("{'n': state.n + data.n}"),
        streams: Vec::new(),
        merge: merge.map(with),
    }
}

#[test]
fn reduce_begins_with_the_first_event() {
    check(
        &operator(reduce(), Options::default()),
        &[
            (1, "a", r#"{"n": 3.0}"#, &[r#"a {"n": 3.0}"#]),
            (2, "a", r#"{"n":2}"#, &[r#"a {"n": 3.0}"#]),
            (3, "b", "7", &["b 7"]),
            // A deletion has nothing to compare.
            (4, "a", "", &[]),
            (5, "a", r#" {"n":4} "#, &[r#"a {"n":4}"#]),
        ],
    );
}

#[test]
fn reduce_merges_sessions_by_itself() {
    check(
        &operator(
            reduce(),
            Options { window: Some(Window::session(seconds(10)).grace(seconds(99))), ..Options::default() },
        ),
        &[
            (100, "a", r#"{"n":3}"#, &[r#"a 100..110 {"value":{"n":3}}"#]),
            (115, "a", r#"{"n":2}"#, &[r#"a 115..125 {"value":{"n":2}}"#]),
            (108, "a", r#"{"n":1}"#, &[r#"a 100..125 {"value":{"n":3}}"#]),
        ],
    );
}

#[test]
fn fold_begins_with_what_is_declared() {
    check(
        &operator(
            Method::Fold(fold(None)),
            Options { window: Some(Window::tumbling(seconds(10))), ..Options::default() },
        ),
        &[
            (1, "a", r#"{"n":3}"#, &[r#"a 0..10 {"value":{"n":3}}"#]),
            (2, "a", r#"{"n":2}"#, &[r#"a 0..10 {"value":{"n":5}}"#]),
            (12, "a", r#"{"n":1}"#, &[r#"a 10..20 {"value":{"n":1}}"#]),
        ],
    );
    let message = "data.n is null or missing; + cannot compute with it (in `{'n': state.n + data.n}`)";
    check_error(&operator(Method::Fold(fold(None)), Options::default()), "a", "{}", "RR0301", message);
}

#[test]
fn a_state_that_grows_without_end_is_refused() {
    let doubling =
        Fold { initial: Json::check("\"0123456789abcdef\"").ok(), with: with("state + state"), ..fold(None) };
    let operator = operator(Method::Fold(doubling), Options::default());
    let mut world = World::default();
    let grown = (0..15).map(|at| world.step(&operator, 0, event_at(at, "a", "1"))[0].len()).last();
    assert_eq!(grown, Some((16 << 15) + "a \"\"".len()));
    let Err(StepError::Event(error)) = world.apply(&operator, &mut event_at(99, "a", "1")) else { panic!("no error") };
    assert_eq!(error.to_string(), "RR0317 in tested: the state takes more than 1 MiB (in `state + state`)");
}

#[test]
fn a_fold_over_sliding_windows_says_how_to_merge() {
    let options = || Options { window: Some(Window::sliding(seconds(10)).grace(seconds(5))), ..Options::default() };
    let unmerged = Aggregate { method: Method::Fold(fold(None)), options: options() };
    assert_eq!(unmerged.check().unwrap_err().field, "merge");
    check(
        &operator(Method::Fold(fold(Some("{'n': state.n + data.n}"))), options()),
        &[
            (100, "a", r#"{"n":3}"#, &[r#"a 90..100 {"value":{"n":3}}"#]),
            (104, "a", r#"{"n":2}"#, &[r#"a 94..104 {"value":{"n":5}}"#]),
            (112, "a", r#"{"n":1}"#, &[r#"a 102..112 {"value":{"n":3}}"#]),
            (109, "a", r#"{"n":8}"#, &[r#"a 99..109 {"value":{"n":13}}"#, r#"a 102..112 {"value":{"n":11}}"#]),
        ],
    );
}

#[test]
fn cogroup_takes_events_of_several_topics() {
    let streams = vec![(TopicName::new("returns").unwrap(), with("{'n': state.n - data.amount}"))];
    let operator = operator(Method::Cogroup(Fold { streams, ..fold(None) }), Options::default());
    assert_eq!(operator.further_inputs(), [&TopicName::new("returns").unwrap()]);
    let mut world = World::default();
    assert_eq!(world.step(&operator, 0, event_at(1, "a", r#"{"n":5}"#)), [r#"a {"n":5}"#]);
    assert_eq!(world.step(&operator, 1, event_at(2, "a", r#"{"amount":2}"#)), [r#"a {"n":3}"#]);
    assert_eq!(world.step(&operator, 1, event_at(3, "b", r#"{"amount":2}"#)), [r#"b {"n":-2}"#]);
    let alone = Aggregate { method: Method::Cogroup(fold(None)), options: Options::default() };
    assert_eq!(alone.check().unwrap_err().field, "streams");
}
