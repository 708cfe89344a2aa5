//! When results are emitted, and when rows are deleted.
//!
//! A row has one timer of the clock its window goes by: first for the time it closes, if it is emitted then, afterwards for the
//! time it is deleted. A session may have gone on when the timer comes, which is then set anew. A row whose result waits for
//! the wall clock has a timer of that besides, and if the row should have been deleted by then, it is when that timer comes.

use bytes::Bytes;
use riverrun_event::{OperatorName, Time};

use crate::context::{Flow, StepContext, StepError};
use crate::draft::Draft;
use crate::rows::{RowReader, put_header, unreadable};
use crate::timers::{Clock, Timer};
use crate::window::{Interval, Window};

use super::method::{Brought, Kept};
use super::row::Row;
use super::{Aggregate, Emit};

/// What the first byte of a timer's key says it is for; the row's key follows.
const END: u8 = 0;
const EVERY: u8 = 1;

/// One event on its way into the rows of its windows.
pub(super) struct Emission<'a> {
    pub(super) aggregate: &'a Aggregate,
    pub(super) name: &'a OperatorName,
    brought: Brought,
    /// The event's header as it is kept; made when first needed.
    last: Option<Bytes>,
    /// Results to emit now.
    results: Vec<Bytes>,
}

impl<'a> Emission<'a> {
    pub(super) fn new(aggregate: &'a Aggregate, name: &'a OperatorName, brought: Brought) -> Self {
        Self { aggregate, name, brought, last: None, results: Vec::new() }
    }

    /// The results in the place of the event.
    pub(super) fn flow(mut self, draft: &mut Draft) -> Flow {
        match self.results.len() {
            0 => Flow::Drop,
            1 => {
                self.results.into_iter().for_each(|json| draft.replace_data(json));
                Flow::Pass
            }
            _ => Flow::Replace(self.results.drain(..).map(|json| draft.derived(json)).collect()),
        }
    }

    /// The row kept under a key; none yet where there is no such row.
    pub(super) fn row(&self, row_key: &[u8], context: &mut StepContext<'_>) -> Result<Option<Row>, StepError> {
        let value = context.state.get(self.name, row_key)?;
        value.map(|value| Row::read(&self.aggregate.method, value)).transpose()
    }

    /// Adds the event to what is kept of a window.
    pub(super) fn add(&self, kept: &mut Kept, draft: &mut Draft) -> Result<(), StepError> {
        self.aggregate.method.add(kept, &self.brought, self.name, draft)
    }

    /// Puts a row that the event changed, and emits its result if that is to come now.
    pub(super) fn put(
        &mut self,
        row_key: &[u8],
        mut row: Row,
        interval: Option<Interval>,
        draft: &Draft,
        context: &mut StepContext<'_>,
    ) -> Result<(), StepError> {
        match self.aggregate.options.emit {
            Emit::Change => self.emit(&row, interval)?,
            Emit::Close => row.last = Some(self.last(draft, context)),
            Emit::Every(pause) => {
                row.last = Some(self.last(draft, context));
                let now = context.clocks.wall;
                let next = row.emitted.map(|emitted| emitted.plus(pause)).filter(|next| *next > now);
                match next {
                    None => {
                        self.emit(&row, interval)?;
                        (row.emitted, row.is_waiting) = (Some(now), false);
                    }
                    Some(_) if row.is_waiting => {}
                    Some(next) => {
                        context.set_timer(Clock::Wall, next, self.name, &timer_key(EVERY, row_key));
                        row.is_waiting = true;
                    }
                }
            }
        }
        self.keep(row_key, &row, context);
        Ok(())
    }

    /// Puts a row as it is.
    pub(super) fn keep(&self, row_key: &[u8], row: &Row, context: &mut StepContext<'_>) {
        context.state.put(self.name, row_key, Some(row.write(&self.aggregate.method)));
    }

    /// Sets the timer of a row that was not there before; to be called once the row is as it will be kept.
    pub(super) fn expire(
        &self,
        window: Window,
        row_key: &[u8],
        interval: Interval,
        is_final: bool,
        context: &mut StepContext<'_>,
    ) {
        let waits = self.aggregate.options.emit == Emit::Close && !is_final;
        let due = if waits { window.closes(interval) } else { self.aggregate.deleted(window, interval) };
        context.set_timer(window.clock, due, self.name, &timer_key(END, row_key));
    }

