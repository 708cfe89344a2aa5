//! What came out against what was expected: all of it, in order per key.

use std::collections::HashMap;

use riverrun_app::{Aspect, ExpectedRecord};
use riverrun_event::{Event, Key, Partition, Record};
use serde_json::Value;

use super::difference::{Difference, Extent, differences};

/// Something that is not as expected.
#[derive(Debug)]
pub(super) enum Mismatch<'a> {
    /// An event came out otherwise.
    Differs { expected: &'a ExpectedRecord, number: usize, actual: &'a Record, differences: Vec<Difference> },
    /// An event came out as expected, but not in its turn.
    OutOfTurn { expected: &'a ExpectedRecord, number: usize, actual: &'a Record },
    /// An event did not come out.
    Missing { expected: &'a ExpectedRecord, number: usize },
    /// An event came out that nobody expected.
    Unexpected { actual: &'a Record },
}

/// Compares. Order counts among events of the same key; no order is promised between keys.
pub(super) fn compare<'a>(expected: &'a [ExpectedRecord], actual: &'a [Record]) -> Vec<Mismatch<'a>> {
    let mut left: Vec<(usize, &Record)> = actual.iter().enumerate().collect();
    let mut reached: HashMap<(Partition, Option<&Key>), usize> = HashMap::new();
    let mut unmet = Vec::new();
    for (number, wanted) in (1..).zip(expected) {
        let fits = |(index, record): &(usize, &Record)| {
            let in_turn = reached.get(&turn(record)).is_none_or(|last| last < index);
            in_turn && differences_of(wanted, &record.event).is_empty()
        };
        match left.iter().position(fits) {
            Some(at) => {
                let (index, record) = left.remove(at);
                reached.insert(turn(record), index);
            }
            None => unmet.push((number, wanted)),
        }
    }
    let mut mismatches: Vec<Mismatch<'a>> = unmet
        .into_iter()
        .map(|(number, expected)| match nearest(expected, &mut left) {
            None => Mismatch::Missing { expected, number },
            Some((actual, differences)) if differences.is_empty() => Mismatch::OutOfTurn { expected, number, actual },
            Some((actual, differences)) => Mismatch::Differs { expected, number, actual, differences },
        })
        .collect();
    mismatches.extend(left.into_iter().map(|(_, actual)| Mismatch::Unexpected { actual }));
    mismatches
}

/// Events of one turn are ordered among each other.
fn turn(record: &Record) -> (Partition, Option<&Key>) {
    (record.position.partition, record.event.key.as_ref())
}

/// Takes the event with the fewest differences; one of another key than the expected one is no candidate.
fn nearest<'a>(
    expected: &ExpectedRecord,
    left: &mut Vec<(usize, &'a Record)>,
) -> Option<(&'a Record, Vec<Difference>)> {
    let names_key = |differences: &[Difference]| differences.iter().any(|difference| difference.path == "key");
    let candidates = left.iter().enumerate().map(|(at, (_, record))| (at, differences_of(expected, &record.event)));
    let fewest = candidates.filter(|(_, found)| !names_key(found)).min_by_key(|(_, found)| found.len());
    let (at, found) = fewest?;
    let (_, record) = left.remove(at);
    Some((record, found))
}

fn differences_of(expected: &ExpectedRecord, event: &Event) -> Vec<Difference> {
    let mut found = Vec::new();
    for field in &expected.fields {
        let path = field.aspect.to_string();
        match &field.aspect {
            Aspect::Data => data_differences(&path, &field.value, event, Extent::Whole, &mut found),
            Aspect::Contains => data_differences(&path, &field.value, event, Extent::Part, &mut found),
            Aspect::NoData => {
                if let Some(actual) = data_of(event) {
                    found.push(Difference { path, expected: None, actual: Some(actual) });
                }
            }
            Aspect::Within(name) => {
                let actual = attribute_of(event, name);
                let part = field.value.as_str().unwrap_or_default();
                if !actual.as_deref().is_some_and(|text| text.contains(part)) {
                    found.push(Difference {
                        path,
                        expected: Some(field.value.clone()),
                        actual: actual.map(Value::from),
                    });
                }
            }
            Aspect::Key => {
                let actual = event.key.as_ref().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
                text_difference(path, &field.value, actual, &mut found);
            }
            Aspect::Attribute(name) => text_difference(path, &field.value, attribute_of(event, name), &mut found),
        }
    }
    found
}

fn text_difference(path: String, expected: &Value, actual: Option<String>, found: &mut Vec<Difference>) {
    let actual = actual.map(Value::from);
    let expected = Some(expected).filter(|value| !value.is_null());
    if expected != actual.as_ref() {
        found.push(Difference { path, expected: expected.cloned(), actual });
    }
}

fn data_differences(path: &str, expected: &Value, event: &Event, extent: Extent, found: &mut Vec<Difference>) {
    match data_of(event) {
        Some(actual) => differences(path, expected, &actual, extent, found),
        None => found.push(Difference { path: path.to_owned(), expected: Some(expected.clone()), actual: None }),
    }
}

/// The data as JSON; what is no JSON as text.
fn data_of(event: &Event) -> Option<Value> {
    let data = event.data.as_ref()?;
    let json = if event.is_json() { serde_json::from_slice(data).ok() } else { None };
    Some(json.unwrap_or_else(|| Value::from(String::from_utf8_lossy(data))))
}

fn attribute_of(event: &Event, name: &str) -> Option<String> {
    match name {
        "id" => Some(event.id.to_string()),
        "source" => Some(event.source.to_string()),
        "type" => Some(event.kind.to_string()),
        "subject" => event.subject.as_deref().map(ToOwned::to_owned),
        "time" => event.time.map(|time| time.to_string()),
        "datacontenttype" => event.content_type.as_deref().map(ToOwned::to_owned),
        "dataschema" => event.data_schema.as_deref().map(ToOwned::to_owned),
        "partitionkey" => event.key.as_ref().and_then(Key::as_str).map(ToOwned::to_owned),
        _ => event.attributes.get(name).map(ToOwned::to_owned),
    }
}
