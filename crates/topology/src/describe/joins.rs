//! What operators that bring events of a key together say of themselves, in words and as JSON.

use serde_json::{Value, json};

use crate::operators::sequence::{Ending, Sequence};

use super::duration;
use super::json::{seconds, sink};

pub(super) fn sequence(sequence: &Sequence) -> Vec<String> {
    let (word, condition) = (ending(sequence), sequence.ending.condition().source());
    let mut time = format!("within {}", duration(sequence.within));
    if !sequence.grace.is_zero() {
        time.push_str(&format!(", grace {}", duration(sequence.grace)));
    }
    let place = place(sequence).map(|place| format!("as {place}"));
    let parts = [format!("first {}", sequence.first.source()), format!("{word} {condition}"), time];
    parts.into_iter().chain(place).collect()
}

pub(super) fn sequence_json(sequence: &Sequence) -> Value {
    json!({
        "first": sequence.first.source(),
        ending(sequence): sequence.ending.condition().source(),
        "as": place(sequence),
        "within_seconds": seconds(sequence.within),
        "grace_seconds": seconds(sequence.grace),
        "late": sink(sequence.late.as_ref()),
    })
}

/// The word of the app file.
fn ending(sequence: &Sequence) -> &'static str {
    match sequence.ending {
        Ending::Then { .. } => "then",
        Ending::Absent { .. } => "absent",
    }
}

fn place(sequence: &Sequence) -> Option<String> {
    match &sequence.ending {
        Ending::Then { place, .. } => Some(place.to_string()),
        Ending::Absent { .. } => None,
    }
}
