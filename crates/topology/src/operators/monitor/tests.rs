//! Events of a key, second by second, and what the monitors make of them.

use std::time::Duration;

use super::*;
use crate::expression::Expression;
use crate::operators::Operator;
use crate::operators::testing::{World, event_at};

fn monitor(condition: Condition) -> Operator {
    let place = Path::parse(Monitor::PLACE_DEFAULT).unwrap();
    Operator::Monitor(Monitor { condition, place, late: None, view: None })
}

fn threshold(direction: Direction, limit: &str, clear: Option<&str>) -> Operator {
    let expression = |source: &str| Expression::parse(source).unwrap();
    let threshold = Threshold::new(expression("data.v // v"), direction, expression(limit), clear.map(expression));
    monitor(Condition::Threshold(threshold.unwrap()))
}

/// Steps events given as second, key and data, each with what comes out, key and change; gives the world afterwards.
#[track_caller]
fn check(operator: &Operator, events: &[(i64, &str, &str, &[&str])]) -> World {
    let mut world = World::default();
    for (second, key, data, expected) in events {
        assert_eq!(world.step(operator, 0, event_at(*second, key, data)), *expected, "at {second}");
    }
    world
}

#[test]
fn a_value_crosses_a_limit() {
    let world = check(
        &threshold(Direction::Above, "90", Some("80")),
        &[
            (0, "a", r#"{"v":90}"#, &[]),
            (1, "a", r#"{"v":90.5}"#, &[r#"a {"v":90.5,"monitor":{"state":"raised","value":90.5}}"#]),
            (2, "a", r#"{"v":100}"#, &[]),
            (3, "b", r#"{"v":0}"#, &[]),
            (4, "a", r#"{"v":null}"#, &[]),
            (5, "a", r#"{"v":81}"#, &[]),
            (6, "a", r#"{"v":80}"#, &[r#"a {"v":80,"monitor":{"state":"cleared","value":80}}"#]),
            (7, "a", r#"{"v":85}"#, &[]),
            (8, "a", "", &[]),
        ],
    );
    assert_eq!(world.rows(), 0);
    let world = check(
        &threshold(Direction::Below, "data.least", None),
        &[
            (0, "a", r#"{"v":1,"least":2}"#, &[r#"a {"v":1,"least":2,"monitor":{"state":"raised","value":1}}"#]),
            (1, "a", r#"{"v":2,"least":2}"#, &[r#"a {"v":2,"least":2,"monitor":{"state":"cleared","value":2}}"#]),
            (2, "a", r#"{"v":2,"least":3}"#, &[r#"a {"v":2,"least":3,"monitor":{"state":"raised","value":2}}"#]),
        ],
    );
    let (row, value) = world.own_rows().into_iter().next().unwrap();
    let row = Monitor::view_row(&row, &value).unwrap().unwrap();
    assert_eq!(
        (row.key.as_slice(), &row.data[..]),
        (&b"a"[..], &br#"{"v":2,"least":3,"monitor":{"state":"raised","value":2}}"#[..])
    );
}

#[test]
fn many_events_come_in_a_time() {
    let rate = monitor(Condition::Rate(Rate { more_than: 2, within: Duration::from_secs(10) }));
    let mut world = check(
        &rate,
        &[
            (0, "a", r#"{"n":1}"#, &[]),
            (1, "b", r#"{"n":2}"#, &[]),
            (5, "a", r#"{"n":3}"#, &[]),
            (10, "a", r#"{"n":4}"#, &[]),
            (7, "a", r#"{"n":5}"#, &[r#"a {"n":5,"monitor":{"state":"raised","value":3}}"#]),
            (10, "a", r#"{"n":6}"#, &[]),
            // Of 5, 7, 10 and 10 the first two lie behind.
            (17, "b", r#"{"n":7}"#, &[r#"a {"n":6,"monitor":{"state":"cleared","value":2}}"#]),
            (7, "a", r#"{"n":8}"#, &[]),
            (17, "a", "", &[r#"a {"monitor":{"state":"raised","value":3}}"#]),
        ],
    );
    assert_eq!(world.late, [r#"a {"n":8}"#]);
    let cleared = world.fired(&rate, &event_at(100, "z", "{}"));
    assert_eq!(cleared[0].header().time.unwrap().unix_seconds(), 20);
    assert_eq!(cleared[0].cause().unwrap().position.to_string(), "input-0/0@8");
    assert_eq!((cleared.len(), world.rows()), (1, 0));
}

#[test]
fn no_event_comes_for_a_time() {
    let absence = monitor(Condition::Absence(Absence { of: Duration::from_secs(10) }));
    let mut world = check(
        &absence,
        &[
            (0, "a", r#"{"n":1}"#, &[]),
            (9, "a", r#"{"n":2}"#, &[]),
            (8, "a", r#"{"n":3}"#, &[]),
            (18, "b", r#"{"n":4}"#, &[]),
            (19, "b", r#"{"n":5}"#, &[r#"a {"n":2,"monitor":{"state":"raised","value":"1970-01-01T00:00:09Z"}}"#]),
            (9, "a", r#"{"n":6}"#, &[]),
            (15, "a", r#"{"n":7}"#, &[r#"a {"n":7,"monitor":{"state":"cleared","value":"1970-01-01T00:00:15Z"}}"#]),
            (20, "a", r#"{"n":8}"#, &[]),
        ],
    );
    assert_eq!(world.late, [r#"a {"n":6}"#]);
    let raised = world.fired(&absence, &event_at(100, "z", "{}"));
    let times: Vec<i64> = raised.iter().map(|draft| draft.event_time().unix_seconds()).collect();
    assert_eq!(times, [29, 30]);
    // Both are known to be absent, and nothing else is.
    assert_eq!(world.rows(), 2);
}

#[test]
fn what_cannot_say_a_change_is_the_events_error() {
    let absence = monitor(Condition::Absence(Absence { of: Duration::from_secs(10) }));
    let mut event = event_at(0, "a", "[1]");
    let error = World::default().apply(&absence, &mut event).unwrap_err();
    assert_eq!(error.to_string(), "RR0302 in tested: data.monitor cannot be set: data is a list, not an object");
    let limit = threshold(Direction::Above, "90", None);
    let error = World::default().apply(&limit, &mut event_at(0, "a", r#"{"v":"x"}"#)).unwrap_err();
    assert!(error.to_string().starts_with("RR0301 in tested: "), "{error}");
}
