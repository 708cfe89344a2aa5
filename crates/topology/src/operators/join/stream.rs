//! A join with a stream: events of both sides that lie near one another in time, each pair once.
//!
//! A left event at a time is joined with the right ones from `before` earlier to `after` later, both included. An event's window is
//! closed once the clock has passed its end and `grace`; then nothing it has not met can be joined with it any more, and
//! only then it comes out alone, where the type of the join says so. State: both sides' events, until no event whose own window is open
//! can meet them. Time: a pair has the later of the two times; one that comes out alone keeps its own.
//!
//! An event that comes when its window is closed is still joined with what it finds. It is late when it finds nothing, or
//! meets one that has come out alone.

use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{Key, OperatorName, Time, TopicName};

use crate::context::{Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::{Cause, Draft};
use crate::operators::key_of;
use crate::operators::keyed::NANOSECOND;
use crate::operators::pair::{json_of, pair, with_place};
use crate::operators::waiting::{Lane, lane_and_time};
use crate::rows::{RowReader, put_draft, unreadable};
use crate::sink::Sink;
use crate::timers::{Clock, Timer};

use super::{JoinType, Side};

/// A timer for the end of an event's window.
const CLOSE: u8 = 0;
/// A timer for the end of its row.
const FORGET: u8 = 1;

/// An event that has met no other.
const ALONE: u8 = 0;
/// One that has.
const MET: u8 = 1;
/// One that has come out alone; its row says only that.
const GIVEN: u8 = 2;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamJoin {
    /// The topic of the right side.
    pub stream: TopicName,
    /// What becomes of an event that meets no other.
    pub kind: JoinType,
    /// How much earlier than the left event a right one may be.
    pub before: Duration,
    /// How much later than the left event a right one may be.
    pub after: Duration,
    /// How long after the end of its window an event is awaited that comes out of order.
    pub grace: Duration,
    /// Where the right side's data is put.
    pub place: Path,
    /// Where events go that come too late.
    pub late: Option<Sink>,
}

impl StreamJoin {
    pub(super) fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let side = Side::of(context.port);
        let key = key_of(name, draft, "join")?;
        let mut event = self.prepared(name, side, draft)?;
        let (out, missed) = self.meet(name, side, &key, &mut event, context)?;
        let is_open = context.clocks.event < self.closed(side, event.event_time());
        if missed || (!is_open && out.is_empty()) {
            context.late.push(draft.clone());
        }
        if is_open {
            self.wait(name, side, &key, &mut event, !out.is_empty(), context)?;
        }
        Ok(if out.is_empty() { Flow::Drop } else { Flow::Replace(out) })
    }

    pub(super) fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let what = *timer.key.first().ok_or_else(unreadable)?;
        let row = timer.key.slice(1..);
        if what == FORGET {
            context.state.put(name, &row, None);
            return Ok(Vec::new());
        }
        let Some(value) = context.state.get(name, &row)? else { return Ok(Vec::new()) };
        let mut reader = RowReader::new(value);
        if reader.byte()? != ALONE {
            return Ok(Vec::new());
        }
        context.state.put(name, &row, Some(Bytes::from_static(&[GIVEN])));
        let mut alone = reader.draft()?;
        if lane_and_time(&row)?.0 == Side::Right.byte() {
            let json = json_of(name, &mut alone)?;
            let empty = alone.derived(Bytes::from_static(b"{}"));
            alone = pair(name, empty, &self.place, &json, None, None)?;
        }
        Ok(vec![alone])
    }

    /// The event as it is kept: it must be able to become a pair, and a left one is what comes out alone.
    fn prepared(&self, name: &OperatorName, side: Side, draft: &mut Draft) -> Result<Draft, StepError> {
        match side {
            Side::Left => with_place(name, draft, &self.place),
            Side::Right => json_of(name, draft).map(|_| draft.clone()),
        }
    }

    /// Joins the event with those of the other side; also whether it came too late for one of them.
    fn meet(
        &self,
        name: &OperatorName,
        side: Side,
        key: &Key,
        event: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<(Vec<Draft>, bool), StepError> {
        let (before, after) = match side {
            Side::Left => (self.before, self.after),
            Side::Right => (self.after, self.before),
        };
        let (trigger, time) = (context.cause_of(event), event.event_time());
        let others = Lane::new(name, key, side.other().byte());
        let (mut out, mut missed) = (Vec::new(), false);
        for (row, value) in others.rows(context.state, time.minus(before), time.plus(after).plus(NANOSECOND))? {
            let mut reader = RowReader::new(value.clone());
            let status = reader.byte()?;
            if status == GIVEN {
                missed = true;
                continue;
            }
            out.push(self.pair(name, side, event, reader.draft()?, trigger.as_ref())?);
            if status == ALONE && self.kind.covers(side.other()) {
                let mut met = value.to_vec();
                met.splice(..1, [MET]);
                context.state.put(name, &row, Some(met.into()));
            }
        }
        Ok((out, missed))
    }

    fn pair(
        &self,
        name: &OperatorName,
        side: Side,
        event: &mut Draft,
        mut other: Draft,
        trigger: Option<&Cause>,
    ) -> Result<Draft, StepError> {
        let time = event.event_time().max(other.event_time());
        let cause = other.cause().cloned();
        let (left, json) = match side {
            Side::Left => (event.clone(), json_of(name, &mut other)?),
            Side::Right => (other, json_of(name, event)?),
        };
        let mut joined = pair(name, left, &self.place, &json, trigger, cause.as_ref())?;
        joined.header_mut().time = Some(time);
        Ok(joined)
    }

    /// Keeps the event for those that come later.
    fn wait(
        &self,
        name: &OperatorName,
        side: Side,
        key: &Key,
        event: &mut Draft,
        has_met: bool,
        context: &mut StepContext<'_>,
    ) -> Result<(), StepError> {
        let time = event.event_time();
        let mut value = vec![if has_met { MET } else { ALONE }];
        put_draft(&mut value, event, context.cause_of(event).as_ref());
        let row = Lane::new(name, key, side.byte()).add(context.state, time, value)?;
        let mut set = |what: u8, at: Time| {
            let timer = [&[what], row.as_slice()].concat();
            context.set_timer(Clock::Event, at, name, &timer);
        };
        if self.kind.covers(side) && !has_met {
            set(CLOSE, self.closed(side, time));
        }
        set(FORGET, time.plus(self.before).plus(self.after).plus(self.grace).plus(NANOSECOND));
        Ok(())
    }

    /// From when on the window of an event is closed.
    fn closed(&self, side: Side, time: Time) -> Time {
        let end = match side {
            Side::Left => self.after,
            Side::Right => self.before,
        };
        time.plus(end).plus(self.grace).plus(NANOSECOND)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Join;
    use super::*;
    use crate::operators::Operator;
    use crate::operators::testing::{World, event_at};

    /// A join with right events from `before` to `after` seconds around the left one.
    fn join(kind: JoinType, before: u64, after: u64, grace: u64) -> Operator {
        let [before, after, grace] = [before, after, grace].map(Duration::from_secs);
        let (stream, place) = (TopicName::new("payments").unwrap(), Path::parse("data.payment").unwrap());
        Operator::Join(Join::Stream(StreamJoin { stream, kind, before, after, grace, place, late: None }))
    }

    /// Steps events given as second, port, key and data, each with what comes out; then nothing may be left.
    #[track_caller]
    fn check(operator: &Operator, events: &[(i64, usize, &str, &str, &[&str])], late: &[&str]) {
        let mut world = World::default();
        for (second, port, key, data, expected) in events {
            assert_eq!(world.step(operator, *port, event_at(*second, key, data)), *expected, "at {second}");
        }
        assert_eq!(world.late, late);
        let far = 1_000_000;
        world.step(operator, 0, event_at(far, "far", "{}"));
        world.step(operator, 0, event_at(2 * far, "farther", "{}"));
        let last = World::default().step(operator, 0, event_at(0, "one", "{}"));
        assert!(last.is_empty());
        let mut one = World::default();
        one.step(operator, 0, event_at(0, "one", "{}"));
        assert_eq!(world.rows(), one.rows());
    }

    #[test]
    fn both_sides_meet_in_any_order() {
        check(
            &join(JoinType::Inner, 10, 10, 0),
            &[
                (100, 0, "a", r#"{"o":1}"#, &[]),
                (105, 1, "b", r#"{"p":0}"#, &[]),
                (110, 1, "a", r#"{"p":1}"#, &[r#"a {"o":1,"payment":{"p":1}}"#]),
                (111, 1, "a", r#"{"p":2}"#, &[]),
                (112, 0, "a", r#"{"o":2}"#, &[r#"a {"o":2,"payment":{"p":1}}"#, r#"a {"o":2,"payment":{"p":2}}"#]),
                // Out of order, its window still open.
                (102, 0, "a", r#"{"o":3}"#, &[r#"a {"o":3,"payment":{"p":1}}"#, r#"a {"o":3,"payment":{"p":2}}"#]),
                (122, 1, "a", "[3]", &[r#"a {"o":2,"payment":[3]}"#]),
            ],
            &[],
        );
    }

    #[test]
    fn a_window_may_lie_on_one_side() {
        check(
            &join(JoinType::Inner, 0, 10, 0),
            &[
                (100, 1, "a", r#"{"p":1}"#, &[]),
                (101, 0, "a", r#"{"o":1}"#, &[]),
                (101, 1, "a", r#"{"p":2}"#, &[r#"a {"o":1,"payment":{"p":2}}"#]),
                (105, 0, "b", r#"{"o":2}"#, &[]),
                // Its own window is closed, but what it belongs to waits.
                (103, 1, "a", r#"{"p":3}"#, &[r#"a {"o":1,"payment":{"p":3}}"#]),
                (104, 1, "c", r#"{"p":4}"#, &[]),
            ],
            &[r#"c {"p":4}"#],
        );
    }

    #[test]
    fn what_meets_nothing_comes_out_alone_once_its_window_is_closed() {
        check(
            &join(JoinType::Left, 5, 10, 2),
            &[
                (100, 0, "a", r#"{"o":1}"#, &[]),
                (100, 1, "b", r#"{"p":1}"#, &[]),
                (112, 0, "c", r#"{"o":2}"#, &[]),
                (113, 1, "c", r#"{"p":2}"#, &[r#"a {"o":1,"payment":null}"#, r#"c {"o":2,"payment":{"p":2}}"#]),
                // Came out alone, so it is not joined any more.
                (108, 1, "a", r#"{"p":3}"#, &[]),
                (130, 1, "x", r#"{"p":4}"#, &[]),
            ],
            &[r#"a {"p":3}"#],
        );
        check(
            &join(JoinType::Outer, 5, 10, 0),
            &[
                (100, 0, "a", r#"{"o":1}"#, &[]),
                (100, 1, "b", r#"{"p":1}"#, &[]),
                (105, 1, "a", r#"{"p":2}"#, &[r#"a {"o":1,"payment":{"p":2}}"#]),
                (106, 1, "d", r#"{"p":3}"#, &[r#"b {"payment":{"p":1}}"#]),
                (112, 1, "e", r#"{"p":4}"#, &[r#"d {"payment":{"p":3}}"#]),
                (111, 0, "d", r#"{"o":5}"#, &[]),
                (200, 1, "f", r#"{"p":5}"#, &[r#"e {"payment":{"p":4}}"#, r#"d {"o":5,"payment":null}"#]),
                (150, 0, "f", r#"{"o":6}"#, &[]),
                (300, 0, "one", "{}", &[r#"f {"payment":{"p":5}}"#]),
                (400, 0, "two", "{}", &[r#"one {"payment":null}"#]),
                (500, 0, "three", "{}", &[r#"two {"payment":null}"#]),
            ],
            &[r#"d {"o":5}"#, r#"f {"o":6}"#],
        );
    }

    #[test]
    fn a_pair_names_both_and_has_the_later_time() {
        let (operator, mut world) = (join(JoinType::Inner, 10, 10, 0), World::default());
        world.step(&operator, 1, event_at(107, "a", r#"{"p":1}"#));
        let Flow::Replace(pairs) = world.apply(&operator, &mut event_at(100, "a", "{}")).unwrap() else { panic!() };
        let [joined] = pairs.as_slice() else { panic!("{pairs:?}") };
        assert_eq!(joined.header().attributes.get("rrjoined"), Some("input-1/0@0"));
        assert_eq!(joined.cause().unwrap().position.to_string(), "input-0/0@1");
        assert_eq!((joined.event_time(), joined.header().id.as_str()), (Time::from_unix(107, 0), "e-100"));
    }

    #[test]
    fn what_cannot_be_joined_is_the_events_error() {
        for (data, expected) in [
            ("", "RR0302 in tested: the event has no data (it is a deletion), so nothing can be set in it"),
            ("[1]", "RR0302 in tested: data.payment cannot be set: data is a list, not an object"),
        ] {
            let operator = join(JoinType::Inner, 10, 10, 0);
            let error = World::default().apply(&operator, &mut event_at(0, "a", data)).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    /// An event of a test: second, whether of the right side, key.
    type Arrival = (i64, bool, u8);

    /// What a batch that knows when everything came would give, in any order: pairs of events by number, those alone with
    /// themselves, and how many are late.
    fn batch(
        kind: JoinType,
        before: i64,
        after: i64,
        grace: i64,
        arrivals: &[Arrival],
    ) -> (Vec<(usize, usize)>, usize) {
        let clock = |number: usize| arrivals[..=number].iter().map(|arrival| arrival.0).max().unwrap();
        let close = |(time, is_right, _): Arrival| time + grace + if is_right { before } else { after };
        let covers = |is_right: bool| kind.covers(if is_right { Side::Right } else { Side::Left });
        let accepted = |number: usize| clock(number) <= close(arrivals[number]);
        let near = |one: Arrival, other: Arrival| {
            let (left, right) = if one.1 { (other, one) } else { (one, other) };
            one.1 != other.1 && one.2 == other.2 && (left.0 - before..=left.0 + after).contains(&right.0)
        };
        let (mut met, mut out, mut late) = (vec![false; arrivals.len()], Vec::new(), 0);
        for (number, arrival) in arrivals.iter().enumerate() {
            let (mut pairs, mut missed) = (0, false);
            for (earlier, other) in arrivals[..number].iter().enumerate() {
                let held = clock(number) <= other.0 + before + after + grace;
                if !near(*arrival, *other) || !accepted(earlier) || !held {
                    continue;
                }
                if covers(other.1) && !met[earlier] && clock(number) > close(*other) {
                    missed = true;
                    continue;
                }
                out.push((earlier, number));
                (met[earlier], pairs) = (true, pairs + 1);
            }
            met[number] = pairs > 0;
            late += usize::from(missed || (!accepted(number) && pairs == 0));
        }
        let alone = |number: &usize| accepted(*number) && covers(arrivals[*number].1) && !met[*number];
        out.extend((0..arrivals.len()).filter(alone).map(|number| (number, number)));
        (out, late)
    }

    proptest! {
        #[test]
        fn gives_what_a_batch_would(
            arrivals in prop::collection::vec((0_i64..80, any::<bool>(), 0_u8..2), 0..40),
            (before, after, grace) in (0_u32..12, 0_u32..12, 0_u32..6),
            kind in prop::sample::select(vec![JoinType::Inner, JoinType::Left, JoinType::Outer]),
        ) {
            let operator = join(kind, before.into(), after.into(), grace.into());
            let mut world = World::default();
            let mut out = Vec::new();
            for (number, (second, is_right, key)) in arrivals.iter().enumerate() {
                let data = format!(r#"{{"n":{number}}}"#);
                out.extend(world.step(&operator, usize::from(*is_right), event_at(*second, &key.to_string(), &data)));
            }
            // Everything is over by then.
            out.extend(world.step(&operator, 0, event_at(1_000, "end", r#"{"n":0}"#)));
            let (expected, late) = batch(kind, before.into(), after.into(), grace.into(), &arrivals);
            let shown = |(one, other): (usize, usize)| {
                let ((left, right), key) = (if arrivals[one].1 { (other, one) } else { (one, other) }, arrivals[one].2);
                match (one == other, arrivals[one].1) {
                    (true, false) => format!(r#"{key} {{"n":{one},"payment":null}}"#),
                    (true, true) => format!(r#"{key} {{"payment":{{"n":{one}}}}}"#),
                    _ => format!(r#"{key} {{"n":{left},"payment":{{"n":{right}}}}}"#),
                }
            };
            let mut expected: Vec<String> = expected.into_iter().map(shown).collect();
            expected.sort();
            out.sort();
            prop_assert_eq!(out, expected);
            prop_assert_eq!(world.late.len(), late);
            // Only the last event is left, with its timers.
            prop_assert!(world.rows() <= 3);
        }
    }
}
