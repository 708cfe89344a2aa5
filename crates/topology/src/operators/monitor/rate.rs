//! How many events of a key come within a time: raised when there are more, cleared when enough of them lie behind.

use std::time::Duration;

use bytes::Bytes;

use crate::context::{StepContext, StepError};
use crate::draft::Draft;
use crate::rows::{RowReader, put_draft, put_number, put_time};
use crate::timers::{Clock, Timer};

use super::{Change, Watch};

/// The lane of the number of events that count now.
const TOTAL: u8 = 1;
/// The lane of the numbers of events of each time.
const AT: u8 = 2;
/// The lane of the last event, while it is raised.
const LAST: u8 = 3;

/// What is watched: the events whose times lie less than a time behind the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// More events than these raise it.
    pub more_than: u64,
    /// In which time.
    pub within: Duration,
}

impl Rate {
    pub(super) fn apply(
        &self,
        watch: &Watch<'_>,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Option<Draft>, StepError> {
        let over = draft.event_time().plus(self.within);
        if over <= context.clocks.event {
            context.late.push(draft.clone());
            return Ok(None);
        }
        watch.refuse_unfit(draft)?;
        let mut at = watch.row(AT);
        put_time(&mut at, draft.event_time());
        let same_time = number(context.state.get(watch.name, &at)?)?;
        context.state.put(watch.name, &at, Some(row_of(same_time + 1)));
        if same_time == 0 {
            context.set_timer(Clock::Event, over, watch.name, &at);
        }
        let total = number(watch.get(TOTAL, context)?)? + 1;
        watch.put(TOTAL, Some(row_of(total)), context);
        let was_raised = watch.is_raised(context)?;
        if !was_raised && total <= self.more_than {
            return Ok(None);
        }
        let mut last = Vec::new();
        let cause = context.cause_of(draft);
        put_draft(&mut last, draft, cause.as_ref());
        watch.put(LAST, Some(last.into()), context);
        if was_raised {
            return Ok(None);
        }
        watch.change(Change::Raised, total.to_string().as_bytes(), draft, context).map(Some)
    }

    pub(super) fn fire(
        &self,
        watch: &Watch<'_>,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Option<Draft>, StepError> {
        let gone = number(context.state.get(watch.name, &timer.key)?)?;
        context.state.put(watch.name, &timer.key, None);
        let total = number(watch.get(TOTAL, context)?)?.saturating_sub(gone);
        watch.put(TOTAL, (total > 0).then(|| row_of(total)), context);
        if total > self.more_than {
            return Ok(None);
        }
        let Some(last) = watch.get(LAST, context)? else { return Ok(None) };
        watch.put(LAST, None, context);
        let mut last = RowReader::new(last).draft()?;
        last.header_mut().time = Some(timer.time);
        watch.change(Change::Cleared, total.to_string().as_bytes(), &last, context).map(Some)
    }
}

fn row_of(number: u64) -> Bytes {
    let mut row = Vec::new();
    put_number(&mut row, number);
    row.into()
}

fn number(row: Option<Bytes>) -> Result<u64, StepError> {
    row.map_or(Ok(0), |row| RowReader::new(row).number())
}
