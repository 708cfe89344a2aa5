//! Runs a query over generated events without disk or network, and compares what comes out with a batch computation.

use std::time::Duration;

use riverrun::testing::Driver;
use riverrun::{Event, Time};
use riverrun_nexmark::events::{BEGINNING_MS, Bid, Data, Entry, Options, generate};
use riverrun_nexmark::load;
use serde_json::Value;

/// A result as the query's topic holds it.
pub(crate) type Result = Event<Value>;

const HOUR: Duration = Duration::from_secs(3600);
/// More than the auction house ever does at a time: the partitions of a query get one of so many keys each, the hours too.
const CLOSING_KEYS: usize = 32;
const CLOSING_HOURS: u64 = 8;

/// When the entry of this index is accepted. Deliberately not when it happened: the clock runs at another speed, and it jumps.
pub(crate) fn accepted_ms(index: u64) -> u64 {
    BEGINNING_MS + 600_000 + index * 3 + index / 700 * 4_500
}

/// Runs the query over events in order, over the same with a restart after every 83rd, and over events that come up to 200 ms
/// late (the files give them a second); `shown` picks what is compared of the results, which are in no order.
pub(crate) fn check(query: &str, expected: fn(&[Entry]) -> Vec<Value>, shown: fn(Vec<Result>) -> Vec<Value>) {
    for (disorder, restart_every) in [(1, usize::MAX), (1, 83), (20, usize::MAX)] {
        let entries: Vec<Entry> = generate(Options { disorder, ..Options::default() }).collect();
        let ran = run(query, &entries, restart_every);
        let expected = expected(&entries);
        assert!(expected.len() > 1, "{query}: these events ask nothing of it");
        assert!(ran.late.is_empty(), "{query} (disorder {disorder}): {:?} is late", ran.late.first());
        compare(query, expected, shown(ran.results));
    }
}

/// Compares in any order.
#[track_caller]
pub(crate) fn compare(what: &str, mut expected: Vec<Value>, mut found: Vec<Value>) {
    for values in [&mut expected, &mut found] {
        values.iter_mut().for_each(normalize);
        values.sort_by_cached_key(Value::to_string);
    }
    let differing = |values: &[Value], others: &[Value]| -> Vec<Value> {
        values.iter().filter(|value| !others.contains(value)).take(3).cloned().collect()
    };
    let counts = (expected.len(), found.len());
    let is_equal = expected == found;
    assert!(
        is_equal,
        "{what}: {counts:?} expected and found; lacking {:?}, too many {:?}",
        differing(&expected, &found),
        differing(&found, &expected)
    );
}

/// What a query gave once everything was over.
pub(crate) struct Ran {
    /// What its topic holds.
    pub(crate) results: Vec<Result>,
    /// What came too late.
    pub(crate) late: Vec<Result>,
}

/// Runs the query; no event may fail.
pub(crate) fn run(query: &str, entries: &[Entry], restart_every: usize) -> Ran {
    let app = load(query).unwrap();
    assert!(app.warnings().is_empty(), "{query}: {}", app.warnings());
    let mut driver = Driver::start(app.clone()).unwrap();
    for (index, entry) in (0..).zip(entries) {
        driver.set_time(at(accepted_ms(index))).unwrap();
        driver.publish(entry.topic(), entry.event()).unwrap();
        if (index as usize + 1).is_multiple_of(restart_every) {
            driver.restart().unwrap();
        }
    }
    close(&mut driver, entries);
    let pipelines = &app.topology().pipelines;
    for pipeline in pipelines.keys() {
        let letters = driver.dead_letters(pipeline.as_str()).unwrap();
        assert!(letters.is_empty(), "{query}: {pipeline} has {} dead letters, {:?}", letters.len(), letters.first());
    }
    let late = format!("{query}-late");
    let declares_late =
        pipelines.values().any(|pipeline| pipeline.outputs().iter().any(|topic| topic.as_str() == late));
    Ran { results: read(&mut driver, query), late: if declares_late { read(&mut driver, &late) } else { Vec::new() } }
}

/// What a topic holds, without what came of the bids that closed the windows.
fn read(driver: &mut Driver, topic: &str) -> Vec<Result> {
    let end = at(BEGINNING_MS).plus(HOUR);
    let events: Vec<Result> = driver.read(topic).unwrap();
    events.into_iter().filter(|event| event.time().unwrap() < end).collect()
}

/// Bids that have nothing to do with the others, hours later: every partition gets some, so every window closes, and so do those of
/// the results of windows.
fn close(driver: &mut Driver, entries: &[Entry]) {
    for hour in 1..=CLOSING_HOURS {
        driver.advance(HOUR).unwrap();
        for entry in closing(entries, hour) {
            driver.publish(entry.topic(), entry.event()).unwrap();
        }
    }
}

/// The closing bids of an hour.
pub(crate) fn closing(entries: &[Entry], hour: u64) -> impl Iterator<Item = Entry> {
    let bid = entries.iter().find_map(|entry| if let Data::Bid(bid) = &entry.data { Some(bid) } else { None }).unwrap();
    (1_000_000..1_000_000 + CLOSING_KEYS).map(move |number| {
        let date_time = BEGINNING_MS + hour * 3_600_000;
        let bid = Bid { auction: number, bidder: number, date_time, ..bid.clone() };
        Entry { id: format!("closing-{hour}-{number}"), data: Data::Bid(bid) }
    })
}

/// A moment.
fn at(milliseconds: u64) -> Time {
    Time::from_unix_ms(milliseconds.try_into().unwrap())
}

/// What is compared: numbers by their value, so 5 is 5.0; windows as milliseconds since 1970.
fn normalize(value: &mut Value) {
    match value {
        Value::Number(number) => *value = number.as_f64().into(),
        Value::Array(elements) => elements.iter_mut().for_each(normalize),
        Value::Object(members) => {
            for (name, member) in members {
                if let ("start" | "end", Value::String(time)) = (name.as_str(), &*member) {
                    *member = Time::parse(time).unwrap().unix_ms().into();
                }
                normalize(member);
            }
        }
        _ => {}
    }
}
