//! `count`, `aggregate`, `reduce`, `fold`, `cogroup`: what the events of a key, or of a key and window, come to together.
//!
//! One engine for all of them. A row of state ([`row`]) holds what is kept for a key and window ([`method`]); an event changes
//! the rows of its windows ([`windows`]), and their results are emitted as declared ([`emission`]): on each change, once the
//! window takes no more events, or at most every so often. A timer deletes the row when its window can no longer change.
//!
//! What is emitted keeps key, attributes and lineage of the last event that went into it. An event that comes too late for some
//! of its windows still counts in the others.
//!
//! ```
//! use std::time::Duration;
//! use riverrun_topology::operators::aggregate::{Aggregate, Fields, Function, Method, Options};
//! use riverrun_topology::window::Window;
//!
//! let fields = vec![("flights".to_owned(), Function::count()), ("mean".to_owned(), Function::parse("avg(data.delay)")?)];
//! let window = Window::tumbling(Duration::from_secs(3_600)).grace(Duration::from_secs(300));
//! let hourly = Aggregate {
//!     method: Method::Aggregate(Fields::new(fields)?),
//!     options: Options { window: Some(window), ..Options::default() },
//! };
//! assert_eq!(hourly.check(), Ok(()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accumulator;
mod emission;
mod function;
mod method;
mod number;
mod refused;
mod row;
mod values;
mod windows;

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{OperatorName, Time, TopicName, ViewName};

use crate::context::{Flow, StepContext, StepError};
use crate::draft::Draft;
use crate::rows::{RowReader, prefix_of, split, unreadable};
use crate::sink::Sink;
use crate::timers::Timer;
use crate::view::ViewRow;
use crate::window::{Interval, Shape, Window, WindowError};

use super::key_of;

pub use function::{Function, VALUES_MAX};
pub use method::{Fields, FieldsError, Fold, Method};

use emission::Emission;
use refused::Refused;
use row::Row;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// What it makes of the events.
    pub method: Method,
    /// Of which events, and when it says so.
    pub options: Options,
}

/// What every aggregate can be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// How time is cut up; without it all events of a key are one.
    pub window: Option<Window>,
    /// When results are emitted.
    pub emit: Emit,
    /// Where events go that come too late for a window.
    pub late: Option<Sink>,
    /// What the state is called for readers.
    pub view: Option<ViewName>,
    /// How long a window that takes no more events stays readable.
    pub keep: Duration,
}

/// When results are emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Emit {
    /// With each event.
    #[default]
    Change,
    /// Once, when the window takes no more events.
    Close,
    /// With an event, but at most so often by the wall clock; the last result always comes.
    Every(Duration),
}

/// An aggregate that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AggregateError {
    /// The field of the app file it is about, below the verb.
    pub field: String,
    /// What is wrong and what to write.
    pub message: String,
}

impl Aggregate {
    /// What its rows mean: rows of other functions or windows are of no use. The expressions of a fold may change; what the
    /// state is stays theirs to say.
    #[must_use]
    pub fn state_shape(&self) -> String {
        let functions = match &self.method {
            Method::Count(fields) | Method::Aggregate(fields) => {
                fields.iter().map(|(_, function)| function.source().split_whitespace().collect()).collect()
            }
            Method::Reduce(_) | Method::Fold(_) | Method::Cogroup(_) => Vec::<String>::new(),
        };
        let window = self.options.window.as_ref().map(|window| format!(" {:?} {:?}", window.shape, window.clock));
        // Rows of what is not emitted at once hold the last event, too.
        let event = if self.options.emit == Emit::Change { "" } else { " with event" };
        format!("{} {}{}{event}", self.method.verb(), functions.join(","), window.unwrap_or_default())
    }

    /// What cannot be about it.
    ///
    /// # Errors
    /// [`AggregateError`] for the first thing that cannot be.
    pub fn check(&self) -> Result<(), AggregateError> {
        let refused =
            |field: &str, message: &str| Err(AggregateError { field: field.to_owned(), message: message.to_owned() });
        let options = &self.options;
        if let Some(window) = &options.window {
            let placed = |error: WindowError| AggregateError {
                field: format!("window.{}", error.field),
                message: error.message,
            };
            window.check().map_err(placed)?;
        } else {
            let windowless = "only windows end; name a `window`, or leave this out";
            if options.emit == Emit::Close {
                return refused(
                    "emit",
                    &format!("`close` waits for the end of a window, but there is none: {windowless}"),
                );
            }
            if options.late.is_some() {
                return refused("late", &format!("no event is too late without a window: {windowless}"));
            }
            if !options.keep.is_zero() {
                return refused("keep", &format!("without a window everything is kept: {windowless}"));
            }
        }
        if options.emit == Emit::Every(Duration::ZERO) {
            return refused("emit.every", "results cannot come every zero seconds; `emit: change` emits each");
        }
        self.check_method().map_or(Ok(()), |(field, message)| refused(field, &message))
    }

