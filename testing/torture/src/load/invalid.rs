//! Requests that must be refused with 4xx, and of which nothing may ever be in the log.

use crate::event::{BATCH, Event, STRUCTURED, batch};
use crate::http::Request;
use crate::random::Random;
use crate::scenario_app::ORDERS;

/// How many kinds there are.
const KINDS: u64 = 12;

/// Makes an invalid request around events that are otherwise good. The events it carries come back with it.
pub(super) fn invalid_request(
    random: &mut Random,
    mut new_event: impl FnMut(&mut Random) -> Event,
) -> (Request, Vec<Event>) {
    let event = new_event(random);
    let text = event.structured();
    let orders = format!("/topics/{ORDERS}/events");
    let structured = |body: String| Request::post(orders.clone(), STRUCTURED, body);
    let request = match random.between(0, KINDS) {
        0 => structured(text.replace(r#""type":"#, r#""typ":"#)),
        1 => structured(text.replace(r#""specversion":"1.0""#, r#""specversion":"0.3""#)),
        2 => structured(text.replace(&event.time(), "yesterday")),
        3 => structured(text.replace(&event.time(), "2999-01-01T00:00:00Z")),
        4 => structured(with_data(&event, r#"{"account":{"not":"a key"}}"#)),
        5 => Request::post("/topics/nowhere/events", STRUCTURED, text),
        6 => structured(text.get(..text.len() - 1).unwrap_or_default().to_owned()),
        7 => structured(with_data(&event, &format!("{}1{}", "[".repeat(100), "]".repeat(100)))),
        8 => structured(with_data(&event, &format!(r#"{{"account":"a1","fill":"{}"}}"#, "x".repeat(1_100_000)))),
        9 => structured(text.replacen('{', r#"{"BadName":"x","#, 1)),
        10 => Request { body: [text.as_bytes(), b"\xff\xfe"].concat(), ..structured(String::new()) },
        _ => return invalid_batch(random, event, new_event),
    };
    (request, vec![event])
}

/// A batch with one event in the middle that is invalid: nothing of it may be stored.
fn invalid_batch(
    random: &mut Random,
    first: Event,
    mut new_event: impl FnMut(&mut Random) -> Event,
) -> (Request, Vec<Event>) {
    let events = vec![first, new_event(random), new_event(random)];
    let body = match events.get(1) {
        Some(middle) => batch(&events).replacen(&format!(r#""id":"{}""#, middle.id), r#""id":"""#, 1),
        None => String::new(),
    };
    (Request::post(format!("/topics/{ORDERS}/events"), BATCH, body), events)
}

fn with_data(event: &Event, data: &str) -> String {
    Event { data: Some(data.to_owned()), ..event.clone() }.structured()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::orders::Inventor;

    #[test]
    fn every_kind_differs_from_a_valid_request() {
        let mut random = Random::new(3);
        let mut inventor = Inventor::new(0);
        for _ in 0..200 {
            let (request, events) = invalid_request(&mut random, |random| inventor.order(random));
            let is_elsewhere = request.path != "/topics/orders/events";
            let valid = if events.len() == 1 { events[0].structured() } else { batch(&events) };
            assert!(is_elsewhere || request.body != valid.as_bytes());
        }
    }
}
