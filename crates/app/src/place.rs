//! Finds the place of a path such as `pipelines.departures.steps[2].snapshot.plane` in the tree.

use crate::source::Span;
use crate::yaml::{Entry, Node, Value};

/// The span of the deepest part of the path that the file has: the name of a mapping, the text of a value.
pub(crate) fn find(root: &Node, path: &str) -> Span {
    let mut node = root;
    let mut found = root.span;
    let mut rest = path;
    while !rest.is_empty() {
        let Some((next, span, remaining)) = step(node, rest) else { break };
        (node, found, rest) = (next, span, remaining);
    }
    found
}

fn step<'n, 'p>(node: &'n Node, rest: &'p str) -> Option<(&'n Node, Span, &'p str)> {
    match &node.value {
        // Names may have dots in them, so the longest one that fits is taken.
        Value::Mapping(entries) => entries
            .iter()
            .filter_map(|entry| after(rest, &entry.name).map(|remaining| (entry, remaining)))
            .max_by_key(|(entry, _)| entry.name.len())
            .map(|(entry, remaining)| (&entry.node, place_of(entry), remaining)),
        Value::List(items) => {
            let rest = rest.trim_start_matches('[');
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let item = items.get(rest.get(..digits)?.parse::<usize>().ok()?)?;
            let remaining = rest.get(digits..)?.trim_start_matches([']', '.']);
            let span = item.entries().first().map_or(item.span, |entry| entry.name_span);
            Some((item, span, remaining))
        }
        _ => None,
    }
}

fn after<'p>(rest: &'p str, name: &str) -> Option<&'p str> {
    let remaining = rest.strip_prefix(name)?;
    if remaining.is_empty() || remaining.starts_with('[') {
        return Some(remaining);
    }
    remaining.strip_prefix('.')
}

fn place_of(entry: &Entry) -> Span {
    match entry.node.value {
        Value::Scalar(_) => entry.node.span,
        _ => entry.name_span,
    }
}
