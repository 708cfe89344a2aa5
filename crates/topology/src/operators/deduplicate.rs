//! `deduplicate`: drops an event whose value was there before under the same key; the first one passes.
//!
//! Keys and partitions stay as they are. State: a row for each value that passed, until twice the window lies behind it; without a
//! window for ever. Time: with a window two events are the same when their times lie less than that apart, whichever
//! came first. Events up to one window behind the clock are judged exactly; those further behind are late and go no further.
//!
//! ```
//! use std::time::Duration;
//!
//! use riverrun_topology::Expression;
//! use riverrun_topology::operators::deduplicate::Deduplicate;
//!
//! let by = Expression::parse("data.order_id")?;
//! let hourly = Deduplicate { by, window: Some(Duration::from_secs(3600)), late: None };
//! # let _ = hourly;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{Key, OperatorName};

use crate::context::{Flow, StepContext, StepError};
use crate::draft::Draft;
use crate::expression::Expression;
use crate::rows::{prefix_of, put_time};
use crate::sink::Sink;
use crate::timers::{Clock, Timer};

use super::keyed::{NANOSECOND, key_of, value_of};

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Deduplicate {
    /// What makes two events of a key the same. An event for which it is null always passes.
    pub by: Expression,
    /// Within which time; for ever without it.
    pub window: Option<Duration>,
    /// Where events go that come too late to be judged.
    pub late: Option<Sink>,
}

impl Deduplicate {
    /// Passes or drops one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event has no key (RR0305), the expression fails (RR0301) or gives too much (RR0325).
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, "deduplicate")?;
        let Some(value) = value_of(name, &self.by, draft)? else { return Ok(Flow::Pass) };
        let row = row_of(&key, &value);
        match self.window {
            None => for_ever(name, &row, context),
            Some(window) => within(name, row, window, draft, context),
        }
    }

    /// Forgets a value.
    pub(crate) fn fire(name: &OperatorName, timer: &Timer, context: &mut StepContext<'_>) -> Vec<Draft> {
        context.state.put(name, &timer.key, None);
        Vec::new()
    }
}

fn for_ever(name: &OperatorName, row: &[u8], context: &mut StepContext<'_>) -> Result<Flow, StepError> {
    if context.state.get(name, row)?.is_some() {
        return Ok(Flow::Drop);
    }
    context.state.put(name, row, Some(Bytes::new()));
    Ok(Flow::Pass)
}

fn within(
    name: &OperatorName,
    row: Vec<u8>,
    window: Duration,
    draft: &Draft,
    context: &mut StepContext<'_>,
) -> Result<Flow, StepError> {
    let time = draft.event_time();
    if time.plus(window) < context.clocks.event {
        context.late.push(draft.clone());
        return Ok(Flow::Drop);
    }
    let at = |time| {
        let mut row = row.clone();
        put_time(&mut row, time);
        row
    };
    let (from, to) = (at(time.minus(window).plus(NANOSECOND)), at(time.plus(window)));
    if !context.state.scan(name, &from, &to, 1)?.is_empty() {
        return Ok(Flow::Drop);
    }
    let row = at(time);
    context.state.put(name, &row, Some(Bytes::new()));
    // An event up to a window behind the clock may still be the same as one that is another window older.
    context.set_timer(Clock::Event, time.plus(window).plus(window), name, &row);
    Ok(Flow::Pass)
}

fn row_of(key: &Key, value: &[u8]) -> Vec<u8> {
    let mut row = prefix_of(key.as_bytes());
    row.extend(prefix_of(value));
    row
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::keyed::no_key;
    use super::super::testing::{World, check_error, event_at};
    use super::*;
    use crate::operators::Operator;

    fn deduplicate(window: Option<u64>) -> Operator {
        let by = Expression::parse("data.id").unwrap();
        Operator::Deduplicate(Deduplicate { by, window: window.map(Duration::from_secs), late: None })
    }

    /// Steps events given as second, key and data; those marked true pass.
    #[track_caller]
    fn check(operator: &Operator, events: &[(i64, &str, &str, bool)]) -> World {
        let mut world = World::default();
        for (second, key, data, passes) in events {
            let out = world.step(operator, 0, event_at(*second, key, data));
            let expected = if *passes { vec![format!("{key} {data}")] } else { Vec::new() };
            assert_eq!(out, expected, "at {second}");
        }
        world
    }

    #[test]
    fn the_first_of_a_key_passes() {
        let world = check(
            &deduplicate(None),
            &[
                (0, "a", r#"{"id":1}"#, true),
                (1, "b", r#"{"id":1}"#, true),
                (2, "a", r#"{"id":"1"}"#, true),
                (900_000_000, "a", r#"{"id":1,"again":true}"#, false),
                (900_000_001, "a", r#"{"id":"\u0031"}"#, false),
                (900_000_001, "a", r#"{"id":null}"#, true),
                (900_000_001, "a", r#"{}"#, true),
            ],
        );
        assert_eq!(world.rows(), 3);
    }

    #[test]
    fn a_window_ends() {
        let id = r#"{"id":1}"#;
        let mut world = check(
            &deduplicate(Some(10)),
            &[
                (100, "a", id, true),
                (109, "a", id, false),
                (110, "a", id, true),
                // Less than the window before one that passed, and out of order.
                (101, "a", id, false),
                (100, "a", r#"{"id":2}"#, true),
                (110, "a", r#"{"id":2}"#, true),
                (119, "a", r#"{"id":2}"#, false),
            ],
        );
        let operator = deduplicate(Some(10));
        assert!(world.step(&operator, 0, event_at(108, "a", id)).is_empty());
        assert_eq!(world.late, [format!("a {id}")]);
        world.step(&operator, 0, event_at(1_000, "b", "{}"));
        assert_eq!(world.rows(), 0);
    }

    #[test]
    fn what_has_no_key_or_is_too_long_is_the_events_error() {
        check_error(&deduplicate(None), "{}", "RR0305", &no_key("deduplicate"));
        let data = format!(r#"{{"id":"{}"}}"#, "x".repeat(5_000));
        let error = World::default().apply(&deduplicate(None), &mut event_at(0, "a", &data)).unwrap_err();
        let expected = "RR0325 in tested: data.id gives 5002 bytes; a value that state is found by has at most 4096";
        assert_eq!(error.to_string(), expected);
    }

    proptest! {
        /// As a batch would have it: all times that passed are known.
        #[test]
        fn passes_what_a_batch_would(
            events in prop::collection::vec((0_i64..60, 0_u8..2, 0_u8..3), 0..60), window in 1_i64..20,
        ) {
            let operator = deduplicate(Some(u64::try_from(window).unwrap()));
            let mut world = World::default();
            let (mut passed, mut late, mut clock) = (Vec::new(), 0, i64::MIN);
            for (second, key, id) in events {
                clock = clock.max(second);
                let out = world.step(&operator, 0, event_at(second, &key.to_string(), &format!(r#"{{"id":{id}}}"#)));
                let is_late = second + window < clock;
                let same = |(other, of, value): &(i64, u8, u8)| (*of, *value) == (key, id) && (other - second).abs() < window;
                let passes = !is_late && !passed.iter().any(same);
                prop_assert_eq!(out.len(), usize::from(passes));
                if passes { passed.push((second, key, id)); }
                late += usize::from(is_late);
            }
            prop_assert_eq!(world.late.len(), late);
            world.step(&operator, 0, event_at(1_000, "x", "{}"));
            prop_assert_eq!(world.rows(), 0);
        }
    }
}
