//! Runs a query over generated events without disk or network, and compares what comes out with a batch computation.

use riverrun::testing::Driver;
use riverrun::{Event, Time};
use riverrun_nexmark::events::{BEGINNING_MS, Entry, Options, generate};
use riverrun_nexmark::load;
use serde_json::Value;

/// A result as the query's topic holds it.
pub(crate) type Result = Event<Value>;

/// When the entry of this index is accepted. Deliberately not when it happened: the clock runs at another speed, and it jumps.
pub(crate) fn accepted_ms(index: u64) -> u64 {
    BEGINNING_MS + 600_000 + index * 3 + index / 700 * 4_500
}

/// Runs the query over events in order, over the same with a restart after every 83rd, and over events that come up to 200 ms
/// late (the files give them a second); `shown` picks what is compared of each result, and the results are in no order.
pub(crate) fn check(query: &str, expected: impl Fn(&[Entry]) -> Vec<Value>, shown: impl Fn(Vec<Result>) -> Vec<Value>) {
    for (disorder, restart_every) in [(1, usize::MAX), (1, 83), (20, usize::MAX)] {
        let entries: Vec<Entry> = generate(Options { disorder, ..Options::default() }).collect();
        let (mut expected, mut found) = (expected(&entries), shown(run(query, &entries, restart_every)));
        assert!(!expected.is_empty(), "{query}: these events give no result");
        expected.iter_mut().chain(&mut found).for_each(normalize);
        sort(&mut expected);
        sort(&mut found);
        let differing = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        let counts = (expected.len(), found.len());
        assert!(differing.is_none() && counts.0 == counts.1, "{query} (disorder {disorder}): {counts:?} {differing:?}");
    }
}

fn run(query: &str, entries: &[Entry], restart_every: usize) -> Vec<Result> {
    let app = load(query).unwrap();
    assert!(app.warnings().is_empty(), "{query}: {}", app.warnings());
    let mut driver = Driver::start(app).unwrap();
    for (index, entry) in entries.iter().enumerate() {
        driver.set_time(at(accepted_ms(index as u64))).unwrap();
        driver.publish(entry.topic(), entry.event()).unwrap();
        if (index + 1) % restart_every == 0 {
            driver.restart().unwrap();
        }
    }
    driver.read(query).unwrap()
}

fn at(milliseconds: u64) -> Time {
    Time::from_unix_ms(milliseconds.try_into().unwrap())
}

fn sort(values: &mut [Value]) {
    values.sort_by_cached_key(Value::to_string);
}

/// Numbers are compared by their value: 5 is 5.0.
fn normalize(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.as_f64().into(),
        Value::Array(elements) => elements.iter_mut().for_each(normalize),
        Value::Object(members) => members.values_mut().for_each(normalize),
        _ => {}
    }
}
