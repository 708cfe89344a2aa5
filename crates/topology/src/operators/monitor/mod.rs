//! `monitor`: says when a condition over the events of a key begins to hold, and when it ends.
//!
//! What comes out is the event that changed it, with `{"state":"raised","value":..}` or `"cleared"` at a place of its data; events that
//! change nothing end here. [`Threshold`] watches a value, [`Rate`] how many events come, [`Absence`] that one comes at
//! all. The last two also change when time passes: then the last event comes out again, with that time.
//!
//! Keys and partitions stay as they are. State: while it is raised a row for the key, and what the condition needs to know.

mod absence;
mod rate;
mod threshold;

use bytes::Bytes;
use riverrun_event::{Key, OperatorName, ViewName};

use crate::context::{Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::Draft;
use crate::rows::{prefix_of, split, unreadable};
use crate::sink::Sink;
use crate::timers::Timer;
use crate::view::ViewRow;

use super::{data_failed, key_of, put};

pub use absence::Absence;
pub use rate::Rate;
pub use threshold::{Direction, Threshold};

/// The lane of the row that is there while the condition holds: the data that said so.
const RAISED: u8 = 0;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    /// What is watched.
    pub condition: Condition,
    /// Where the change is put.
    pub place: Path,
    /// Where events go that come too late to count.
    pub late: Option<Sink>,
    /// What the keys for which it holds are read as.
    pub view: Option<ViewName>,
}

/// What a monitor watches.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// A value that crosses a limit.
    Threshold(Threshold),
    /// Many events in a time.
    Rate(Rate),
    /// No event for a time.
    Absence(Absence),
}

/// A change of a key's state, on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Raised,
    Cleared,
}

/// What the conditions share: whose state it is, and where changes are put.
struct Watch<'m> {
    name: &'m OperatorName,
    prefix: Vec<u8>,
    place: &'m Path,
}

impl Monitor {
    /// Where the change is put unless another place is named.
    pub const PLACE_DEFAULT: &str = "data.monitor";

    /// Watches one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event has no key (RR0305), an expression fails (RR0301), or the data cannot hold
    /// the change (RR0302).
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, "monitor")?;
        let watch = Watch::new(name, &key, &self.place);
        let changed = match &self.condition {
            Condition::Threshold(threshold) => threshold.apply(&watch, draft, context)?,
            Condition::Rate(rate) => rate.apply(&watch, draft, context)?,
            Condition::Absence(absence) => absence.apply(&watch, draft, context)?,
        };
        Ok(changed.map_or(Flow::Drop, |changed| Flow::Replace(vec![changed])))
    }

    pub(super) fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let (key, _) = split(&timer.key).ok_or_else(unreadable)?;
        let watch = Watch { name, prefix: prefix_of(&key), place: &self.place };
        let changed = match &self.condition {
            Condition::Threshold(_) => None,
            Condition::Rate(rate) => rate.fire(&watch, timer, context)?,
            Condition::Absence(_) => absence::fire(&watch, timer, context)?,
        };
        Ok(changed.into_iter().collect())
    }

    /// The keys for which the condition holds.
    pub(super) fn view_row(row_key: &[u8], value: &Bytes) -> Result<Option<ViewRow>, StepError> {
        let (key, lane) = split(row_key).ok_or_else(unreadable)?;
        Ok((lane == [RAISED]).then(|| ViewRow { key, window: None, data: value.clone() }))
    }
}

impl<'m> Watch<'m> {
    fn new(name: &'m OperatorName, key: &Key, place: &'m Path) -> Self {
        Self { name, prefix: prefix_of(key.as_bytes()), place }
    }

    /// The row of a lane that has one.
    fn row(&self, lane: u8) -> Vec<u8> {
        [self.prefix.as_slice(), &[lane]].concat()
    }

    fn get(&self, lane: u8, context: &mut StepContext<'_>) -> Result<Option<Bytes>, StepError> {
        context.state.get(self.name, &self.row(lane))
    }

    fn put(&self, lane: u8, value: Option<Bytes>, context: &mut StepContext<'_>) {
        context.state.put(self.name, &self.row(lane), value);
    }

    fn is_raised(&self, context: &mut StepContext<'_>) -> Result<bool, StepError> {
        Ok(self.get(RAISED, context)?.is_some())
    }

    /// The event with a change in it, which counts from now on. An event without data gets an object for it.
    fn change(
        &self,
        change: Change,
        value: &[u8],
        draft: &Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Draft, StepError> {
        let state: &[u8] = match change {
            Change::Raised => br#"{"state":"raised","value":"#,
            Change::Cleared => br#"{"state":"cleared","value":"#,
        };
        let mut changed = self.noted(draft, &[state, value, b"}"].concat())?;
        let held = (change == Change::Raised).then(|| changed.rendered().data.clone().unwrap_or_default());
        self.put(RAISED, held, context);
        Ok(changed)
    }

    /// Fails where the event could not say a change later.
    fn refuse_unfit(&self, draft: &Draft) -> Result<(), StepError> {
        self.noted(draft, b"null").map(drop)
    }

    fn noted(&self, draft: &Draft, json: &[u8]) -> Result<Draft, StepError> {
        let mut noted = match draft.header().data {
            Some(_) => draft.clone(),
            None => draft.derived(Bytes::from_static(b"{}")),
        };
        put(&mut noted, self.place, json).map_err(|error| data_failed(self.name, error))?;
        Ok(noted)
    }
}

#[cfg(test)]
mod tests;
