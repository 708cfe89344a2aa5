//! Which rows an event changes, by the shape of its windows.

use riverrun_event::Time;

use crate::context::{StepContext, StepError};
use crate::draft::Draft;
use crate::operators::event_error;
use crate::rows::put_time;
use crate::window::{Interval, Shape, Window};

use super::emission::Emission;
use super::row::Row;
use super::time_of;

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
        let mut start = moment.time;
        let mut joined = Vec::new();
        for (row_key, value) in context.state.scan(self.name, prefix, &keyed(prefix, alone.end), usize::MAX)? {
            let row = Row::read(&self.aggregate.method, value)?;
            let interval = shape.interval(time_of(&row_key)?, row.latest.unwrap_or(moment.time));
            if interval.end > alone.start && moment.is_open(interval) {
                start = start.min(interval.start);
                self.join(&mut merged, row, draft)?;
                joined.push(row_key);
            }
        }
        let interval = shape.interval(start, merged.latest.unwrap_or(moment.time));
        if joined.is_empty() && !moment.is_open(alone) {
            return Ok(true);
        }
        self.writable(interval)?;
        let row_key = keyed(prefix, start);
        for row_key in joined.iter().filter(|joined| **joined != row_key) {
            context.state.put(self.name, row_key, None);
        }
        if !joined.iter().any(|joined| *joined == row_key) {
            self.expire(moment.window, &row_key, interval, false, context);
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
        let shape = moment.window.shape;
        let interval = shape.interval(moment.time, moment.time);
        if moment.window.passes(interval) <= moment.now {
            return Ok(true);
        }
        self.writable(interval)?;
        let (from, own_key) = (keyed(prefix, after(interval.start)), keyed(prefix, moment.time));
        let is_open = moment.is_open(interval);
        let mut before = Vec::new();
        let mut own = None;
        let mut later = Vec::new();
        for (row_key, value) in
            context.state.scan(self.name, &from, &keyed(prefix, reach(shape, moment.time)), usize::MAX)?
        {
            let row = Row::read(&self.aggregate.method, value)?;
            if row_key < own_key {
                before.push(row);
            } else if row_key == own_key {
                own = Some(row);
            } else {
                later.push((row_key, row));
            }
        }
        let mut row = match own {
            Some(row) => row,
            None => {
                self.expire(moment.window, &own_key, interval, !is_open, context);
                Row { kept: self.gathered(before, is_open, draft)?, ..Row::default() }
            }
        };
        let mut own = row.own.take().unwrap_or_else(|| self.aggregate.method.nothing());
        self.add(&mut own, draft)?;
        row.own = Some(own);
        if is_open {
            self.grow(&mut row, draft)?;
            self.put(&own_key, row, Some(interval), draft, context)?;
        } else {
            self.keep(&own_key, &row, context);
        }
        for (row_key, mut row) in later {
            let time = time_of(&row_key)?;
            let interval = shape.interval(time, time);
            if row.kept.is_some() && moment.is_open(interval) {
                self.grow(&mut row, draft)?;
                self.put(&row_key, row, Some(interval), draft, context)?;
            }
        }
        Ok(!is_open)
    }

    /// What is kept of the events before in a new sliding window; nothing for one that is over.
    fn gathered(
        &self,
        before: Vec<Row>,
        is_open: bool,
        draft: &Draft,
    ) -> Result<Option<super::method::Kept>, StepError> {
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

/// The next instant.
fn after(time: Time) -> Time {
    time.plus(std::time::Duration::from_nanos(1))
}

/// From where on a sliding window does not reach back to an event.
fn reach(shape: Shape, time: Time) -> Time {
    match shape {
        Shape::Sliding { size } => time.plus(size),
        _ => time,
    }
}

fn keyed(prefix: &[u8], time: Time) -> Vec<u8> {
    let mut row_key = Vec::with_capacity(prefix.len() + super::TIME_BYTES);
    row_key.extend_from_slice(prefix);
    put_time(&mut row_key, time);
    row_key
}
