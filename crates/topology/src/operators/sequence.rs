//! `sequence`: finds events of a key that follow one another within a time, or one that is not followed.
//!
//! With `then`, an event for which `first` holds waits for the next one for which `then` holds, by event time: that one goes
//! on, with the data of the first at a place of its own. One event answers all that wait, in their order; each that waits is answered
//! once. With `absent`, the first event goes on by itself when its time is over and no such event came. All other events end here.
//! An event of the same time as the first follows it if it came after it. One event may be both: it
//! answers those before it, and waits then.
//!
//! Keys and partitions stay as they are. State: what waits and what may still answer, until `within` and `grace` lie behind it. Time:
//! by event time, in whatever order they come; what comes more than `within` and `grace` behind the clock is late.
//!
//! ```
//! use std::time::Duration;
//!
//! use riverrun_topology::Expression;
//! use riverrun_topology::document::Path;
//! use riverrun_topology::operators::sequence::{Ending, Sequence};
//!
//! let paid = Ending::Then { condition: Expression::parse("type == 'paid'")?, place: Path::parse("data.order")? };
//! let first = Expression::parse("type == 'ordered'")?;
//! let sequence = Sequence { first, ending: paid, within: Duration::from_secs(600), grace: Duration::ZERO, late: None };
//! # let _ = sequence;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use riverrun_event::{Key, OperatorName, Time};

use crate::context::{Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::Draft;
use crate::expression::Expression;
use crate::rows::{RowReader, put_draft};
use crate::sink::Sink;
use crate::timers::{Clock, Timer};

use super::evaluation_failed;
use super::keyed::{NANOSECOND, key_of};
use super::pair::{json_of, pair, with_place};
use super::waiting::{Lane, lane_and_time};

/// The lane of the events that wait to be followed.
const FIRSTS: u8 = 0;
/// The lane of the events that follow, for those that come out of order.
const SECONDS: u8 = 1;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Which events begin a sequence.
    pub first: Expression,
    /// How it ends.
    pub ending: Ending,
    /// Within which time, from the first event on.
    pub within: Duration,
    /// How long after that events are still awaited that come out of order.
    pub grace: Duration,
    /// Where events go that come too late.
    pub late: Option<Sink>,
}

/// How a sequence ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// With an event that follows.
    Then {
        /// Which.
        condition: Expression,
        /// Where the data of the first event is put in that of the second.
        place: Path,
    },
    /// With its time over, and no event that follows.
    Absent {
        /// Which would.
        condition: Expression,
    },
}

impl Ending {
    /// Which events follow.
    #[must_use]
    pub fn condition(&self) -> &Expression {
        match self {
            Self::Then { condition, .. } | Self::Absent { condition } => condition,
        }
    }
}

impl Sequence {
    /// Where the data of the first event is put unless another place is named.
    pub const PLACE_DEFAULT: &str = "data.first";

