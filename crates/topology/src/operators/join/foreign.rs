//! A join with a table by a foreign key: each left row is joined with the row of the table that it names. A change of
//! either side gives the results it concerns, under the key of the left side.
//!
//! The two sides are placed by different keys, so the step is laid out as three, with a repartition between each two:
//!
//! 1. [`Stage::Left`], where the left side is: remembers which row each left row names, and subscribes it there.
//! 2. [`Stage::Right`], where the table is: keeps the newest row, and the left rows that name it; answers both.
//! 3. [`Stage::Result`], back at the key of the left side: what has been overtaken ends here.
//!
//! Answers about a left row that has come to name another row may arrive after those of that one. So each change of a left row has
//! a number, greater than all before it, which every answer repeats: an answer with a smaller one than was seen is
//! stale. (Kafka Streams solves it alike, with a hash of the left row in the place of the number: KIP-213.)
//!
//! State: for each left row which one it names, and what was seen of it, for ever; for each row of the table its newest event, and the
//! left rows that name it.

use bytes::Bytes;
use riverrun_event::limits::FAN_OUT_EVENTS_MAX;
use riverrun_event::{Key, OperatorName, TopicName};

use crate::context::{Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::{Cause, Draft};
use crate::expression::Expression;
use crate::operators::flat_map::flood;
use crate::operators::keyed::refuse_long;
use crate::operators::pair::{json_of, pair, with_place};
use crate::operators::{evaluation_failed, key_of};
use crate::rows::{RowReader, end_of, prefix_of, put_draft, put_number, put_optional};

use super::message::{Kind, Message};
use super::{JoinType, Side};

/// The lane of the table's row.
const ROW: u8 = 0;
/// The lane of the left rows that name it, by their keys.
const SUBSCRIBERS: u8 = 1;
/// Where the number of the last change is; no key's rows begin so.
const LAST_NUMBER: &[u8] = &[0, 0];

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignJoin {
    /// The topic of the table.
    pub table: TopicName,
    /// Which row of the table a left row names; null for none.
    pub by: Expression,
    /// `Inner` gives no result where there is no such row, `Left` one with null.
    pub kind: JoinType,
    /// Where the table's data is put.
    pub place: Path,
    /// Which part of the join it is.
    pub stage: Stage,
}

/// A part of a join by a foreign key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// All of it, as it is declared; it is laid out as the others before it runs.
    #[default]
    Whole,
    /// At the key of the left side.
    Left,
    /// At the key of the table.
    Right,
    /// At the key of the left side again.
    Result,
}

impl ForeignJoin {
    /// The same as another part of the join.
    #[must_use]
    pub fn at(&self, stage: Stage) -> Self {
        Self { stage, ..self.clone() }
    }

    /// Whether it reads the table.
    #[must_use]
    pub fn reads_table(&self) -> bool {
        matches!(self.stage, Stage::Whole | Stage::Right)
    }

    /// Whether what leaves it has another key than what comes to it.
    #[must_use]
    pub fn changes_key(&self) -> bool {
        matches!(self.stage, Stage::Left | Stage::Right)
    }

