//! Aggregates over events: tables written by hand, and the same against a computation over all events at once.

mod batch;
mod states;
mod tables;

use std::time::Duration;

use riverrun_event::Time;

use super::{Aggregate, Emit, Fields, Function, Method, Options};
use crate::context::StepError;
use crate::operators::Operator;
use crate::operators::testing::{World, event_at};
use crate::window::Window;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn operator(method: Method, options: Options) -> Operator {
    let aggregate = Aggregate { method, options };
    assert_eq!(aggregate.check(), Ok(()));
    Operator::Aggregate(Box::new(aggregate))
}

fn fields(fields: &[(&str, &str)]) -> Method {
    let field = |(name, function): &(&str, &str)| ((*name).to_owned(), Function::parse(function).unwrap());
    Method::Aggregate(Fields::new(fields.iter().map(field).collect()).unwrap())
}

/// Counts the events, and sums their `data.n`.
fn counting(window: impl Into<Option<Window>>, emit: Emit) -> Operator {
    let window = window.into();
    operator(fields(&[("n", "count()"), ("sum", "sum(data.n)")]), Options { window, emit, ..Options::default() })
}

/// A result with its window as seconds: `a 0..10 {"n":1}`.
fn short(shown: String) -> String {
    let Some((key, rest)) = shown.split_once(" {\"window\":{\"start\":\"") else { return shown };
    let (start, rest) = rest.split_once("\",\"end\":\"").unwrap();
    let (end, rest) = rest.split_once("\"},").unwrap();
    let second = |text: &str| Time::parse(text).unwrap().unix_seconds();
    format!("{key} {}..{} {{{rest}", second(start), second(end))
}

/// What comes out with each event, given as second, key and data.
fn outputs(world: &mut World, operator: &Operator, events: &[(i64, &str, &str)]) -> Vec<Vec<String>> {
    let step = |(at, key, data): &(i64, &str, &str)| {
        let out = world.step(operator, 0, event_at(*at, key, data));
        out.into_iter().map(short).collect()
    };
    events.iter().map(step).collect()
}

/// Runs a table: each event as second, key and data, and what comes out with it. Then the same with a restart after each event,
/// which has to give the same outputs and state.
#[track_caller]
fn check(operator: &Operator, table: &[(i64, &str, &str, &[&str])]) -> World {
    let mut world = World::default();
    let mut restarted = World::default();
    for (at, key, data, expected) in table {
        let out = outputs(&mut world, operator, &[(*at, key, data)]).concat();
        assert_eq!(out, *expected, "at {at}: {key} {data}");
        restarted.restart();
        assert_eq!(outputs(&mut restarted, operator, &[(*at, key, data)]).concat(), *expected, "after a restart");
        assert_eq!(restarted.own_rows(), world.own_rows());
    }
    assert_eq!(restarted.rows(), world.rows());
    world
}

#[track_caller]
fn check_error(operator: &Operator, key: &str, data: &str, code: &str, message: &str) {
    let Err(StepError::Event(error)) = World::default().apply(operator, &mut event_at(0, key, data)) else {
        panic!("no error of the event")
    };
    assert_eq!((error.code, error.message.as_str()), (code, message));
}
