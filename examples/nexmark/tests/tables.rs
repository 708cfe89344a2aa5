//! Windows and sessions, event by event, against tables written by hand.
//!
//! An event is `<second> <key>`, a result `<key> <start>-<end> <count>`, both in seconds since 2026-01-01T00:00:00Z.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by failing")]

use riverrun::testing::Driver;
use riverrun::{App, Event, Time};
use riverrun_nexmark::events::BEGINNING_MS;
use serde_json::{Value, json};

/// Publishes the events one after the other to one partition; each is followed by the results it sets off, and by `late` where it
/// came too late for a window.
#[track_caller]
fn check(options: &str, table: &[(&str, &[&str])]) {
    let app = format!(
        "app: tables\ntopics: {{ bids: {{ partitions: 1 }} }}\npipelines:\n  counted:\n    from: bids\n    \
         steps: [{{ count: {{ {options}, late: late-bids }} }}]\n    to: counts\n"
    );
    let mut driver = Driver::start(App::parse(&app, "riverrun.yaml").unwrap()).unwrap();
    for (event, expected) in table {
        let (second, key) = event.split_once(' ').unwrap();
        let time = Time::from_unix_ms(beginning_ms() + (second.parse::<f64>().unwrap() * 1000.0) as i64);
        driver.publish("bids", Event::new("bid", json!({})).with_subject(key).at(time)).unwrap();
        let counts: Vec<Event<Value>> = driver.read("counts").unwrap();
        let mut found: Vec<String> = counts.iter().map(shown).collect();
        let late: Vec<Event<Value>> = driver.read("late-bids").unwrap();
        found.extend(late.iter().map(|_| "late".to_owned()));
        assert_eq!(found, *expected, "{options}, after {event}");
        driver.restart().unwrap();
    }
}

fn shown(count: &Event<Value>) -> String {
    let second = |end: &str| {
        let time = Time::parse(count.data["window"][end].as_str().unwrap()).unwrap();
        (time.unix_ms() - beginning_ms()) as f64 / 1000.0
    };
    format!("{} {}-{} {}", count.key().unwrap(), second("start"), second("end"), count.data["count"])
}

fn beginning_ms() -> i64 {
    BEGINNING_MS.try_into().unwrap()
}

#[test]
fn tumbling_windows_give_their_count_when_they_close() {
    check(
        "window: { tumbling: 10s }, emit: close",
        &[
            ("1 ada", &[]),
            ("4 bob", &[]),
            ("3 ada", &[]),
            ("0 ada", &[]),
            // The end of a window is the beginning of the next one.
            ("10 ada", &["ada 0-10 3", "bob 0-10 1"]),
            ("9.999 bob", &["late"]),
            ("19.999 bob", &[]),
            // Windows without events give nothing, however long the pause.
            ("65 bob", &["ada 10-20 1", "bob 10-20 1"]),
            ("60 ada", &[]),
            ("59.999 ada", &["late"]),
            ("70 ada", &["ada 60-70 1", "bob 60-70 1"]),
        ],
    );
}

#[test]
fn a_window_waits_for_late_events_as_long_as_its_grace() {
    check(
        "window: { tumbling: 10s, grace: 5s }, emit: close",
        &[
            ("1 ada", &[]),
            ("14.999 ada", &[]),
            ("9 ada", &[]),
            ("15 bob", &["ada 0-10 2"]),
            ("9 ada", &["late"]),
            ("13 ada", &[]),
            ("25 bob", &["ada 10-20 2", "bob 10-20 1"]),
        ],
    );
}

#[test]
fn windows_give_each_change() {
    check(
        "window: { tumbling: 10s, grace: 5s }",
        &[
            ("1 ada", &["ada 0-10 1"]),
            ("2 bob", &["bob 0-10 1"]),
            ("12 ada", &["ada 10-20 1"]),
            ("3 ada", &["ada 0-10 2"]),
            ("15 ada", &["ada 10-20 2"]),
            ("3 ada", &["late"]),
        ],
    );
}

#[test]
fn an_event_is_in_every_hopping_window_that_is_open() {
    check(
        "window: { hopping: 10s, every: 5s }, emit: close",
        &[
            // In -5 to 5 and 0 to 10.
            ("4 ada", &[]),
            ("5 ada", &["ada -5-5 1"]),
            // Too late for -5 to 5, in time for 0 to 10.
            ("3 ada", &["late"]),
            ("12 bob", &["ada 0-10 3"]),
            ("15 bob", &["ada 5-15 1", "bob 5-15 1"]),
            ("100 ada", &["bob 10-20 2", "bob 15-25 1"]),
        ],
    );
}

#[test]
fn a_session_ends_a_gap_after_its_last_event() {
    check(
        "window: { session: 10s }, emit: close",
        &[
            ("0 ada", &[]),
            ("9.999 ada", &[]),
            ("2 bob", &[]),
            // The gap of bob is over, that of ada is not.
            ("12 ada", &["bob 2-12 1"]),
            // A gap after the last event begins another session.
            ("22 ada", &["ada 0-22 3"]),
            // Reaches back into the session of the second 22, which is open.
            ("13 ada", &[]),
            ("3 ada", &["late"]),
            ("60 bob", &["ada 13-32 2"]),
        ],
    );
}

#[test]
fn an_event_between_two_sessions_makes_them_one() {
    check(
        "window: { session: 10s, grace: 20s }, emit: close",
        &[
            ("0 ada", &[]),
            ("18 ada", &[]),
            ("9 ada", &[]),
            ("30 bob", &[]),
            ("48 bob", &["ada 0-28 3"]),
            ("39.999 bob", &[]),
            ("100 ada", &["bob 30-58 3"]),
        ],
    );
}

#[test]
fn a_sliding_window_is_the_time_before_each_event() {
    check(
        "window: { sliding: 10s }",
        &[
            ("0 ada", &["ada -10-0 1"]),
            ("4 ada", &["ada -6-4 2"]),
            // What is exactly as long ago as the window is long is not in it.
            ("10 ada", &["ada 0-10 2"]),
            ("10 bob", &["bob 0-10 1"]),
            ("100 ada", &["ada 90-100 1"]),
        ],
    );
}
