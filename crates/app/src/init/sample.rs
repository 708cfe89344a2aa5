//! A sample of events, grouped by the topics they would go to.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::TopicName;
use serde_json::{Map, Value};

use super::InitError;

/// Lines beyond this many say nothing new.
const LINES_MAX: usize = 20_000;
/// More kinds of events than this go to one topic.
const TOPICS_MAX: usize = 8;

/// Events of one topic.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) topic: String,
    /// What `accept:` takes; nothing for bare data.
    pub(super) accept: Vec<String>,
    /// The data of each event that is an object.
    pub(super) data: Vec<Map<String, Value>>,
    /// Whether the events are CloudEvents, which carry id and time themselves.
    pub(super) is_cloudevents: bool,
}

pub(super) fn read(text: &str) -> Result<Vec<Group>, InitError> {
    let mut kinds: BTreeMap<Option<String>, Vec<Map<String, Value>>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).take(LINES_MAX) {
        let refused = |reason: String| InitError::Sample { line: index + 1, reason };
        let value: Value = serde_json::from_str(line).map_err(|error| refused(error.to_string()))?;
        let Value::Object(object) = value else { return Err(refused("it is no object".to_owned())) };
        let (kind, data) = open(object);
        kinds.entry(kind).or_default().push(data);
    }
    if kinds.is_empty() {
        return Err(InitError::Empty);
    }
    Ok(group(kinds))
}

/// The type of a CloudEvent and its data; bare data has no type.
fn open(mut object: Map<String, Value>) -> (Option<String>, Map<String, Value>) {
    let is_cloudevent =
        ["specversion", "id", "source", "type"].iter().all(|name| object.get(*name).is_some_and(Value::is_string));
    if !is_cloudevent {
        return (None, object);
    }
    let kind = object.get("type").and_then(Value::as_str).map(str::to_owned);
    let data = match object.remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    (kind, data)
}

/// `flight.departed` and `flight.landed` go to the topic `flights`; types that are no dotted words go to `events`.
fn group(kinds: BTreeMap<Option<String>, Vec<Map<String, Value>>>) -> Vec<Group> {
    let families: BTreeSet<Option<String>> = kinds.keys().map(|kind| kind.as_deref().and_then(family)).collect();
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (kind, data) in kinds {
        let family = kind.as_deref().and_then(family).filter(|_| families.len() <= TOPICS_MAX);
        let (topic, accept) = match (&kind, family) {
            (Some(_), Some(family)) => (plural(&family), vec![format!("{family}.*")]),
            (Some(kind), None) => ("events".to_owned(), vec![kind.clone()]),
            (None, _) => ("records".to_owned(), Vec::new()),
        };
        let is_cloudevents = kind.is_some();
        let group = groups.entry(topic.clone()).or_insert(Group {
            topic,
            accept: Vec::new(),
            data: Vec::new(),
            is_cloudevents,
        });
        group.accept.extend(accept);
        group.accept.sort();
        group.accept.dedup();
        group.data.extend(data);
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.data.len()));
    groups
}

/// The first word of a dotted type, where it can name a topic.
fn family(kind: &str) -> Option<String> {
    let (first, _) = kind.split_once('.')?;
    // `com.example.order.placed`: the domain in front says nothing.
    let first = if matches!(first, "com" | "org" | "net" | "io" | "de" | "dev") { return None } else { first };
    (first.len() >= 2 && TopicName::new(&plural(first)).is_ok()).then(|| first.to_owned())
}

fn plural(word: &str) -> String {
    match word {
        _ if word.ends_with('s') || word.ends_with(|c: char| !c.is_ascii_lowercase()) => word.to_owned(),
        _ if word.ends_with(['x', 'z']) || word.ends_with("ch") || word.ends_with("sh") => format!("{word}es"),
        _ => match word.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
            _ => format!("{word}s"),
        },
    }
}