    fn emit(&mut self, row: &Row, interval: Option<Interval>) -> Result<(), StepError> {
        self.results.extend(self.aggregate.result(row, interval).map_err(|refused| refused.of(self.name))?);
        Ok(())
    }

    fn last(&mut self, draft: &Draft, context: &StepContext<'_>) -> Bytes {
        let made = self.last.get_or_insert_with(|| {
            let mut header = Vec::new();
            put_header(&mut header, draft, context.cause_of(draft).as_ref());
            header.into()
        });
        made.clone()
    }
}

impl Aggregate {
    /// When the row of a window is deleted.
    fn deleted(&self, window: Window, interval: Interval) -> Time {
        window.passes(interval).max(window.closes(interval).plus(self.options.keep))
    }
}

/// Does what a timer was set for.
pub(super) fn fire(
    aggregate: &Aggregate,
    name: &OperatorName,
    timer: &Timer,
    context: &mut StepContext<'_>,
) -> Result<Vec<Draft>, StepError> {
    let (what, row_key) = timer.key.split_first().ok_or_else(unreadable)?;
    let Some(value) = context.state.get(name, row_key)? else { return Ok(Vec::new()) };
    let row = Row::read(&aggregate.method, value)?;
    let interval = aggregate.interval(row_key, &row)?;
    let mut firing = Firing { aggregate, name, row_key, row, interval };
    let emitted = if *what == EVERY { firing.every(timer.time, context)? } else { firing.end(context)? };
    Ok(emitted.into_iter().collect())
}

/// A row whose timer has come.
struct Firing<'a> {
    aggregate: &'a Aggregate,
    name: &'a OperatorName,
    row_key: &'a [u8],
    row: Row,
    interval: Option<Interval>,
}

impl Firing<'_> {
    /// The wall clock lets the next result through. It counts as emitted when it was due: how much later somebody looked at the
    /// clock must not change what follows.
    fn every(&mut self, now: Time, context: &mut StepContext<'_>) -> Result<Option<Draft>, StepError> {
        let Emit::Every(pause) = self.aggregate.options.emit else { return Ok(None) };
        // Sessions that became one have a timer each, of which the last counts.
        if !self.row.is_waiting || self.row.emitted.is_some_and(|emitted| emitted.plus(pause) > now) {
            return Ok(None);
        }
        let emitted = self.emitted()?;
        (self.row.emitted, self.row.is_waiting) = (Some(now), false);
        let is_over = match (self.aggregate.options.window, self.interval) {
            (Some(window), Some(interval)) => self.aggregate.deleted(window, interval) <= window.now(&context.clocks),
            _ => false,
        };
        self.put(!is_over, context);
        Ok(emitted)
    }

    /// The window closes, or is to be deleted.
    fn end(&mut self, context: &mut StepContext<'_>) -> Result<Option<Draft>, StepError> {
        let (Some(window), Some(interval)) = (self.aggregate.options.window, self.interval) else { return Ok(None) };
        let now = window.now(&context.clocks);
        let (closes, deleted) = (window.closes(interval), self.aggregate.deleted(window, interval));
        let closing = self.aggregate.options.emit == Emit::Close && self.row.last.is_some();
        let due = if closing { closes } else { deleted };
        if due > now {
            context.set_timer(window.clock, due, self.name, &timer_key(END, self.row_key));
            return Ok(None);
        }
        if self.row.is_waiting {
            return Ok(None);
        }
        let emitted = if closing { self.emitted()? } else { None };
        if closing && deleted > now {
            self.row.last = None;
            context.set_timer(window.clock, deleted, self.name, &timer_key(END, self.row_key));
        }
        self.put(deleted > now, context);
        Ok(emitted)
    }

    /// The result, with the header of the last event.
    fn emitted(&self) -> Result<Option<Draft>, StepError> {
        let Some(last) = &self.row.last else { return Ok(None) };
        let json = self.aggregate.result(&self.row, self.interval).map_err(|refused| refused.of(self.name))?;
        let Some(json) = json else { return Ok(None) };
        let mut draft = RowReader::new(last.clone()).draft()?;
        draft.replace_data(json);
        Ok(Some(draft))
    }

    fn put(&self, stays: bool, context: &mut StepContext<'_>) {
        let value = stays.then(|| self.row.write(&self.aggregate.method));
        context.state.put(self.name, self.row_key, value);
    }
}

fn timer_key(what: u8, row_key: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(row_key.len() + 1);
    key.push(what);
    key.extend_from_slice(row_key);
    key
}
