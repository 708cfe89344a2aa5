//! `flat_map`: makes an event of every element of a list, in order.
//!
//! ```
//! use riverrun_event::{Event, OperatorName, Time};
//! use riverrun_topology::operators::flat_map::FlatMap;
//! use riverrun_topology::{Draft, Expression, Flow};
//!
//! let flat_map = FlatMap { each: Expression::parse("data.items")?, place: None };
//! let mut event = Event::new("1", "/orders", "order");
//! event.data = Some(r#"{"items": [{"sku": "a"}, {"sku": "b"}]}"#.into());
//! let flow = flat_map.apply(&OperatorName::new("flat_map-1")?, &mut Draft::new(event, Time::from_unix(0, 0)))?;
//! let Flow::Replace(drafts) = flow else { panic!("no events") };
//! let data: Vec<_> = drafts.into_iter().filter_map(|draft| draft.into_event().data).collect();
//! assert_eq!(data, [r#"{"sku": "a"}"#, r#"{"sku": "b"}"#]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use bytes::Bytes;
use riverrun_event::OperatorName;
use riverrun_event::limits::{FAN_OUT_BYTES_MAX, FAN_OUT_EVENTS_MAX};

use crate::context::{Flow, StepError};
use crate::document::{Path, elements, kind_of};
use crate::draft::Draft;
use crate::expression::Expression;

use super::{data_failed, evaluation_failed, event_error, put};

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatMap {
    /// Gives the list.
    pub each: Expression,
    /// Where an element is put in a copy of the data; without it the element is the new data.
    pub place: Option<Path>,
}

impl FlatMap {
    /// Makes the events of one. A list that is null, missing or empty gives none.
    ///
    /// # Errors
    /// [`StepError::Event`] when the expression fails (RR0301), gives something other than a list (RR0313) or one that is too
    /// long (RR0315), or the data cannot hold an element (RR0302).
    pub fn apply(&self, name: &OperatorName, draft: &mut Draft) -> Result<Flow, StepError> {
        let list = self.each.evaluate_json(draft).map_err(|error| evaluation_failed(name, error))?;
        match list.first() {
            Some(b'[') => {}
            Some(b'n') | None => return Ok(Flow::Drop),
            Some(_) => {
                let message = format!("{} gives {}, not a list", self.each.source(), kind_of(&list));
                return Err(event_error("RR0313", name, message));
            }
        }
        // JSON is always UTF-8, and this was checked when it was read.
        let text = std::str::from_utf8(&list).unwrap_or_default();
        self.refuse_flood(name, text, draft)?;
        let drafts = elements(text).map(|element| self.event(name, list.slice_ref(element.as_bytes()), draft));
        Ok(Flow::Replace(drafts.collect::<Result<_, _>>()?))
    }

    fn event(&self, name: &OperatorName, element: Bytes, draft: &Draft) -> Result<Draft, StepError> {
        if let Some(place) = &self.place {
            let mut event = draft.clone();
            put(&mut event, place, &element).map_err(|error| data_failed(name, error))?;
            return Ok(event);
        }
        Ok(draft.derived(element))
    }

    /// Before anything is copied: a small event with a long list could become more than memory holds.
    fn refuse_flood(&self, name: &OperatorName, list: &str, draft: &Draft) -> Result<(), StepError> {
        let count = elements(list).take(FAN_OUT_EVENTS_MAX + 1).count();
        let copied = if self.place.is_some() { draft.header().data.as_ref().map_or(0, Bytes::len) } else { 0 };
        let bytes = copied.saturating_mul(count).saturating_add(list.len());
        if count <= FAN_OUT_EVENTS_MAX && bytes <= FAN_OUT_BYTES_MAX {
            return Ok(());
        }
        Err(flood(name))
    }
}

/// The error of an event that would become too many.
#[must_use]
pub fn flood(name: &OperatorName) -> StepError {
    let message = format!(
        "the event would become more than {FAN_OUT_EVENTS_MAX} events, or events of more than {} MiB of data together; publish \
         it in smaller parts",
        FAN_OUT_BYTES_MAX >> 20
    );
    event_error("RR0315", name, message)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, check_error, draft};
    use super::*;
    use crate::operators::Operator;

    fn flat_map(each: &str, place: Option<&str>) -> Operator {
        let place = place.map(|path| Path::parse(path).unwrap());
        Operator::FlatMap(FlatMap { each: Expression::parse(each).unwrap(), place })
    }

    #[track_caller]
    fn check(operator: &Operator, data: &'static str, expected: &[&str]) {
        let drafts = match World::default().apply(operator, &mut draft(data)).unwrap() {
            Flow::Replace(drafts) => drafts,
            Flow::Drop => Vec::new(),
            other => panic!("{other:?}"),
        };
        let data: Vec<_> = drafts.into_iter().map(|draft| draft.into_event().data.unwrap()).collect();
        assert_eq!(data, expected);
    }

    #[test]
    fn every_element_becomes_an_event() {
        check(&flat_map("data.a", None), r#"{"a":[1.0, {"b" : 2},[3]]}"#, &["1.0", r#"{"b" : 2}"#, "[3]"]);
        check(
            &flat_map("data.a", Some("data.one")),
            r#"{"a":[1, 2]}"#,
            &[r#"{"a":[1, 2],"one":1}"#, r#"{"a":[1, 2],"one":2}"#],
        );
        check(&flat_map("data.a.filter(x, x > 1)", None), r#"{"a":[1,2,3]}"#, &["2", "3"]);
        check(&flat_map("data", None), "[7]", &["7"]);
    }

    #[test]
    fn nothing_becomes_nothing() {
        for data in [r#"{"a":[]}"#, r#"{"a":null}"#, "{}", ""] {
            check(&flat_map("data.a", None), data, &[]);
        }
    }

    #[test]
    fn what_is_no_list_or_too_long_is_the_events_error() {
        check_error(&flat_map("data.a", None), r#"{"a":1}"#, "RR0313", "data.a gives a number, not a list");
        let expected = "the event would become more than 10000 events, or events of more than 16 MiB of data together; publish \
                        it in smaller parts";
        let long: &'static str = format!("[{}1]", "1,".repeat(FAN_OUT_EVENTS_MAX)).leak();
        check_error(&flat_map("data", None), long, "RR0315", expected);
        let large: &'static str = format!(r#"{{"a":[{}1],"b":"{}"}}"#, "1,".repeat(20), "x".repeat(1 << 20)).leak();
        check_error(&flat_map("data.a", Some("data.x")), large, "RR0315", expected);
        let message = "data.a.b cannot be set: data.a is a list, not an object";
        check_error(&flat_map("data.a", Some("data.a.b")), r#"{"a":[1]}"#, "RR0302", message);
    }
}
