//! The input log against the ledger: what was acknowledged is there once and as it was sent, what was refused is not there, nothing is
//! there that nobody sent, and each sender's events of a key stand in the order it sent them.

use std::collections::HashMap;

use super::Findings;
use crate::ledger::{Entry, Fate};
use crate::position::Position;
use crate::reader::Record;

/// Checks one topic.
pub(super) fn check(entries: &[Entry], topic: &str, records: &[Record], findings: &mut Findings) {
    let mut places: HashMap<(String, String), Vec<&Record>> = HashMap::new();
    for record in records {
        let identity = (record.text("source").unwrap_or_default(), record.text("id").unwrap_or_default());
        places.entry(identity).or_default().push(record);
    }
    for entry in entries.iter().filter(|entry| entry.topic == topic) {
        let identity = (entry.event.source.clone(), entry.event.id.clone());
        let found = places.remove(&identity).unwrap_or_default();
        check_entry(entry, &found, findings);
    }
    for ((source, id), found) in places {
        let at: Vec<String> = found.iter().map(|record| record.position.to_string()).collect();
        findings.add(format!("{topic} has an event {id:?} of {source:?} at {at:?} that nobody sent"));
    }
    check_order(entries, topic, findings);
}

fn check_entry(entry: &Entry, found: &[&Record], findings: &mut Findings) {
    let at: Vec<String> = found.iter().map(|record| record.position.to_string()).collect();
    let name = format!("event {:?} of {}", entry.event.id, entry.event.source);
    match &entry.fate {
        Fate::Acknowledged { position, .. } if at != [position.to_string()] => {
            findings.add(format!("{name} was acknowledged at {position} and is in the log at {at:?}"));
        }
        Fate::Unknown if at.len() > 1 => findings.add(format!("{name} was sent once and is in the log at {at:?}")),
        Fate::Refused if !at.is_empty() => findings.add(format!("{name} was refused and is in the log at {at:?}")),
        Fate::Acknowledged { .. } | Fate::Unknown | Fate::Refused => {}
    }
    for record in found {
        check_content(entry, record, findings);
    }
}

fn check_content(entry: &Entry, record: &Record, findings: &mut Findings) {
    let event = &entry.event;
    // A raw line break within JSON data may become a space in a line; the load sends none.
    let members = [
        ("type", record.text("type"), Some(event.kind.clone())),
        ("time", record.text("time"), Some(event.time())),
        ("subject", record.text("subject"), event.subject.clone()),
        ("note", record.text("note"), event.note.clone()),
        ("partitionkey", record.text("partitionkey"), event.key()),
        ("data", record.data().map(str::to_owned), event.data.clone()),
    ];
    for (name, found, sent) in members {
        if found != sent {
            findings.add(format!("{}: {name} is {found:?}, sent was {sent:?}", record.position));
        }
    }
}

/// A sender waits for an answer before it sends on, so its acknowledged events of a key must stand in that order.
fn check_order(entries: &[Entry], topic: &str, findings: &mut Findings) {
    let mut last: HashMap<(usize, String), &Position> = HashMap::new();
    for entry in entries.iter().filter(|entry| entry.topic == topic) {
        let (Fate::Acknowledged { position, .. }, Some(key)) = (&entry.fate, entry.event.key()) else { continue };
        let Some(before) = last.insert((entry.sender, key.clone()), position) else { continue };
        if before.partition != position.partition {
            findings.add(format!("key {key} is in two partitions: at {before} and {position}"));
        } else if before.offset >= position.offset {
            findings.add(format!("sender {} sent {before} before {position}, both of key {key}", entry.sender));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    fn entry(id: &str, fate: Fate) -> Entry {
        let event = Event {
            id: id.into(),
            source: "/torture/0".into(),
            kind: "order.placed".into(),
            subject: None,
            time_seconds: 0,
            note: None,
            data: Some(r#"{"account":"a1"}"#.into()),
        };
        Entry { topic: "orders".into(), event, sender: 0, sent: 1, fate }
    }

    fn acknowledged(offset: u64) -> Fate {
        Fate::Acknowledged { position: Position { topic: "orders".into(), partition: 0, offset }, at: 2 }
    }

    fn record(id: &str, offset: u64) -> Record {
        let event = entry(id, Fate::Unknown).event.structured();
        let more = format!(r#""partitionkey":"a1","rrposition":"orders/0@{offset}"}}"#);
        Record::sample(&format!("{},{more}", event.strip_suffix('}').unwrap()))
    }

    /// The findings must contain each of `expected`, in order, and no more.
    fn check_findings(entries: &[Entry], records: &[Record], expected: &[&str]) {
        let mut findings = Findings::default();
        check(entries, "orders", records, &mut findings);
        assert_eq!(findings.0.len(), expected.len(), "{:?}", findings.0);
        for (finding, expected) in findings.0.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding} has no {expected:?}");
        }
    }

    #[test]
    fn what_is_as_it_should_be_gives_no_finding() {
        let entries = [entry("1", acknowledged(0)), entry("2", Fate::Refused), entry("3", Fate::Unknown)];
        check_findings(&entries, &[record("1", 0)], &[]);
        check_findings(&entries, &[record("1", 0), record("3", 1)], &[]);
    }

    #[test]
    fn each_broken_promise_is_found() {
        check_findings(&[entry("1", acknowledged(0))], &[], &["acknowledged at orders/0@0 and is in the log at []"]);
        check_findings(&[entry("1", acknowledged(0))], &[record("1", 0), record("1", 1)], &["orders/0@1"]);
        check_findings(&[entry("1", Fate::Unknown)], &[record("1", 0), record("1", 1)], &["sent once"]);
        check_findings(&[entry("1", Fate::Refused)], &[record("1", 0)], &["was refused"]);
        check_findings(&[], &[record("1", 0)], &["nobody sent"]);
        let swapped = [entry("1", acknowledged(1)), entry("2", acknowledged(0))];
        check_findings(&swapped, &[record("2", 0), record("1", 1)], &["sender 0 sent orders/0@1 before orders/0@0"]);
        let other = Entry {
            event: Event { data: Some("{}".into()), ..entry("1", Fate::Unknown).event },
            ..entry("1", acknowledged(0))
        };
        check_findings(&[other], &[record("1", 0)], &["partitionkey", "data is"]);
    }
}
