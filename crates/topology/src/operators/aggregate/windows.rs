//! Which rows an event changes, by the shape of its windows.

use std::cmp::Ordering;

use bytes::Bytes;
use riverrun_event::Time;

use crate::context::{StepContext, StepError};
use crate::draft::Draft;
use crate::operators::event_error;
use crate::operators::keyed::NANOSECOND;
use crate::rows::put_time;
use crate::window::{Interval, Shape, Window};

use super::emission::Emission;
use super::method::Kept;
use super::row::Row;
use super::{TIME_BYTES, time_of};

/// The event's time and that of the clock its windows go by.
#[derive(Clone, Copy)]
struct Moment {
    window: Window,
    time: Time,
    now: Time,
}

impl Moment {
    fn is_open(&self, interval: Interval) -> bool {
        self.window.closes(interval) > self.now
    }
}

/// The rows around an event of sliding windows.
#[derive(Default)]
struct Near {
    /// Those of events within its own window.
    before: Vec<Row>,
    /// That of its own time.
    own: Option<Row>,
    /// Those of events whose windows it is in.
    later: Vec<(Bytes, Row)>,
}

impl Emission<'_> {
    /// Takes the event into the only row of its key.
    pub(super) fn whole(
        &mut self,
        row_key: Vec<u8>,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<(), StepError> {
        let mut row = self.row(&row_key, context)?.unwrap_or_default();
        self.grow(&mut row, draft)?;
        self.put(&row_key, row, None, draft, context)
    }

    /// Takes the event into the rows of its windows; tells whether it was too late for one of them.
    pub(super) fn windowed(
        &mut self,
        window: Window,
        prefix: &[u8],
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<bool, StepError> {
        let moment = Moment { window, time: window.time_of(draft), now: window.now(&context.clocks) };
        match window.shape {
            Shape::Tumbling { .. } | Shape::Hopping { .. } => self.fixed(moment, prefix, draft, context),
            Shape::Sliding { .. } => self.sliding(moment, prefix, draft, context),
            Shape::Session { .. } => self.session(moment, prefix, draft, context),
        }
    }

    fn fixed(
        &mut self,
        moment: Moment,
        prefix: &[u8],
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<bool, StepError> {
        let mut is_late = false;
        for interval in moment.window.shape.fixed(moment.time) {
            if !moment.is_open(interval) {
                is_late = true;
                continue;
            }
            self.writable(interval)?;
            let row_key = keyed(prefix, interval.start);
            let row = self.row(&row_key, context)?;
            if row.is_none() {
                self.expire(moment.window, &row_key, interval, false, context);
            }
            let mut row = row.unwrap_or_default();
            self.grow(&mut row, draft)?;
            self.put(&row_key, row, Some(interval), draft, context)?;
        }
        Ok(is_late)
    }

    /// Merges the sessions that the event brings together, if any, and goes into what they become.
    fn session(
        &mut self,
        moment: Moment,
        prefix: &[u8],
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<bool, StepError> {
        let shape = moment.window.shape;
        let alone = shape.interval(moment.time, moment.time);
        let mut merged = Row { latest: Some(moment.time), ..Row::default() };
        let mut joined = Vec::new();
        for (row_key, value) in context.state.scan(self.name, prefix, &keyed(prefix, alone.end), usize::MAX)? {
            let row = Row::read(&self.aggregate.method, value)?;
            let interval = shape.interval(time_of(&row_key)?, row.latest.unwrap_or(moment.time));
            if interval.end > alone.start && moment.is_open(interval) {
                self.join(&mut merged, row, draft)?;
                joined.push((row_key, interval.start));
            }
        }
        if joined.is_empty() && !moment.is_open(alone) {
            return Ok(true);
        }
        // Rows come in the order of their starts.
        let start = joined.first().map_or(moment.time, |(_, start)| moment.time.min(*start));
        let interval = shape.interval(start, merged.latest.unwrap_or(moment.time));
        self.writable(interval)?;
        let row_key = keyed(prefix, start);
        if joined.first().is_none_or(|(first, _)| *first != row_key) {
            self.expire(moment.window, &row_key, interval, false, context);
        }
        for (row_key, _) in joined.iter().filter(|(joined, _)| *joined != row_key) {
            context.state.put(self.name, row_key, None);
        }
        self.grow(&mut merged, draft)?;
        self.put(&row_key, merged, Some(interval), draft, context)?;
        Ok(false)
    }

    /// Takes a later session into an earlier one.
    fn join(&self, merged: &mut Row, later: Row, draft: &Draft) -> Result<(), StepError> {
        merged.latest = merged.latest.max(later.latest);
        merged.emitted = merged.emitted.max(later.emitted);
        merged.kept = match (merged.kept.take(), later.kept) {
            (Some(mut kept), Some(later)) => {
                self.aggregate.method.merge(&mut kept, later, self.name, draft)?;
                Some(kept)
            }
            (earlier, later) => earlier.or(later),
        };
        Ok(())
    }

    /// Changes the window that ends with the event, and those of later events that reach back to it.
    fn sliding(
        &mut self,
        moment: Moment,
        prefix: &[u8],
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<bool, StepError> {
        let interval = moment.window.shape.interval(moment.time, moment.time);
        if moment.window.passes(interval) <= moment.now {
            return Ok(true);
        }
        self.writable(interval)?;
        let row_key = keyed(prefix, moment.time);
        let near = self.near(moment, prefix, &row_key, context)?;
        let is_open = moment.is_open(interval);
        let mut row = match near.own {
            Some(row) => row,
            None => {
                self.expire(moment.window, &row_key, interval, !is_open, context);
                Row { kept: self.gathered(near.before, is_open, draft)?, ..Row::default() }
            }
        };
        let mut own = row.own.take().unwrap_or_else(|| self.aggregate.method.nothing());
        self.add(&mut own, draft)?;
        row.own = Some(own);
        if is_open {
            self.grow(&mut row, draft)?;
            self.put(&row_key, row, Some(interval), draft, context)?;
        } else {
            self.keep(&row_key, &row, context);
        }
        self.reach_later(moment, near.later, draft, context)?;
        Ok(!is_open)
    }

    /// The rows of the events that share a sliding window with the one at hand.
    fn near(
        &self,
        moment: Moment,
        prefix: &[u8],
        own_key: &[u8],
        context: &mut StepContext<'_>,
    ) -> Result<Near, StepError> {
        let mut near = Near::default();
        let interval = moment.window.shape.interval(moment.time, moment.time);
        let size = interval.end.since(interval.start);
        let from = keyed(prefix, interval.start.plus(NANOSECOND));
        let to = keyed(prefix, interval.end.plus(size));
        for (row_key, value) in context.state.scan(self.name, &from, &to, usize::MAX)? {
            let row = Row::read(&self.aggregate.method, value)?;
            match (*row_key).cmp(own_key) {
                Ordering::Less => near.before.push(row),
                Ordering::Equal => near.own = Some(row),
                Ordering::Greater => near.later.push((row_key, row)),
            }
        }
        Ok(near)
    }

    /// Takes the event into the windows of later events, as far as they are not over.
    fn reach_later(
        &mut self,
        moment: Moment,
        later: Vec<(Bytes, Row)>,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<(), StepError> {
        for (row_key, mut row) in later {
            let time = time_of(&row_key)?;
            let interval = moment.window.shape.interval(time, time);
            if row.kept.is_some() && moment.is_open(interval) {
                self.grow(&mut row, draft)?;
                self.put(&row_key, row, Some(interval), draft, context)?;
            }
        }
        Ok(())
    }

    /// What is kept of the events before in a new sliding window; nothing for one that is over.
    fn gathered(&self, before: Vec<Row>, is_open: bool, draft: &Draft) -> Result<Option<Kept>, StepError> {
        if !is_open {
            return Ok(None);
        }
        let mut parts = before.into_iter().filter_map(|row| row.own);
        let mut kept = parts.next().unwrap_or_else(|| self.aggregate.method.nothing());
        for part in parts {
            self.aggregate.method.merge(&mut kept, part, self.name, draft)?;
        }
        Ok(Some(kept))
    }

    /// Adds the event to what is kept of a row's window.
    fn grow(&self, row: &mut Row, draft: &mut Draft) -> Result<(), StepError> {
        let mut kept = row.kept.take().unwrap_or_else(|| self.aggregate.method.nothing());
        self.add(&mut kept, draft)?;
        row.kept = Some(kept);
        Ok(())
    }

    fn writable(&self, interval: Interval) -> Result<(), StepError> {
        if interval.is_writable() {
            return Ok(());
        }
        let message =
            "the event's window reaches beyond the years 0000 to 9999, which are all that can be written".to_owned();
        Err(event_error("RR0318", self.name, message))
    }
}

fn keyed(prefix: &[u8], time: Time) -> Vec<u8> {
    let mut row_key = Vec::with_capacity(prefix.len() + TIME_BYTES);
    row_key.extend_from_slice(prefix);
    put_time(&mut row_key, time);
    row_key
}
