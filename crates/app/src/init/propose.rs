//! What a sample suggests: which field is the key, the id and the time, and steps that do something visible.

use super::fields::{Shape, Shapes, is_identity, is_measure, last_part, shapes};
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
    pub(super) filter: Option<Filter>,
    pub(super) set: Set,
}

/// Which events pass.
#[derive(Debug)]
pub(super) struct Filter {
    /// The field they need to have.
    pub(super) field: String,
    /// Events of the sample that have none.
    pub(super) lacking: usize,
}

/// A field that is added.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) field: String,
    pub(super) expression: String,
    /// Why this one.
    pub(super) reason: &'static str,
}

pub(super) fn propose(groups: &[Group]) -> Proposal {
    let shapes: Vec<Shapes> = groups.iter().map(|group| shapes(&group.data)).collect();
    let topics: Vec<TopicProposal> = groups.iter().zip(&shapes).map(|(group, shapes)| topic(group, shapes)).collect();
    let nothing = Shapes::new();
    let first = shapes.first().unwrap_or(&nothing);
    let filter = groups.first().zip(topics.first()).and_then(|(group, topic)| filter(group, first, topic));
    Proposal { filter, set: set(first), topics }
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
    let fits = |shape: &Shape| {
        shape.present == events && shape.distinct.len() == events && shape.times == 0 && shape.is_keyable()
    };
    let named = shapes.iter().filter(|(place, shape)| fits(shape) && is_identity(place));
    // The event's own id lies outermost and has the shortest name.
    named
        .min_by_key(|(place, _)| (place.matches('.').count(), place.as_str() != "id", place.len()))
        .map(|(place, _)| place.clone())
}

/// A field that always holds an RFC 3339 time.
fn time(group: &Group, shapes: &Shapes) -> Option<String> {
    let events = group.data.len();
    let always = shapes.iter().filter(|(_, shape)| shape.times == events && events > 0);
    // The finest one: an hour that many events share is no event time.
    always.max_by_key(|(_, shape)| shape.distinct.len()).map(|(place, _)| place.clone())
}

/// An identity that comes back: what many events are about.
fn key(group: &Group, shapes: &Shapes, id: Option<&str>) -> Option<String> {
    let events = group.data.len();
    let candidates = shapes.iter().filter(|(place, shape)| {
        Some(place.as_str()) != id && shape.is_keyable() && shape.times == 0 && shape.present * 2 >= events
    });
    let score = |place: &str, shape: &Shape| {
        let repeats = shape.distinct.len() < shape.present;
        let varies = shape.distinct.len() > 1 || events == 1;
        // Reference tables have one event per entity, so a unique identity is a key as well, if a weaker one.
        let weight = match (is_identity(place), shape.strings == shape.present, repeats && varies) {
            (true, _, true) => 6,
            (true, true, false) => 5,
            (false, true, true) => 4,
            (true, false, false) => 3,
            _ => 0,
        };
        (weight, shape.distinct.len())
    };
    let best = candidates.map(|(place, shape)| (score(place, shape), place)).filter(|((weight, _), _)| *weight > 0);
    best.max_by(|(a, a_place), (b, b_place)| a.cmp(b).then(b_place.cmp(a_place))).map(|(_, place)| place.clone())
}

/// Prefers a field that some events lack: then the filter does something on the sample.
fn filter(group: &Group, shapes: &Shapes, topic: &TopicProposal) -> Option<Filter> {
    let events = group.data.len();
    let lacking = shapes.iter().filter(|(_, shape)| shape.present < events && shape.present * 2 > events);
    match lacking.max_by_key(|(_, shape)| shape.present) {
        Some((place, shape)) => Some(Filter { field: place.clone(), lacking: events - shape.present }),
        None => topic.key.clone().map(|field| Filter { field, lacking: 0 }),
    }
}

/// Marks what is above the middle of the sample; without anything that is measured it keeps the event's type with the data.
/// An ordering comparison with null is false, so it works on every event.
fn set(shapes: &Shapes) -> Set {
    let measures = shapes.iter().filter(|(place, shape)| {
        shape.is_varying_number() && !is_identity(place) && (is_measure(place) || shape.integers == 0)
    });
    let best = measures.max_by_key(|(place, shape)| (is_measure(place), shape.present, shape.distinct.len()));
    let threshold = best.and_then(|(place, shape)| Some((place, threshold(&shape.numbers)?)));
    match threshold {
        Some((place, threshold)) => Set {
            field: free(shapes, &format!("high_{}", last_part(place))),
            expression: format!("data.{place} > {threshold}"),
            reason: "about the middle of the sample",
        },
        None => Set {
            field: free(shapes, "event_type"),
            expression: "type".to_owned(),
            reason: "any expression over the event",
        },
    }
}

/// A round number with values of the sample on both sides.
fn threshold(numbers: &[f64]) -> Option<String> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (smallest, largest) = (*sorted.first()?, *sorted.last()?);
    let divides = |value: f64| smallest <= value && value < largest;
    let middle = sorted.get(sorted.len() / 2).copied().filter(|value| divides(*value));
    let middle = middle.or_else(|| sorted.iter().rev().copied().find(|value| divides(*value)))?;
    // Two digits read best; close values need more of them to be told apart.
    let rounded = (1..6).map(|digits| format!("{middle:.digits$e}").parse::<f64>().unwrap_or(middle));
    let value = rounded.into_iter().find(|value| divides(*value)).unwrap_or(middle);
    // `{:?}` writes 1e300 where `{}` would write 300 digits; a whole number needs no point.
    let written = format!("{value:?}");
    Some(written.strip_suffix(".0").map_or_else(|| written.clone(), ToOwned::to_owned))
}

/// A name no field of the sample has.
fn free(shapes: &Shapes, wanted: &str) -> String {
    let mut name = wanted.to_owned();
    while shapes.keys().any(|place| place.split('.').next() == Some(&name)) {
        name.insert_str(0, "is_");
    }
    name
}
