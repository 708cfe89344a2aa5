//! Renders a topology for people (text), for Graphviz (dot) and for programs (JSON).

mod dot;
mod json;
mod text;

use std::time::Duration;

use crate::operators::Operator;
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