    /// Steps one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event has no key (RR0305), a condition fails (RR0301), or the data is not JSON or cannot hold
    /// that of the first (RR0302).
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, "sequence")?;
        let mut holds =
            |condition: &Expression| condition.evaluate_bool(draft).map_err(|error| evaluation_failed(name, error));
        let (begins, follows) = (holds(&self.first)?, holds(self.ending.condition())?);
        if !begins && !follows {
            return Ok(Flow::Drop);
        }
        if self.over(draft.event_time()) <= context.clocks.event {
            context.late.push(draft.clone());
            return Ok(Flow::Drop);
        }
        let mut out = Vec::new();
        if follows {
            self.follow(name, &key, draft, context, &mut out)?;
        }
        if begins {
            self.begin(name, &key, draft, context, &mut out)?;
        }
        Ok(if out.is_empty() { Flow::Drop } else { Flow::Replace(out) })
    }

    /// Ends the wait of an event.
    pub(crate) fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let row = context.state.get(name, &timer.key)?;
        context.state.put(name, &timer.key, None);
        match (row, &self.ending, lane_and_time(&timer.key)?) {
            (Some(row), Ending::Absent { .. }, (FIRSTS, _)) => Ok(vec![RowReader::new(row).draft()?]),
            _ => Ok(Vec::new()),
        }
    }

    /// When nothing more can happen to an event of this time.
    fn over(&self, time: Time) -> Time {
        time.plus(self.within).plus(self.grace)
    }

    /// Answers what waits, and stays for what begins before it but comes later.
    fn follow(
        &self,
        name: &OperatorName,
        key: &Key,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
        out: &mut Vec<Draft>,
    ) -> Result<(), StepError> {
        let time = draft.event_time();
        let prepared = match &self.ending {
            Ending::Then { place, .. } => Some((with_place(name, draft, place)?, place)),
            Ending::Absent { .. } => None,
        };
        let trigger = context.cause_of(draft);
        let waiting = Lane::new(name, key, FIRSTS);
        let from = time.minus(self.within).plus(NANOSECOND);
        for (row, value) in waiting.rows(context.state, from, time.plus(NANOSECOND))? {
            context.state.put(name, &row, None);
            let (_, began) = lane_and_time(&row)?;
            context.cancel_timer(Clock::Event, self.over(began), name, &row);
            if let Some((event, place)) = &prepared {
                let mut first = RowReader::new(value).draft()?;
                let json = json_of(name, &mut first)?;
                out.push(pair(name, event.clone(), place, &json, trigger.as_ref(), first.cause())?);
            }
        }
        let lane = Lane::new(name, key, SECONDS);
        if lane.first(context.state, time, time.plus(NANOSECOND))?.is_none() {
            let mut value = Vec::new();
            if let Some((mut event, _)) = prepared {
                put_draft(&mut value, &mut event, trigger.as_ref());
            }
            self.stay(name, &lane, time, value, context)?;
        }
        Ok(())
    }

    /// Waits, unless what follows was there before.
    fn begin(
        &self,
        name: &OperatorName,
        key: &Key,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
        out: &mut Vec<Draft>,
    ) -> Result<(), StepError> {
        let time = draft.event_time();
        let trigger = context.cause_of(draft);
        let json = match &self.ending {
            Ending::Then { place, .. } => Some((json_of(name, draft)?, place)),
            Ending::Absent { .. } => None,
        };
        let next = Lane::new(name, key, SECONDS).first(context.state, time.plus(NANOSECOND), time.plus(self.within))?;
        match (next, json) {
            (Some((_, value)), Some((json, place))) => {
                let second = RowReader::new(value).draft()?;
                let other = second.cause().cloned();
                out.push(pair(name, second, place, &json, trigger.as_ref(), other.as_ref())?);
                Ok(())
            }
            (Some(_), None) => Ok(()),
            (None, _) => {
                let mut value = Vec::new();
                put_draft(&mut value, draft, trigger.as_ref());
                self.stay(name, &Lane::new(name, key, FIRSTS), time, value, context)
            }
        }
    }

    fn stay(
        &self,
        name: &OperatorName,
        lane: &Lane<'_>,
        time: Time,
        value: Vec<u8>,
        context: &mut StepContext<'_>,
    ) -> Result<(), StepError> {
        let row = lane.add(context.state, time, value)?;
        context.set_timer(Clock::Event, self.over(time), name, &row);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{World, check_error, event_at};
    use super::*;
    use crate::operators::Operator;

    fn expression(source: &str) -> Expression {
        Expression::parse(source).unwrap()
    }

    fn sequence(ending: Ending, grace: u64) -> Operator {
        let (within, grace) = (Duration::from_secs(10), Duration::from_secs(grace));
        Operator::Sequence(Sequence { first: expression("data.a"), ending, within, grace, late: None })
    }

    fn then() -> Operator {
        sequence(Ending::Then { condition: expression("data.b"), place: Path::parse("data.first").unwrap() }, 0)
    }

    fn absent(grace: u64) -> Operator {
        sequence(Ending::Absent { condition: expression("data.b") }, grace)
    }

    const A: &str = r#"{"a":true}"#;
    const B: &str = r#"{"b":true}"#;

    /// Steps events given as second, key and data, each with what comes out; then nothing may be left.
    #[track_caller]
    fn check(operator: &Operator, events: &[(i64, &str, &str, &[&str])], late: &[&str]) {
        let mut world = World::default();
        for (second, key, data, expected) in events {
            assert_eq!(world.step(operator, 0, event_at(*second, key, data)), *expected, "at {second}");
        }
        assert_eq!(world.late, late);
        world.step(operator, 0, event_at(1_000_000, "other", "{}"));
        assert_eq!(world.rows(), 0);
    }

    #[test]
    fn one_follows_another() {
        let first = |number: u32| format!(r#"k {{"b":true,"first":{{"a":true,"n":{number}}}}}"#);
        let (one, two) = (first(1), first(2));
        check(
            &then(),
            &[
                (0, "k", B, &[]),
                (1, "k", r#"{"a":true,"n":1}"#, &[]),
                (2, "k", r#"{"c":true}"#, &[]),
                (3, "other", B, &[]),
                (5, "k", r#"{"a":true,"n":2}"#, &[]),
                (7, "k", B, &[&one, &two]),
                (8, "k", B, &[]),
                // A deadline is half open.
                (20, "k", r#"{"a":true,"n":1}"#, &[]),
                (30, "k", B, &[]),
                (40, "k", r#"{"a":true,"n":2}"#, &[]),
                (49, "k", B, &[&two]),
            ],
            &[],
        );
    }

    #[test]
    fn order_is_that_of_the_times() {
        let paired = r#"k {"b":true,"n":3,"first":{"a":true}}"#;
        check(
            &then(),
            &[
                (12, "k", r#"{"b":true,"n":4}"#, &[]),
                (11, "k", r#"{"b":true,"n":3}"#, &[]),
                // The next one by time answers, and one of the same time that came before does not follow.
                (5, "k", A, &[paired]),
                (12, "k", A, &[]),
                (12, "k", r#"{"b":true,"n":5}"#, &[r#"k {"b":true,"n":5,"first":{"a":true}}"#]),
                (2, "k", A, &[]),
                (2, "k", "{}", &[]),
            ],
            &[r#"k {"a":true}"#],
        );
    }

    #[test]
    fn an_event_may_be_both() {
        let both =
            sequence(Ending::Then { condition: expression("data.a"), place: Path::parse("data.first").unwrap() }, 0);
        check(
            &both,
            &[
                (0, "k", A, &[]),
                (1, "k", A, &[r#"k {"a":true,"first":{"a":true}}"#]),
                (2, "k", A, &[r#"k {"a":true,"first":{"a":true}}"#]),
                (12, "k", A, &[]),
            ],
            &[],
        );
    }

    #[test]
    fn an_event_goes_on_that_nothing_followed() {
        check(
            &absent(0),
            &[
                (0, "k", A, &[]),
                (1, "other", B, &[]),
                (10, "other", "{}", &[r#"k {"a":true}"#]),
                (20, "k", A, &[]),
                (29, "k", B, &[]),
                (50, "k", A, &[]),
                (45, "k", A, &[]),
                (57, "k", B, &[r#"k {"a":true}"#]),
                (58, "k", A, &[]),
                (68, "k", B, &[r#"k {"a":true}"#]),
            ],
            &[],
        );
    }

    #[test]
    fn absence_is_certain_only_after_the_grace() {
        check(
            &absent(5),
            &[
                (0, "k", A, &[]),
                (12, "other", "{}", &[]),
                // Late, but within the grace.
                (9, "k", B, &[]),
                (20, "k", A, &[]),
                (34, "other", "{}", &[]),
                (35, "other", "{}", &[r#"k {"a":true}"#]),
                // Came after the event that follows it.
                (33, "k", B, &[]),
                (30, "k", A, &[]),
                (20, "k", B, &[]),
                (20, "k", "{}", &[]),
            ],
            &[r#"k {"b":true}"#],
        );
    }

    #[test]
    fn what_was_made_of_two_names_both() {
        let (operator, mut world) = (then(), World::default());
        world.step(&operator, 0, event_at(0, "k", A));
        let mut follows = event_at(1, "k", B);
        let Flow::Replace(drafts) = world.apply(&operator, &mut follows).unwrap() else { panic!("nothing follows") };
        assert_eq!(drafts[0].header().attributes.get("rrjoined"), Some("input-0/0@0"));
        assert_eq!(drafts[0].cause().unwrap().position.to_string(), "input-0/0@1");
    }

    #[test]
    fn what_cannot_be_paired_is_the_events_error() {
        let mut event = event_at(0, "k", "[1]");
        let always = Ending::Then { condition: expression("true"), place: Path::parse("data.first").unwrap() };
        let error = World::default().apply(&sequence(always, 0), &mut event).unwrap_err();
        assert_eq!(error.to_string(), "RR0302 in tested: data.first cannot be set: data is a list, not an object");
        check_error(&then(), r#"{"a":1}"#, "RR0305", &super::super::keyed::no_key("sequence"));
    }
}