    fn check_method(&self) -> Option<(&'static str, String)> {
        if let Method::Count(fields) | Method::Aggregate(fields) = &self.method {
            let taken = self.options.window.is_some() && fields.iter().any(|(name, _)| name == "window");
            let message = "the result has a field `window` for start and end of the window; choose another name";
            return taken.then(|| ("fields.window", message.to_owned()));
        }
        let fold = self.method.fold()?;
        if matches!(self.method, Method::Cogroup(_)) && fold.streams.is_empty() {
            return Some(("streams", "a cogroup without further topics is a `fold`".to_owned()));
        }
        let merges =
            matches!(self.options.window, Some(Window { shape: Shape::Session { .. } | Shape::Sliding { .. }, .. }));
        let message = "sessions and sliding windows come about by merging, so say how two states become one: with `merge`, \
                       where `state` is the earlier and `data` the later, such as {'n': state.n + data.n}";
        (merges && fold.initial.is_some() && fold.merge.is_none()).then(|| ("merge", message.to_owned()))
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event has no key (RR0305), an expression fails (RR0301), its data is no JSON (RR0302), a
    /// value does not fit a function (RR0316), a result becomes too large (RR0317), or its window cannot be written as times
    /// (RR0318); [`StepError::Fatal`] when the state cannot be read.
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, self.method.verb())?;
        let Some(brought) = self.method.bring(name, draft, context.port)? else { return Ok(Flow::Drop) };
        let mut emission = Emission::new(self, name, brought);
        let prefix = prefix_of(key.as_bytes());
        let is_late = match &self.options.window {
            None => emission.whole(prefix, draft, context).map(|()| false)?,
            Some(window) => emission.windowed(*window, &prefix, draft, context)?,
        };
        if is_late {
            context.late.push(draft.clone());
        }
        Ok(emission.flow(draft))
    }

    /// Emits what waited for a time, and deletes what can no longer change.
    ///
    /// # Errors
    /// [`StepError::Event`] when a result cannot be written (RR0317); [`StepError::Fatal`] when the state cannot be read.
    pub fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        emission::fire(self, name, timer, context)
    }

    /// Topics whose events come to it directly.
    #[must_use]
    pub fn further_inputs(&self) -> Vec<&TopicName> {
        let streams = self.method.fold().map_or(&[][..], |fold| &fold.streams);
        streams.iter().map(|(topic, _)| topic).collect()
    }

    /// A row of its state as readers see it; `None` for what has no result of its own.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the row is none of this operator's, or its result cannot be written.
    pub fn view_row(&self, row_key: &[u8], value: &Bytes) -> Result<Option<ViewRow>, StepError> {
        let row = Row::read(&self.method, value.clone())?;
        let (key, _) = split(row_key).ok_or_else(unreadable)?;
        let interval = self.interval(row_key, &row)?;
        let data = self.result(&row, interval).map_err(|refused| StepError::Fatal(refused.message))?;
        let Some(data) = data else { return Ok(None) };
        Ok(Some(ViewRow { key, window: interval.map(|interval| (interval.start, interval.end)), data }))
    }

    /// The window a row is of.
    fn interval(&self, row_key: &[u8], row: &Row) -> Result<Option<Interval>, StepError> {
        let Some(window) = &self.options.window else { return Ok(None) };
        let time = time_of(row_key)?;
        Ok(Some(window.shape.interval(time, row.latest.unwrap_or(time))))
    }

    /// What is emitted for a row.
    fn result(&self, row: &Row, interval: Option<Interval>) -> Result<Option<Bytes>, Refused> {
        let Some(kept) = &row.kept else { return Ok(None) };
        let is_state = self.method.fold().is_some();
        // Room for the two times of a window and a few numbers.
        let mut out = Vec::with_capacity(128);
        if let Some(interval) = interval {
            out.extend_from_slice(b"{\"window\":");
            interval.write_json(&mut out);
            out.extend_from_slice(if is_state { b",\"value\":" } else { b"" });
        } else if !is_state {
            out.push(b'{');
        }
        self.method.write_json(kept, interval.is_none(), &mut out)?;
        if interval.is_some() || !is_state {
            out.push(b'}');
        }
        Ok(Some(out.into()))
    }
}

/// The time in a row's key.
fn time_of(row_key: &[u8]) -> Result<Time, StepError> {
    let time = row_key.len().checked_sub(TIME_BYTES).and_then(|at| row_key.get(at..)).ok_or_else(unreadable)?;
    RowReader::new(Bytes::copy_from_slice(time)).time()
}

/// What [`crate::rows::put_time`] writes.
const TIME_BYTES: usize = 12;
