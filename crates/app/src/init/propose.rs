//! What a sample suggests: which field is the key, the id and the time, and steps that do something visible.

use std::collections::{BTreeMap, HashSet};

use riverrun_event::Time;
use serde_json::{Map, Value};

use super::sample::Group;

/// One topic as proposed.
#[derive(Debug)]
pub(super) struct TopicProposal {
    pub(super) topic: String,
    pub(super) accept: Vec<String>,
    pub(super) key: Option<String>,
    pub(super) id: Option<String>,
    pub(super) time: Option<String>,
}

/// What is proposed; the pipeline reads the first topic.
#[derive(Debug)]
pub(super) struct Proposal {
    pub(super) topics: Vec<TopicProposal>,
    pub(super) filter: String,
    pub(super) set: (String, String),
}

/// What a field's values are like over all events.
#[derive(Debug, Default)]
struct FieldShape {
    present: usize,
    strings: usize,
    integers: usize,
    numbers: Vec<f64>,
    times: usize,
    distinct: HashSet<String>,
}

type Shapes = BTreeMap<String, FieldShape>;

pub(super) fn propose(groups: &[Group]) -> Proposal {
    let shapes: Vec<Shapes> = groups.iter().map(|group| shapes(&group.data)).collect();
    let topics: Vec<TopicProposal> = groups.iter().zip(&shapes).map(|(group, shapes)| topic(group, shapes)).collect();
    let (filter, set) = match (groups.first(), shapes.first(), topics.first()) {
        (Some(group), Some(shapes), Some(topic)) => (filter(group, shapes, topic), set(shapes)),
        _ => (ANY_EVENT.to_owned(), handled()),
    };
    Proposal { topics, filter, set }
}

/// True for every event there is.
const ANY_EVENT: &str = "type != null";

fn handled() -> (String, String) {
    ("data.handled".to_owned(), "'true'".to_owned())
}

fn shapes(data: &[Map<String, Value>]) -> Shapes {
    let mut shapes = Shapes::new();
    for (name, value) in data.iter().flatten().filter(|(name, value)| is_identifier(name) && !value.is_null()) {
        let shape = shapes.entry(name.clone()).or_default();
        shape.present += 1;
        match value {
            Value::String(text) => {
                shape.strings += 1;
                shape.times += usize::from(Time::parse(text).is_ok());
                shape.distinct.insert(text.clone());
            }
            Value::Number(number) => {
                shape.integers += usize::from(number.is_i64() || number.is_u64());
                shape.numbers.extend(number.as_f64());
                shape.distinct.insert(number.to_string());
            }
            _ => {}
        }
    }
    shapes
}

fn topic(group: &Group, shapes: &Shapes) -> TopicProposal {
    let id = (!group.is_cloudevents).then(|| id(group, shapes)).flatten();
    let time = (!group.is_cloudevents).then(|| time(group, shapes)).flatten();
    let key = key(group, shapes, id.as_deref());
    TopicProposal { topic: group.topic.clone(), accept: group.accept.clone(), key, id, time }
}

/// A field that every event has, and no two share: what makes an event the same event when it is sent again.
fn id(group: &Group, shapes: &Shapes) -> Option<String> {
    let events = group.data.len();
    let fits = |shape: &FieldShape| {
        shape.present == events && shape.distinct.len() == events && shape.times == 0 && is_keyable(shape)
    };
    let named = shapes.iter().filter(|(name, shape)| fits(shape) && is_identity(name));
    named.min_by_key(|(name, _)| (name.as_str() != "id", name.len())).map(|(name, _)| name.clone())
}

/// A field that always holds an RFC 3339 time.
fn time(group: &Group, shapes: &Shapes) -> Option<String> {
    let events = group.data.len();
    let always = shapes.iter().filter(|(_, shape)| shape.times == events && events > 0);
    // The finest one: an hour that many events share is no event time.
    always.max_by_key(|(_, shape)| shape.distinct.len()).map(|(name, _)| name.clone())
}

/// An identity that comes back: what many events are about.
fn key(group: &Group, shapes: &Shapes, id: Option<&str>) -> Option<String> {
    let events = group.data.len();
    let candidates = shapes.iter().filter(|(name, shape)| {
        Some(name.as_str()) != id && is_keyable(shape) && shape.times == 0 && shape.present * 2 >= events
    });
    let score = |name: &str, shape: &FieldShape| {
        let repeats = shape.distinct.len() < shape.present;
        let varies = shape.distinct.len() > 1 || events == 1;
        // Reference tables have one event per entity, so a unique identity is a key as well, if a weaker one.
        let weight = match (is_identity(name), shape.strings == shape.present, repeats && varies) {
            (true, _, true) => 6,
            (true, true, false) => 5,
            (false, true, true) => 4,
            (true, false, false) => 3,
            _ => 0,
        };
        (weight, shape.distinct.len())
    };
    let best = candidates.map(|(name, shape)| (score(name, shape), name)).filter(|((weight, _), _)| *weight > 0);
    best.max_by(|(a, a_name), (b, b_name)| a.cmp(b).then(b_name.cmp(a_name))).map(|(_, name)| name.clone())
}

fn is_keyable(shape: &FieldShape) -> bool {
    shape.present > 0 && (shape.strings == shape.present || shape.integers == shape.present)
}

fn is_identity(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower == "id"
        || name.ends_with("Id")
        || name.ends_with("ID")
        || ["_id", "_key", "_no", "_code", "uuid", "num", "number", "sku"].iter().any(|end| lower.ends_with(end))
}

/// Prefers a field that some events lack: then the filter does something on the sample.
fn filter(group: &Group, shapes: &Shapes, topic: &TopicProposal) -> String {
    let events = group.data.len();
    let lacking = shapes.iter().filter(|(_, shape)| shape.present < events && shape.present * 2 > events);
    let field = lacking.max_by_key(|(_, shape)| shape.present).map(|(name, _)| name).or(topic.key.as_ref());
    field.map_or_else(|| ANY_EVENT.to_owned(), |field| format!("data.{field} != null"))
}

/// Marks what is above the middle of the sample. An ordering comparison with null is false, so it works on every event.
fn set(shapes: &Shapes) -> (String, String) {
    let numeric = shapes
        .iter()
        .filter(|(name, shape)| shape.numbers.len() == shape.present && shape.distinct.len() > 1 && !is_identity(name));
    let Some((name, shape)) = numeric.max_by_key(|(_, shape)| shape.distinct.len()) else { return handled() };
    let mut sorted = shape.numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let mut place = format!("high_{name}");
    while shapes.contains_key(&place) {
        place.insert_str(0, "is_");
    }
    (format!("data.{place}"), format!("data.{name} > {middle:?}"))
}

/// Whether an expression can name the field as `data.<name>`.
fn is_identifier(name: &str) -> bool {
    const RESERVED: [&str; 21] = [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    ];
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.len() <= 64
        && !RESERVED.contains(&name)
}
