//! What operators that bring events of a key together say of themselves, in words and as JSON.

use serde_json::{Value, json};

use crate::expression::Expression;
use crate::operators::identify::Identify;
use crate::operators::join::{Join, Stage};
use crate::operators::monitor::{Condition, Monitor};
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

pub(super) fn join(join: &Join) -> String {
    let kind = join.kind().word();
    let with = match join {
        Join::Stream(join) if join.before == join.after => {
            format!("{} within {}", join.stream, duration(join.after))
        }
        Join::Stream(join) => {
            format!("{} from {} before to {} after", join.stream, duration(join.before), duration(join.after))
        }
        Join::Table(join) => format!("table {}", join.table),
        Join::Model(join) => format!("model {} by {}", join.entry.model, join.entry.key.source()),
        Join::Foreign(join) => {
            let part = match join.stage {
                Stage::Whole => "",
                Stage::Left => ", left side",
                Stage::Right => ", right side",
                Stage::Result => ", result",
            };
            format!("table {} by {}{part}", join.table, join.by.source())
        }
    };
    let grace = match join {
        Join::Stream(join) if !join.grace.is_zero() => format!(", grace {}", duration(join.grace)),
        _ => String::new(),
    };
    format!("{kind} {with}{grace} as {}", join.place())
}

pub(super) fn join_json(join: &Join) -> Value {
    let mut described = match join {
        Join::Stream(join) => json!({
            "stream": join.stream.as_str(),
            "before_seconds": seconds(join.before),
            "after_seconds": seconds(join.after),
            "grace_seconds": seconds(join.grace),
            "late": sink(join.late.as_ref()),
        }),
        Join::Table(join) => json!({
            "table": join.table.as_str(),
            "view": join.view.as_ref().map(|view| view.as_str()),
        }),
        Join::Model(join) => json!({ "model": join.entry.model.as_str(), "by": join.entry.key.source() }),
        Join::Foreign(join) => json!({
            "table": join.table.as_str(),
            "by": join.by.source(),
            "part": match join.stage {
                Stage::Whole => None,
                Stage::Left => Some("left"),
                Stage::Right => Some("right"),
                Stage::Result => Some("result"),
            },
        }),
    };
    if let Value::Object(fields) = &mut described {
        fields.insert("type".to_owned(), join.kind().word().into());
        fields.insert("as".to_owned(), join.place().to_string().into());
    }
    described
}

pub(super) fn identify(identify: &Identify) -> String {
    let by = sources(identify).join(", ");
    format!("{} by {by} within {} as {}", identify.entity, identify.scope.source(), identify.place)
}

pub(super) fn identify_json(identify: &Identify) -> Value {
    json!({
        "entity": identify.entity.as_str(),
        "match": sources(identify),
        "within": identify.scope.source(),
        "as": identify.place.to_string(),
    })
}

fn sources(identify: &Identify) -> Vec<&str> {
    identify.matches.iter().map(Expression::source).collect()
}

pub(super) fn monitor(monitor: &Monitor) -> String {
    let condition = match &monitor.condition {
        Condition::Threshold(threshold) => {
            let clear = threshold.clear().map(|clear| format!(", clear at {}", clear.source())).unwrap_or_default();
            let (value, direction) = (threshold.value().source(), threshold.direction().word());
            format!("{value} {direction} {}{clear}", threshold.limit().source())
        }
        Condition::Rate(rate) => format!("more than {} within {}", rate.more_than, duration(rate.within)),
        Condition::Absence(absence) => format!("no event for {}", duration(absence.of)),
    };
    format!("{condition} as {}", monitor.place)
}

pub(super) fn monitor_json(monitor: &Monitor) -> Value {
    let (kind, condition) = match &monitor.condition {
        Condition::Threshold(threshold) => (
            "threshold",
            json!({
                "value": threshold.value().source(),
                threshold.direction().word(): threshold.limit().source(),
                "clear": threshold.clear().map(Expression::source),
            }),
        ),
        Condition::Rate(rate) => {
            ("rate", json!({ "more_than": rate.more_than, "within_seconds": seconds(rate.within) }))
        }
        Condition::Absence(absence) => ("absence", json!({ "of_seconds": seconds(absence.of) })),
    };
    json!({
        kind: condition,
        "as": monitor.place.to_string(),
        "late": sink(monitor.late.as_ref()),
        "view": monitor.view.as_ref().map(|view| view.as_str()),
    })
}