    pub(super) fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        let key = key_of(name, draft, "join")?;
        let out = match (self.stage, Side::of(context.port)) {
            (Stage::Left, _) => self.left(name, &key, draft, context)?,
            (Stage::Right, Side::Left) => self.subscribe(name, &key, draft, context)?,
            (Stage::Right, Side::Right) => self.changed(name, &key, draft, context)?,
            (Stage::Result, _) => result(name, &key, draft, context)?.into_iter().collect(),
            (Stage::Whole, _) => {
                let message = "a join by a foreign key runs only once its topology is laid out (`insert_repartitions`)";
                return Err(StepError::Fatal(message.to_owned()));
            }
        };
        Ok(if out.is_empty() { Flow::Drop } else { Flow::Replace(out) })
    }

    /// A left row changed: it leaves the row it named, and subscribes to the one it names now.
    fn left(
        &self,
        name: &OperatorName,
        key: &Key,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let row = prefix_of(key.as_bytes());
        let before = context.state.get(name, &row)?.map(|row| RowReader::new(row).optional()).transpose()?;
        if draft.header().data.is_none() && before.is_none() {
            return Ok(Vec::new());
        }
        let number = next_number(name, context)?;
        let message = |kind: Kind| Message { kind, left: key.clone(), number };
        let mut out = Vec::new();
        if draft.header().data.is_none() {
            context.state.put(name, &row, None);
            out.push(message(Kind::Answer).write(draft.clone(), key));
        } else {
            let named = self.by.evaluate_key(draft).map_err(|error| evaluation_failed(name, error))?;
            // Where the message goes it could only fail, and its row would keep the result it had.
            named.as_ref().map_or(Ok(()), |named| refuse_long(name, named, "join"))?;
            let left = with_place(name, draft, &self.place)?;
            let mut value = Vec::new();
            put_optional(&mut value, named.as_ref().map(Key::as_bytes));
            context.state.put(name, &row, Some(value.into()));
            out.push(match (&named, self.kind) {
                (Some(named), _) => message(Kind::Subscribe).write(left, named),
                (None, JoinType::Inner) => message(Kind::Answer).write(without_data(draft), key),
                (None, _) => message(Kind::Answer).write(left, key),
            });
            if named.as_ref().map(Key::as_bytes) == before.as_ref().and_then(|before| before.as_deref()) {
                return Ok(out);
            }
        }
        if let Some(before) = before.flatten() {
            let before = Key::new(before.to_vec()).map_err(|error| StepError::Fatal(error.to_string()))?;
            out.push(message(Kind::Leave).write(without_data(draft), &before));
        }
        Ok(out)
    }

    /// A left row names this one from now on, or no longer.
    fn subscribe(
        &self,
        name: &OperatorName,
        key: &Key,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let (message, mut left) = Message::read(name, draft)?;
        let row = [lane(key, SUBSCRIBERS).as_slice(), message.left.as_bytes()].concat();
        match message.kind {
            // It concerns no row of the table, and only takes the same way as the others.
            Kind::Answer => Ok(vec![message.write(left, &message.left)]),
            Kind::Leave => {
                context.state.put(name, &row, None);
                Ok(Vec::new())
            }
            Kind::Subscribe => {
                let cause = context.cause_of(draft);
                let mut value = Vec::new();
                put_number(&mut value, message.number);
                put_draft(&mut value, &mut left, cause.as_ref());
                context.state.put(name, &row, Some(value.into()));
                let right = context.state.get(name, &lane(key, ROW))?;
                let mut right = right.map(|row| RowReader::new(row).draft()).transpose()?;
                let other = right.as_ref().and_then(|right| right.cause().cloned());
                Ok(vec![self.answer(name, message, left, right.as_mut(), (cause.as_ref(), other.as_ref()))?])
            }
        }
    }

    /// A row of the table changed: every left row that names it gets an answer.
    fn changed(
        &self,
        name: &OperatorName,
        key: &Key,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        let cause = context.cause_of(draft);
        let mut right = match draft.header().data {
            Some(_) => json_of(name, draft).map(|_| Some(draft.clone()))?,
            None => None,
        };
        let row = lane(key, ROW);
        if right.is_none() && context.state.get(name, &row)?.is_none() {
            return Ok(Vec::new());
        }
        let value = right.as_mut().map(|right| {
            let mut value = Vec::new();
            put_draft(&mut value, right, cause.as_ref());
            Bytes::from(value)
        });
        context.state.put(name, &row, value);
        let lane = lane(key, SUBSCRIBERS);
        let subscribers = context.state.scan(name, &lane, &end_of(&lane), FAN_OUT_EVENTS_MAX + 1)?;
        if subscribers.len() > FAN_OUT_EVENTS_MAX {
            return Err(flood(name));
        }
        let mut out = Vec::with_capacity(subscribers.len());
        for (row, value) in subscribers {
            let left = Key::new(row.slice(lane.len()..)).map_err(|error| StepError::Fatal(error.to_string()))?;
            let mut reader = RowReader::new(value);
            let message = Message { kind: Kind::Answer, left, number: reader.number()? };
            let left = reader.draft()?;
            let other = left.cause().cloned();
            out.push(self.answer(name, message, left, right.as_mut(), (cause.as_ref(), other.as_ref()))?);
        }
        Ok(out)
    }

    /// What a left row gives with the row it names; `causes` are what came now and what had come before.
    fn answer(
        &self,
        name: &OperatorName,
        message: Message,
        left: Draft,
        right: Option<&mut Draft>,
        causes: (Option<&Cause>, Option<&Cause>),
    ) -> Result<Draft, StepError> {
        let (trigger, other) = causes;
        let mut answer = match (right, self.kind) {
            (None, JoinType::Inner) => without_data(&left),
            (None, _) => left,
            (Some(right), _) => {
                let time = left.event_time().max(right.event_time());
                let json = json_of(name, right)?;
                let mut joined = pair(name, left, &self.place, &json, trigger, other)?;
                joined.header_mut().time = Some(time);
                joined
            }
        };
        if let Some(trigger) = trigger {
            answer = answer.caused_by(trigger.clone());
        }
        let to = message.left.clone();
        Ok(Message { kind: Kind::Answer, ..message }.write(answer, &to))
    }
}

/// Lets an answer out, unless a later change of the left row was answered before.
fn result(
    name: &OperatorName,
    key: &Key,
    draft: &mut Draft,
    context: &mut StepContext<'_>,
) -> Result<Option<Draft>, StepError> {
    let (message, answer) = Message::read(name, draft)?;
    let row = prefix_of(key.as_bytes());
    let (seen, had_result) = match context.state.get(name, &row)? {
        Some(row) => {
            let mut reader = RowReader::new(row);
            (reader.number()?, reader.byte()? != 0)
        }
        None => (0, false),
    };
    if message.number < seen {
        return Ok(None);
    }
    let has_result = answer.header().data.is_some();
    let mut value = Vec::new();
    put_number(&mut value, message.number);
    value.push(u8::from(has_result));
    context.state.put(name, &row, Some(value.into()));
    Ok((has_result || had_result).then_some(answer))
}

/// Counts the changes of all left rows of the task.
fn next_number(name: &OperatorName, context: &mut StepContext<'_>) -> Result<u64, StepError> {
    let last = context.state.get(name, LAST_NUMBER)?;
    let number = last.map_or(Ok(0), |row| RowReader::new(row).number())?.saturating_add(1);
    let mut value = Vec::new();
    put_number(&mut value, number);
    context.state.put(name, LAST_NUMBER, Some(value.into()));
    Ok(number)
}

fn lane(key: &Key, lane: u8) -> Vec<u8> {
    let mut row = prefix_of(key.as_bytes());
    row.push(lane);
    row
}

fn without_data(draft: &Draft) -> Draft {
    let mut event = draft.header().clone();
    event.data = None;
    draft.another(event)
}

#[cfg(test)]
mod tests;
