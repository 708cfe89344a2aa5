//! What an aggregate does, in words and as JSON.

use riverrun_event::TopicName;
use serde_json::{Map, Value, json};

use crate::expression::Expression;
use crate::operators::aggregate::{Aggregate, Emit, Fields, Fold, Method};
use crate::timers::Clock;
use crate::window::{Shape, Window};

use super::json::{seconds, sink};
use super::{duration, leaving, one_line};

/// In the words of the app file, part by part: what it makes, then which windows, then when.
pub(super) fn parts(aggregate: &Aggregate) -> Vec<String> {
    let mut parts = match &aggregate.method {
        Method::Count(fields) | Method::Aggregate(fields) => {
            fields.iter().map(|(name, function)| format!("{name} = {}", one_line(function.source()))).collect()
        }
        Method::Reduce(fold) | Method::Fold(fold) | Method::Cogroup(fold) => states(fold),
    };
    let options = &aggregate.options;
    parts.extend(options.window.as_ref().map(window));
    match options.emit {
        Emit::Change => {}
        Emit::Close => parts.push("emits when a window closes".to_owned()),
        Emit::Every(pause) => parts.push(format!("emits at most every {}", duration(pause))),
    }
    parts.extend(options.late.as_ref().map(|late| format!("late events to {}", leaving(late))));
    parts.extend(options.view.as_ref().map(|view| format!("view {view}")));
    if !options.keep.is_zero() {
        parts.push(format!("kept for {}", duration(options.keep)));
    }
    parts
}

fn states(fold: &Fold) -> Vec<String> {
    let initial = fold.initial.as_ref().map(|initial| format!("begins with {}", initial.as_str()));
    let streams = fold.streams.iter().map(|(topic, with)| format!("with {topic}: {}", with.source()));
    let merge = fold.merge.as_ref().map(|merge| format!("merges by {}", merge.source()));
    initial.into_iter().chain([format!("with {}", fold.with.source())]).chain(streams).chain(merge).collect()
}

fn window(window: &Window) -> String {
    let lengths = window.shape.lengths();
    let shape: Vec<String> =
        lengths.into_iter().flatten().map(|(word, length)| format!("{word} {}", duration(length))).collect();
    let grace = if window.grace.is_zero() { String::new() } else { format!(", grace {}", duration(window.grace)) };
    let clock = if window.clock == Clock::Wall { ", by accept time" } else { "" };
    format!("window {}{grace}{clock}", shape.join(" "))
}

/// What the app file states for it.
pub(super) fn value(aggregate: &Aggregate) -> Value {
    let mut described = Map::new();
    match &aggregate.method {
        Method::Count(declared) | Method::Aggregate(declared) => {
            described.insert("fields".to_owned(), fields(declared));
        }
        Method::Reduce(fold) | Method::Fold(fold) | Method::Cogroup(fold) => {
            let stream =
                |(topic, with): &(TopicName, Expression)| json!({ "topic": topic.as_str(), "with": with.source() });
            described.insert("initial".to_owned(), fold.initial.as_ref().map(|initial| initial.as_str()).into());
            described.insert("with".to_owned(), fold.with.source().into());
            described.insert("streams".to_owned(), fold.streams.iter().map(stream).collect());
            described.insert("merge".to_owned(), fold.merge.as_ref().map(Expression::source).into());
        }
    }
    let options = &aggregate.options;
    described.insert("window".to_owned(), options.window.as_ref().map_or(Value::Null, window_value));
    described.insert(
        "emit".to_owned(),
        match options.emit {
            Emit::Change => "change".into(),
            Emit::Close => "close".into(),
            Emit::Every(pause) => json!({ "every_seconds": seconds(pause) }),
        },
    );
    described.insert("late".to_owned(), sink(options.late.as_ref()));
    described.insert("view".to_owned(), options.view.as_ref().map(|view| view.as_str()).into());
    described.insert("keep_seconds".to_owned(), seconds(options.keep));
    described.into()
}

fn fields(fields: &Fields) -> Value {
    fields.iter().map(|(name, function)| json!({ "field": name, "value": function.source() })).collect()
}

fn window_value(window: &Window) -> Value {
    let kind = match window.shape {
        Shape::Tumbling { .. } => "tumbling",
        Shape::Hopping { .. } => "hopping",
        Shape::Sliding { .. } => "sliding",
        Shape::Session { .. } => "session",
    };
    let [length, every] = window.shape.lengths().map(|length| length.map(|(_, length)| seconds(length)));
    json!({
        "kind": kind,
        "seconds": length,
        "every_seconds": every,
        "grace_seconds": seconds(window.grace),
        "clock": if window.clock == Clock::Wall { "accepted" } else { "event" },
    })
}
