//! A sample of events, grouped by the topics they would go to.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::TopicName;
use serde_json::{Map, Value};

use super::fields::is_identity;
use super::{InitError, Sample};

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

pub(super) fn read(sample: Sample<'_>) -> Result<Vec<Group>, InitError> {
    let mut kinds: BTreeMap<Option<String>, Vec<Map<String, Value>>> = BTreeMap::new();
    for (index, line) in sample.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).take(LINES_MAX) {
        let refused = |reason: String| InitError::Sample { line: index + 1, reason };
        let (kind, data) = open(object(line).map_err(refused)?).map_err(refused)?;
        kinds.entry(kind).or_default().push(data);
    }
    if kinds.is_empty() {
        return Err(InitError::Empty);
    }
    Ok(group(kinds, &topic_of_bare_data(sample.file)))
}

fn object(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Array(_)) => {
            Err("it is a list; `jq -c '.[]'` puts each of its events on a line of its own".to_owned())
        }
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) if error.is_eof() => {
            Err("the JSON does not end on this line; `jq -c .` puts each event on one line".to_owned())
        }
        // The line is named already, and serde_json would call it line 1.
        Err(error) => Err(format!("no valid JSON: {error}").replace(" at line 1 column", " at column")),
    }
}

/// The type of a CloudEvent and its data; bare data has no type. As when publishing, `specversion` tells them apart.
fn open(mut object: Map<String, Value>) -> Result<(Option<String>, Map<String, Value>), String> {
    if !object.contains_key("specversion") {
        return Ok((None, object));
    }
    let missing = ["id", "source", "type"].into_iter().find(|name| !object.get(*name).is_some_and(Value::is_string));
    if let Some(missing) = missing {
        return Err(format!("it has `specversion`, so it is a CloudEvent, and those need a text as `{missing}`"));
    }
    let kind = object.get("type").and_then(Value::as_str).map(str::to_owned);
    let data = match object.remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    Ok((kind, data))
}

/// `orders` for `samples/orders.ndjson.gz`; `records` where the file's name names nothing.
fn topic_of_bare_data(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase().replace(' ', "-");
    let says_nothing = stem.len() < 2 || ["sample", "samples", "data", "stdin"].contains(&stem.as_str());
    if says_nothing || TopicName::new(&stem).is_err() { "records".to_owned() } else { stem }
}

/// `flight.departed` and `flight.landed` go to the topic `flights`; types that are no dotted words go to `events`.
fn group(kinds: BTreeMap<Option<String>, Vec<Map<String, Value>>>, topic_of_bare_data: &str) -> Vec<Group> {
    let families: BTreeSet<Option<&str>> = kinds.keys().map(|kind| kind.as_deref().and_then(family)).collect();
    let has_few_families = families.len() <= TOPICS_MAX;
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (kind, data) in kinds {
        let family = kind.as_deref().and_then(family).filter(|_| has_few_families);
        let (topic, accept) = match (&kind, family) {
            (Some(_), Some(family)) => (topic_of(family), vec![format!("{family}.*")]),
            (Some(kind), None) => ("events".to_owned(), vec![kind.clone()]),
            (None, _) => (topic_of_bare_data.to_owned(), Vec::new()),
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

/// What types of one topic have in front: `order` of `order.placed`, `com.example.order` of `com.example.order.placed`.
fn family(kind: &str) -> Option<&str> {
    let family = match kind.split_once('.')? {
        // Behind a reversed domain of two words the entity comes, and what happened to it last.
        (first, _) if DOMAINS.contains(&first) => kind.rsplit_once('.').map(|(family, _)| family)?,
        (first, _) => first,
    };
    let says_entity =
        !DOMAINS.iter().any(|domain| family.starts_with(&format!("{domain}."))) || family.split('.').count() > 2;
    (says_entity && TopicName::new(&topic_of(family)).is_ok()).then_some(family)
}

/// Top-level domains that types begin with when they are named by CloudEvents' advice.
const DOMAINS: [&str; 12] = ["ai", "app", "co", "com", "de", "dev", "edu", "fr", "io", "net", "org", "uk"];

fn topic_of(family: &str) -> String {
    plural(family.rsplit('.').next().unwrap_or(family))
}

fn plural(word: &str) -> String {
    match word {
        "data" | "news" | "telemetry" | "traffic" | "weather" => word.to_owned(),
        _ if word.ends_with('s') || word.ends_with(|c: char| !c.is_ascii_lowercase()) => word.to_owned(),
        _ if word.ends_with(['x', 'z']) || word.ends_with("ch") || word.ends_with("sh") => format!("{word}es"),
        _ => match word.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
            _ => format!("{word}s"),
        },
    }
}

/// The entity a key is about: `customer` of `customer_id`, `customerId`, `customer` and `customer.id`. Nothing where the name
/// is one of a number on it.
pub(super) fn entity_of(key: &str) -> Option<String> {
    let (parent, name) = key.rsplit_once('.').unwrap_or(("", key));
    let name = if name.eq_ignore_ascii_case("id") { parent.rsplit('.').next()? } else { name };
    let stem = ["_id", "Id", "ID", "_key", "_no", "_code"].iter().find_map(|end| name.strip_suffix(end));
    let entity = stem.or_else(|| Some(name).filter(|name| !is_identity(name)))?.to_ascii_lowercase();
    (entity.len() >= 2 && TopicName::new(&entity).is_ok()).then_some(entity)
}

/// The topic the state of an entity would come by.
pub(super) fn topic_of_entity(entity: &str) -> String {
    plural(entity)
}
