//! The outputs against a recomputation from the input log: each input gives exactly one output or one dead letter, with the right
//! count, attributes and order.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::Findings;
use super::count::Count;
use crate::position::Position;
use crate::reader::Record;
use crate::scenario_app::{APP, SCORED};

/// Checks all outputs and dead letters. Snapshots have a check of their own.
pub(super) fn check(orders: &[Record], scored: &[Record], dead_letters: &[Record], findings: &mut Findings) {
    let mut outputs = by_cause(scored, "output", findings);
    let mut letters = by_cause(dead_letters, "dead letter", findings);
    let mut counts: HashMap<u32, Count> = HashMap::new();
    for input in orders {
        let expected = counts.entry(input.position.partition).or_default().apply(input);
        let (output, letter) = (outputs.remove(&input.position), letters.remove(&input.position));
        match (expected, output, letter) {
            (Some(expected), Some(output), None) => check_output(input, expected, output, findings),
            (None, None, Some(letter)) => check_letter(input, letter, findings),
            (expected, output, letter) => findings.add(format!(
                "{} should give {}; it has output {:?} and dead letter {:?}",
                input.position,
                if expected.is_some() { "one output" } else { "one dead letter" },
                output.map(|output| output.position.to_string()),
                letter.map(|letter| letter.position.to_string()),
            )),
        }
    }
    for stray in outputs.into_values().chain(letters.into_values()) {
        findings.add(format!(
            "{} comes from an input that does not exist: {:?}",
            stray.position,
            stray.text("rrcause")
        ));
    }
    check_ids(scored, findings);
    check_order(scored, findings);
}

/// Records by the input they name as their cause.
fn by_cause<'a>(records: &'a [Record], what: &str, findings: &mut Findings) -> BTreeMap<Position, &'a Record> {
    let mut causes: BTreeMap<Position, &Record> = BTreeMap::new();
    for record in records {
        match record.text("rrcause").as_deref().and_then(Position::parse) {
            None => findings.add(format!("{} names no input as its cause", record.position)),
            Some(cause) => {
                if let Some(first) = causes.insert(cause.clone(), record) {
                    let second = &record.position;
                    findings.add(format!("{cause} has a second {what}: at {} and {second}", first.position));
                }
            }
        }
    }
    causes
}

fn check_output(input: &Record, expected: Value, output: &Record, findings: &mut Findings) {
    let id = input.text("id");
    let members = [
        ("id", Some(format!("{}/to.0", input.position))),
        ("source", Some(format!("/{APP}/{SCORED}"))),
        ("type", input.text("type")),
        ("time", input.text("time")),
        ("note", input.text("note")),
        ("partitionkey", input.text("partitionkey")),
        ("causationid", id.clone()),
        ("causationsource", input.text("source")),
        ("correlationid", id),
    ];
    for (name, expected) in members {
        let found = output.text(name);
        if found != expected {
            findings.add(format!(
                "{} from {}: {name} is {found:?}, expected {expected:?}",
                output.position, input.position
            ));
        }
    }
    let mut data = output.data_value().unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("snapshot");
    }
    if data != expected {
        findings.add(format!("{} from {}: data is {data}, expected {expected}", output.position, input.position));
    }
}

fn check_letter(input: &Record, letter: &Record, findings: &mut Findings) {
    for name in ["id", "source", "type", "time", "note"] {
        if letter.text(name) != input.text(name) {
            findings.add(format!("{}: {name} is not that of {}", letter.position, input.position));
        }
    }
    if letter.data() != input.data() {
        findings.add(format!("{}: the data is not that of {}", letter.position, input.position));
    }
    if letter.text("rrerrorcode").is_none_or(|code| !code.starts_with("RR")) {
        findings.add(format!("{}: the dead letter has no error code", letter.position));
    }
}

fn check_ids(scored: &[Record], findings: &mut Findings) {
    let mut ids = HashSet::new();
    for output in scored {
        if !ids.insert((output.text("source"), output.text("id"))) {
            findings.add(format!("{}: the id {:?} is there twice", output.position, output.text("id")));
        }
    }
}

/// Outputs of a key stand in the order of their inputs.
fn check_order(scored: &[Record], findings: &mut Findings) {
    let mut last: HashMap<String, (u32, u64)> = HashMap::new();
    for output in scored {
        let cause = output.text("rrcause").as_deref().and_then(Position::parse);
        let (Some(cause), Some(key)) = (cause, output.text("partitionkey")) else { continue };
        let Some((partition, offset)) = last.insert(key.clone(), (output.position.partition, cause.offset)) else {
            continue;
        };
        if partition != output.position.partition || offset >= cause.offset {
            findings.add(format!("{} from {cause} is out of order within key {key}", output.position));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(offset: u64, data: &str) -> Record {
        let more = r#""source":"/torture/0","type":"order.placed","time":"2024-03-01T00:00:00Z","partitionkey":"a1""#;
        Record::sample(&format!(r#"{{"id":"o-{offset}",{more},"data":{data},"rrposition":"orders/0@{offset}"}}"#))
    }

    fn output(offset: u64, cause: u64, data: &str) -> Record {
        Record::sample(&format!(
            r#"{{"id":"orders/0@{cause}/to.0","source":"/torture/scored","type":"order.placed","time":"2024-03-01T00:00:00Z","partitionkey":"a1","causationid":"o-{cause}","causationsource":"/torture/0","correlationid":"o-{cause}","rrcause":"orders/0@{cause}","data":{data},"rrposition":"scored/0@{offset}"}}"#
        ))
    }

    fn check_findings(scored: &[Record], expected: &[&str]) {
        let orders = [order(0, r#"{"amount":5}"#), order(1, r#"{"amount":6}"#)];
        let mut findings = Findings::default();
        check(&orders, scored, &[], &mut findings);
        assert_eq!(findings.0.len(), expected.len(), "{:?}", findings.0);
        for (finding, expected) in findings.0.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding} has no {expected:?}");
        }
    }

    #[test]
    fn double_missing_and_wrong_outputs_are_found() {
        let first = r#"{"amount":5,"seen":1,"sum":5,"snapshot":{"account":null}}"#;
        let second = r#"{"amount":6,"seen":2,"sum":11}"#;
        check_findings(&[output(0, 0, first), output(1, 1, second)], &[]);
        check_findings(&[output(0, 0, first)], &["orders/0@1 should give one output"]);
        let applied_twice = r#"{"amount":6,"seen":3,"sum":17}"#;
        check_findings(&[output(0, 0, first), output(1, 1, applied_twice)], &["data is"]);
        let twice = [output(0, 0, first), output(1, 1, second), output(2, 1, second)];
        check_findings(&twice, &["second output", "is there twice", "out of order"]);
        check_findings(&[output(0, 1, second), output(1, 0, first)], &["out of order"]);
    }
}
