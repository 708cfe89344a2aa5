//! No event of a key for a time: raised when it is over, cleared by the next event.

use std::time::Duration;

use crate::context::{StepContext, StepError};
use crate::document::write_string;
use crate::draft::Draft;
use crate::rows::{RowReader, put_draft};
use crate::timers::{Clock, Timer};

use super::{Change, Watch};

/// The lane of the newest event by its time; none while it is raised.
const NEWEST: u8 = 1;

/// What is watched. An event that lies further behind the clock than that is late, and clears nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Absence {
    /// How long no event comes.
    pub of: Duration,
}

impl Absence {
    pub(super) fn apply(
        &self,
        watch: &Watch<'_>,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Option<Draft>, StepError> {
        let time = draft.event_time();
        if time.plus(self.of) <= context.clocks.event {
            context.late.push(draft.clone());
            return Ok(None);
        }
        watch.refuse_unfit(draft)?;
        if let Some(row) = watch.get(NEWEST, context)? {
            let newest = RowReader::new(row).time()?;
            if newest > time {
                return Ok(None);
            }
            context.cancel_timer(Clock::Event, newest.plus(self.of), watch.name, &watch.row(NEWEST));
        }
        // An event is written with its time first.
        let mut row = Vec::new();
        let cause = context.cause_of(draft);
        put_draft(&mut row, draft, cause.as_ref());
        watch.put(NEWEST, Some(row.into()), context);
        context.set_timer(Clock::Event, time.plus(self.of), watch.name, &watch.row(NEWEST));
        if !watch.is_raised(context)? {
            return Ok(None);
        }
        watch.change(Change::Cleared, &time_of(draft), draft, context).map(Some)
    }
}

pub(super) fn fire(
    watch: &Watch<'_>,
    timer: &Timer,
    context: &mut StepContext<'_>,
) -> Result<Option<Draft>, StepError> {
    let Some(row) = watch.get(NEWEST, context)? else { return Ok(None) };
    watch.put(NEWEST, None, context);
    let mut newest = RowReader::new(row).draft()?;
    let since = time_of(&newest);
    newest.header_mut().time = Some(timer.time);
    watch.change(Change::Raised, &since, &newest, context).map(Some)
}

/// The time of an event as JSON.
fn time_of(draft: &Draft) -> Vec<u8> {
    let mut json = Vec::new();
    write_string(&draft.event_time().to_string(), &mut json);
    json
}
