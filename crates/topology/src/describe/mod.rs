//! Renders a topology for people (text), for Graphviz (dot) and for programs (JSON).

mod aggregate;
mod dot;
mod joins;
mod json;
mod text;

use std::time::Duration;

use crate::operators::Operator;
use crate::operators::branch::Arm;
use crate::operators::lookup::{Lookup, OnFailure, Whom};
use crate::operators::repartition::{Partitioner, Repartition};
use crate::sink::Sink;
use crate::topology::Topology;

/// How a topology is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescribeFormat {
    /// Aligned columns for a terminal.
    Text,
    /// A graph for Graphviz.
    Dot,
    /// JSON with stable names.
    Json,
}

impl Topology {
    /// Renders the topology; ends with a line break.
    #[must_use]
    pub fn describe(&self, format: DescribeFormat) -> String {
        match format {
            DescribeFormat::Text => text::render(self),
            DescribeFormat::Dot => dot::render(self),
            DescribeFormat::Json => json::render(self),
        }
    }
}

/// What an operator does, in the words of the app file, part by part.
fn parts(operator: &Operator) -> Vec<String> {
    match operator {
        Operator::Filter(filter) => vec![filter.condition.source().to_owned()],
        Operator::Set(set) => {
            set.fields.iter().map(|(path, expression)| format!("{path} = {}", expression.source())).collect()
        }
        Operator::Remove(remove) => remove.fields.iter().map(ToString::to_string).collect(),
        Operator::Rename(rename) => rename.fields.iter().map(|(from, to)| format!("{from} -> {to}")).collect(),
        Operator::Snapshot(snapshot) => snapshot
            .models
            .iter()
            .map(|entry| format!("{} by {} as {}", entry.model, entry.key.source(), entry.place))
            .collect(),
        Operator::Transform(transform) => vec![transform.transformer_name.clone()],
        Operator::Map(map) => {
            map.fields().iter().map(|(name, expression)| format!("{name} = {}", expression.source())).collect()
        }
        Operator::FlatMap(flat_map) => {
            let place = flat_map.place.as_ref().map(|place| format!(" as {place}")).unwrap_or_default();
            vec![format!("each of {}{place}", flat_map.each.source())]
        }
        Operator::SelectKey(select_key) => vec![select_key.key.source().to_owned()],
        Operator::Lookup(lookup) => vec![asking(lookup)],
        Operator::GroupBy(group_by) => vec![group_by.key.source().to_owned()],
        Operator::Repartition(repartition) => vec![repartitioning(repartition)],
        Operator::Peek(peek) => vec![peek.value.source().to_owned()],
        Operator::Branch(branch) => branch.arms.iter().map(condition).collect(),
        Operator::Merge(merge) => vec![format!("from {}", merge.from)],
        Operator::Aggregate(aggregate) => aggregate::parts(aggregate),
        Operator::Deduplicate(deduplicate) => {
            let window =
                deduplicate.window.map_or_else(|| "for ever".to_owned(), |time| format!("within {}", duration(time)));
            vec![format!("{} {window}", deduplicate.by.source())]
        }
        Operator::Sequence(sequence) => joins::sequence(sequence),
        Operator::Join(join) => vec![joins::join(join)],
        Operator::Table(table) => vec![format!("as {}", table.view)],
        Operator::Identify(identify) => vec![joins::identify(identify)],
        Operator::Monitor(monitor) => vec![joins::monitor(monitor)],
    }
}

/// Who is asked what, and how.
fn asking(lookup: &Lookup) -> String {
    let calling = &lookup.calling;
    let whom = match &calling.whom {
        Whom::Http => "GET".to_owned(),
        Whom::Function(name) => name.clone(),
    };
    let cache = calling.cache.map(|cache| format!(", cached for {}", duration(cache))).unwrap_or_default();
    let failure = if lookup.on_failure == OnFailure::Null { ", else null" } else { "" };
    format!(
        "{whom} {} as {}; {} at once, {} times {}{cache}{failure}",
        one_line(lookup.request.source()),
        lookup.place,
        calling.concurrency,
        calling.attempts,
        duration(calling.timeout)
    )
}

/// How events are dealt out anew.
fn repartitioning(repartition: &Repartition) -> String {
    let by = repartition.by.as_ref().map_or("key", |by| by.source());
    let partitions = repartition.partitions.map(|count| format!(" over {count} partitions")).unwrap_or_default();
    let partitioner = match &repartition.partitioner {
        Partitioner::Murmur2 => String::new(),
        Partitioner::RoundRobin => ", one after the other".to_owned(),
        Partitioner::Expression(expression) => format!(", to {}", expression.source()),
        Partitioner::Custom { name, .. } => format!(", as {name} says"),
    };
    let inserted = if repartition.is_inserted { " (inserted)" } else { "" };
    format!("by {by}{partitions}{partitioner}{inserted}")
}

/// Which events go a way of a branch.
fn condition(arm: &Arm) -> String {
    match &arm.when {
        Some(when) => format!("{} when {}", arm.name, when.source()),
        None => format!("{} otherwise", arm.name),
    }
}

/// Where events leave, in words: a topic, or how one is chosen.
fn leaving(sink: &Sink) -> String {
    match sink {
        Sink::Topic(topic) => topic.to_string(),
        Sink::Route(route) => {
            let topics: Vec<&str> = route.topics.iter().map(|topic| topic.as_str()).collect();
            let default = route.default.as_ref().map(|topic| format!(", else {topic}")).unwrap_or_default();
            format!("{} of {}{default}", one_line(route.expression.source()), topics.join(", "))
        }
    }
}

/// The parts for people: one line each, and a transformer that is missing is said to be.
fn lines_of(operator: &Operator) -> Vec<String> {
    match operator {
        Operator::Transform(transform) if transform.transformer.is_none() => {
            vec![format!("{} (not compiled in)", transform.transformer_name)]
        }
        _ => parts(operator).iter().map(|part| one_line(part)).collect(),
    }
}

/// An expression of several lines as one.
fn one_line(source: &str) -> String {
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A duration in its largest whole unit, as the app file writes it: `400d`, `36h`, `90s`.
fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    match units.into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit)) {
        _ if duration.subsec_millis() > 0 => format!("{}ms", duration.as_millis()),
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// Bytes in their largest whole binary unit.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests;
