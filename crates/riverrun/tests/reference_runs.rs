//! Every example of a step in docs/app-file.md and of the guide docs/operators.md runs, and gives what it says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::collections::BTreeMap;

use riverrun::testing::Driver;
use riverrun::{App, Event, Key, Time};
use serde_json::Value;

const REFERENCE: &str = include_str!("../../../docs/app-file.md");
const GUIDE: &str = include_str!("../../../docs/operators.md");

/// The examples of the reference.
fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    examples_of(REFERENCE.split_once("\n## Every step by example\n").unwrap().1)
}

/// The app file and the lines of events behind it, of each example.
fn examples_of(page: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    page.split("```yaml\n").skip(1).map(|example| {
        let (file, behind) = example.split_once("```\n").unwrap();
        let (_, events) = behind.split_once("```text\n").unwrap();
        (file, events.split_once("```\n").unwrap().0)
    })
}

/// A key in brackets, where there is one, and the data.
fn key_and_data(text: &str) -> (Option<&str>, Value) {
    let (key, data) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("] ").map(|(key, data)| (Some(key), data)).unwrap(),
        None => (None, text),
    };
    (key, serde_json::from_str(data).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// An event as a sender makes it; what the data says as `at` is its time.
fn event(data: Value) -> Event<Value> {
    let time = data.get("at").and_then(Value::as_str).map(|at| Time::parse(at).unwrap());
    let event = Event::new("example", data);
    match time {
        Some(time) => event.at(time),
        None => event,
    }
}

/// What the topics hold, in any order: partitions come one after the other.
type Held = BTreeMap<String, Vec<String>>;

fn check(file: &str, events: &str) {
    let app = App::parse(file, "riverrun.yaml").unwrap_or_else(|error| panic!("{file}\n{error}"));
    assert!(app.warnings().is_empty(), "{file}\n{}", app.warnings());
    // Whoever is asked knows this much.
    let known = |_| async { Ok(br#"{"tier":"gold"}"#.as_slice().into()) };
    let mut driver = Driver::start(app.http_lookup(known)).unwrap();
    let (mut expected, mut found) = (Held::new(), Held::new());
    for line in events.lines() {
        let (topic, rest) = line.split_once(' ').unwrap();
        match rest.trim_start().split_at(2) {
            ("> ", data) => {
                settle(&mut driver, expected.keys().cloned().collect(), &mut found);
                driver.publish(topic, event(key_and_data(data).1)).unwrap();
            }
            ("< ", event) => {
                let (key, data) = key_and_data(event);
                expected.entry(topic.to_owned()).or_default().push(format!("{key:?} {data}"));
                found.entry(topic.to_owned()).or_default();
            }
            _ => panic!("{line}"),
        }
    }
    settle(&mut driver, expected.keys().cloned().collect(), &mut found);
    for (topic, lines) in &mut expected {
        // A key that the example does not show may be any.
        let keys_shown = lines.iter().all(|line| line.starts_with("Some"));
        let found = found.entry(topic.clone()).or_default();
        if !keys_shown {
            found.iter_mut().for_each(|line| *line = format!("None {}", line.split_once(' ').unwrap().1));
        }
        lines.sort();
        found.sort();
    }
    assert_eq!(found, expected, "{file}");
}

/// Waits until all is processed and takes what is new in the topics.
fn settle(driver: &mut Driver, topics: Vec<String>, found: &mut Held) {
    for topic in topics {
        for event in driver.read::<Value>(&topic).unwrap() {
            let key = event.key().and_then(Key::as_str).map(str::to_owned);
            found.entry(topic.clone()).or_default().push(format!("{key:?} {}", event.data));
        }
    }
}

#[test]
fn every_example_gives_what_it_says() {
    let count = examples().inspect(|(file, events)| check(file, events)).count();
    assert!(count >= 11, "{count} examples were found");
}

#[test]
fn every_example_of_the_guide_gives_what_it_says() {
    let count = examples_of(GUIDE).inspect(|(file, events)| check(file, events)).count();
    assert!(count >= 3, "{count} examples were found");
}

#[test]
fn every_verb_has_an_example() {
    let (_, steps) = REFERENCE.split_once("\n## `pipelines.<name>.steps[]`\n").unwrap();
    let (steps, _) = steps.split_once("\n## ").unwrap();
    let verbs = steps.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(verb, _)| verb);
    // A name is no verb, and a transformer needs a service.
    let verbs: Vec<&str> = verbs.filter(|verb| !["name", "transform"].contains(verb)).collect();
    assert!(verbs.len() >= 12, "{verbs:?}");
    for verb in verbs {
        assert!(
            examples().any(|(file, _)| file.contains(&format!("- {verb}: ")) || file.contains(&format!("- {verb}:\n"))),
            "{verb}"
        );
    }
}
