//! Windows, against a computation that has all events before it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::window::Shape;

/// Second, key and number.
type Sample = (i64, &'static str, i64);

/// Key, start and end to the result.
type Results = BTreeMap<(String, i64, i64), String>;

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec((-30_i64..60, prop::sample::select(vec!["a", "b"]), -9_i64..9), 0..40)
}

fn shapes() -> impl Strategy<Value = Window> {
    let length = || 1_u64..25;
    prop_oneof![
        length().prop_map(|size| Window::tumbling(seconds(size))),
        (length(), length()).prop_map(|(size, every)| Window::hopping(seconds(size), seconds(every.min(size)))),
        length().prop_map(|size| Window::sliding(seconds(size))),
        length().prop_map(|gap| Window::session(seconds(gap))),
    ]
}

fn emissions() -> impl Strategy<Value = Emit> {
    prop_oneof![Just(Emit::Change), Just(Emit::Close), (1_u64..30).prop_map(|pause| Emit::Every(seconds(pause)))]
}

fn made(window: Window, emit: Emit) -> Operator {
    let functions = [("n", "count()"), ("sum", "sum(data)"), ("least", "min(data)"), ("all", "distinct(data % 3)")];
    operator(fields(&functions), Options { window: Some(window), emit, ..Options::default() })
}

/// The windows of one key's events, each with the numbers in it.
fn windows(shape: Shape, events: &[(i64, i64)]) -> Vec<(i64, i64, Vec<i64>)> {
    let within = |holds: &dyn Fn(i64) -> bool| {
        events.iter().filter(|(at, _)| holds(*at)).map(|(_, number)| *number).collect::<Vec<_>>()
    };
    let length = |length: Duration| i64::try_from(length.as_secs()).unwrap();
    let times: BTreeSet<i64> = events.iter().map(|(at, _)| *at).collect();
    match shape {
        Shape::Tumbling { size } => windows(Shape::Hopping { size, every: size }, events),
        Shape::Hopping { size, every } => {
            let (size, every) = (length(size), length(every));
            let starts = (-100..100).map(|number| number * every);
            starts
                .map(|start| (start, start + size, within(&|at| start <= at && at < start + size)))
                .filter(|(_, _, numbers)| !numbers.is_empty())
                .collect()
        }
        Shape::Sliding { size } => {
            let size = length(size);
            times.iter().map(|end| (end - size, *end, within(&|at| end - size < at && at <= *end))).collect()
        }
        Shape::Session { gap } => {
            let gap = length(gap);
            let mut sessions: Vec<(i64, i64)> = Vec::new();
            for at in times {
                match sessions.last_mut() {
                    Some((_, end)) if at < *end => *end = at + gap,
                    _ => sessions.push((at, at + gap)),
                }
            }
            sessions.into_iter().map(|(start, end)| (start, end, within(&|at| start <= at && at < end))).collect()
        }
    }
}

/// The parts of a result that do not depend on the order of events.
fn result(count: usize, sum: i64, least: i64, remainders: BTreeSet<i64>) -> String {
    format!("{count} {sum} {least} {remainders:?}")
}

fn batch(shape: Shape, events: &[Sample]) -> Results {
    let mut results = Results::new();
    for key in ["a", "b"] {
        let of_key: Vec<(i64, i64)> =
            events.iter().filter(|(_, of, _)| *of == key).map(|(at, _, number)| (*at, *number)).collect();
        for (start, end, numbers) in windows(shape, &of_key) {
            let least = *numbers.iter().min().unwrap();
            let remainders = numbers.iter().map(|number| number % 3).collect();
            let result = result(numbers.len(), numbers.iter().sum(), least, remainders);
            results.insert((key.to_owned(), start, end), result);
        }
    }
    results
}

/// The last result of each key and window, with those of sessions that became others left out.
fn last(outputs: Vec<String>) -> Results {
    let mut results = Results::new();
    for output in outputs.iter().filter(|output| !output.starts_with("end ")) {
        let mut parts = output.splitn(3, ' ');
        let (key, span, data) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        let (start, end) = span.split_once("..").unwrap();
        let (start, end) = (start.parse().unwrap(), end.parse().unwrap());
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let number = |name: &str| data[name].as_i64().unwrap();
        let remainders = data["all"].as_array().unwrap().iter().map(|value| value.as_i64().unwrap()).collect();
        let count = usize::try_from(number("n")).unwrap();
        results.insert((key.to_owned(), start, end), result(count, number("sum"), number("least"), remainders));
    }
    results
}

/// Everything that comes out, until long after the last event; and the worlds' states are the same with restarts.
fn run(operator: &Operator, events: &[Sample], restarts: bool) -> (Vec<String>, World) {
    let mut world = World::default();
    let mut out = Vec::new();
    for (at, key, number) in events.iter().copied().chain([(10_000, "end", 0)]) {
        if restarts {
            world.restart();
        }
        out.extend(world.step(operator, 0, event_at(at, key, &number.to_string())).into_iter().map(short));
    }
    out.extend(world.wait_until(operator, 20_000).into_iter().map(short));
    (out, world)
}

proptest! {
    #[test]
    fn all_events_at_once_come_to_the_same(events in samples(), window in shapes(), emit in emissions()) {
        // Nothing is late.
        let operator = made(window.grace(seconds(200)), emit);
        let (out, world) = run(&operator, &events, false);
        let expected = batch(window.shape, &events);
        let mut found = last(out.clone());
        if matches!(window.shape, Shape::Session { .. }) && emit != Emit::Close {
            found.retain(|window, _| expected.contains_key(window));
        }
        prop_assert_eq!(&found, &expected);
        if emit == Emit::Close {
            prop_assert_eq!(out.iter().filter(|out| !out.starts_with("end ")).count(), expected.len());
        }
        prop_assert_eq!(world.late.len(), 0);
        // What is left are the last event's rows, each with its timer.
        prop_assert!(world.own_rows().iter().all(|(row_key, _)| row_key.starts_with(b"end")));
        prop_assert_eq!(world.rows(), world.own_rows().len() * 2);
        let (again, restarted) = run(&operator, &events, true);
        prop_assert_eq!(again, out);
        prop_assert_eq!(restarted.own_rows(), world.own_rows());
    }

    #[test]
    fn what_is_late_is_in_no_window_that_is_over(
        events in samples(), size in 1_u64..25, every in 1_u64..25, grace in 0_u64..20, emit in emissions(),
    ) {
        let window = Window::hopping(seconds(size), seconds(every.min(size))).grace(seconds(grace));
        let (out, world) = run(&made(window, emit), &events, false);
        let (mut now, mut late) = (i64::MIN, 0);
        let mut taken: BTreeMap<(String, i64, i64), Vec<i64>> = BTreeMap::new();
        for (at, key, number) in &events {
            now = now.max(*at);
            let mut is_late = false;
            for (start, end, _) in windows(window.shape, &[(*at, *number)]) {
                if end + i64::try_from(grace).unwrap() <= now {
                    is_late = true;
                } else {
                    taken.entry(((*key).to_owned(), start, end)).or_default().push(*number);
                }
            }
            late += usize::from(is_late);
        }
        let summed: Results = taken
            .into_iter()
            .map(|(window, numbers)| {
                let remainders = numbers.iter().map(|number| number % 3).collect();
                let least = *numbers.iter().min().unwrap();
                (window, result(numbers.len(), numbers.iter().sum(), least, remainders))
            })
            .collect();
        prop_assert_eq!(last(out), summed);
        prop_assert_eq!(world.late.len(), late);
    }
}
