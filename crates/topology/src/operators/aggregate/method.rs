//! What an aggregate makes of events, whatever windows they are in: fields by functions, or a state by an expression.
//!
//! Both can be merged, which sessions and sliding windows need: functions know how, a state needs an expression for it.

use bytes::Bytes;
use riverrun_event::{OperatorName, TopicName};

use crate::context::StepError;
use crate::document::{Document, Json, write_string};
use crate::draft::Draft;
use crate::expression::Expression;
use crate::operators::{data_failed, evaluation_failed};
use crate::rows::{RowReader, put_bytes, put_optional, unreadable};

use super::accumulator::Accumulator;
use super::function::Function;
use super::refused::Refused;
use super::values;

/// Most bytes of a state; it is written anew with each event.
const STATE_BYTES_MAX: usize = 1 << 20;

/// What an aggregate makes of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// How many events there are, in one field.
    Count(Fields),
    /// Fields by functions.
    Aggregate(Fields),
    /// One state of all, the first event's data to begin with.
    Reduce(Fold),
    /// One state of all, from a declared beginning.
    Fold(Fold),
    /// One state of the events of several topics.
    Cogroup(Fold),
}

/// Fields of the result, in order, and the functions that give them.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    fields: Vec<Field>,
}

#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    function: Function,
    /// The name as it stands in the result, with its quotes and colon.
    written: Vec<u8>,
}

/// A state that an expression makes anew with each event. Expressions know it as `state`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// The state before the first event; `None` for `reduce`, which begins with that event's data.
    pub initial: Option<Json>,
    /// The state with an event of the steps before.
    pub with: Expression,
    /// Further topics of a `cogroup`, and the state with one of their events.
    pub streams: Vec<(TopicName, Expression)>,
    /// The state of two windows that become one: `state` is the earlier, `data` the later. `reduce` does without, since its
    /// states are what its events are.
    pub merge: Option<Expression>,
}

/// Fields that make no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// There are none.
    #[error("an aggregate names no field, so nothing would come out")]
    Empty,
    /// A name is none.
    #[error("{0:?} is no name of a field; write a word, without points and spaces")]
    Name(String),
    /// A field is given twice.
    #[error("the field {0} is given twice")]
    Twice(String),
}

/// What is kept of the events of a key and window.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    Fields(Vec<Accumulator>),
    /// `None` before the first event of a `reduce`.
    State(Option<Json>),
}

/// What an event brings in, found once for all windows it is in.
pub(super) enum Brought {
    /// The values of the functions that have an argument, in order; `None` for null. Empty where none has one.
    Values(Vec<Option<Bytes>>),
    /// The event itself, by the expression for where it comes from.
    Event { port: usize },
}

impl Fields {
    /// Fields in the order of the result.
    ///
    /// # Errors
    /// [`FieldsError`] when they make no object.
    pub fn new(fields: Vec<(String, Function)>) -> Result<Self, FieldsError> {
        let mut made: Vec<Field> = Vec::with_capacity(fields.len());
        for (name, function) in fields {
            if name.is_empty() || name.contains(|c: char| c == '.' || c.is_whitespace() || c.is_control()) {
                return Err(FieldsError::Name(name));
            }
            if made.iter().any(|known| known.name == name) {
                return Err(FieldsError::Twice(name));
            }
            let mut written = Vec::new();
            write_string(&name, &mut written);
            written.push(b':');
            made.push(Field { name, function, written });
        }
        if made.is_empty() { Err(FieldsError::Empty) } else { Ok(Self { fields: made }) }
    }

    /// The names and functions, as they were given.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Function)> {
        self.fields.iter().map(|field| (field.name.as_str(), &field.function))
    }

    fn values(&self, name: &OperatorName, draft: &mut Draft) -> Result<Vec<Option<Bytes>>, StepError> {
        if self.fields.iter().all(|field| field.function.argument().is_none()) {
            return Ok(Vec::new());
        }
        let value = |field: &Field| {
            let Some(argument) = field.function.argument() else { return Ok(None) };
            let json = argument.evaluate_json(draft).map_err(|error| evaluation_failed(name, error))?;
            Ok(Some(json).filter(values::counts))
        };
        self.fields.iter().map(value).collect()
    }
}

impl Method {
    /// The word of the app file.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Count(_) => "count",
            Self::Aggregate(_) => "aggregate",
            Self::Reduce(_) => "reduce",
            Self::Fold(_) => "fold",
            Self::Cogroup(_) => "cogroup",
        }
    }

    /// How its states are made, where it has one of its own.
    #[must_use]
    pub fn fold(&self) -> Option<&Fold> {
        match self {
            Self::Count(_) | Self::Aggregate(_) => None,
            Self::Reduce(fold) | Self::Fold(fold) | Self::Cogroup(fold) => Some(fold),
        }
    }

    /// What is kept before the first event.
    pub(super) fn nothing(&self) -> Kept {
        match self {
            Self::Count(fields) | Self::Aggregate(fields) => {
                Kept::Fields(fields.fields.iter().map(|field| Accumulator::of(field.function.kind())).collect())
            }
            Self::Reduce(fold) | Self::Fold(fold) | Self::Cogroup(fold) => Kept::State(fold.initial.clone()),
        }
    }

    /// What an event brings in; `None` when it does not count: a deletion has nothing that a `reduce` could begin with.
    pub(super) fn bring(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        port: usize,
    ) -> Result<Option<Brought>, StepError> {
        match self {
            Self::Count(fields) | Self::Aggregate(fields) => fields.values(name, draft).map(Brought::Values).map(Some),
            Self::Reduce(_) if draft.header().data.is_none() => Ok(None),
            Self::Reduce(_) | Self::Fold(_) | Self::Cogroup(_) => Ok(Some(Brought::Event { port })),
        }
    }

    /// Adds an event to what is kept.
    pub(super) fn add(
        &self,
        kept: &mut Kept,
        brought: &Brought,
        name: &OperatorName,
        draft: &mut Draft,
    ) -> Result<(), StepError> {
        match (self, kept, brought) {
            (Self::Count(fields) | Self::Aggregate(fields), Kept::Fields(kept), Brought::Values(values)) => {
                for (index, (field, kept)) in fields.fields.iter().zip(kept).enumerate() {
                    let value = values.get(index).and_then(Option::as_ref);
                    if value.is_some() || field.function.argument().is_none() {
                        let function = &field.function;
                        kept.add(function, value).map_err(|refused| refused.within(function.source()).of(name))?;
                    }
                }
                Ok(())
            }
            (_, Kept::State(state), Brought::Event { port }) => {
                let with = self.fold().and_then(|fold| fold.expression(*port)).ok_or_else(unreadable)?;
                *state = Some(match state {
                    Some(state) => made(with, draft, state, name)?,
                    None => whole_data(name, draft)?,
                });
                Ok(())
            }
            _ => Err(unreadable()),
        }
    }

    /// Takes in what was kept for a later window.
    pub(super) fn merge(
        &self,
        kept: &mut Kept,
        later: Kept,
        name: &OperatorName,
        draft: &Draft,
    ) -> Result<(), StepError> {
        match (self, kept, later) {
            (Self::Count(fields) | Self::Aggregate(fields), Kept::Fields(kept), Kept::Fields(later)) => {
                for ((field, kept), later) in fields.fields.iter().zip(kept).zip(&later) {
                    let merged = kept.merge(&field.function, later);
                    merged.map_err(|refused| refused.within(field.function.source()).of(name))?;
                }
                Ok(())
            }
            (_, Kept::State(state), Kept::State(later)) => {
                *state = match (state.take(), later) {
                    (Some(earlier), Some(later)) => {
                        let fold = self.fold().ok_or_else(unreadable)?;
                        let mut later = draft.derived(later.into_bytes());
                        let merge = fold.merge.as_ref().unwrap_or(&fold.with);
                        Some(made(merge, &mut later, &earlier, name)?)
                    }
                    (earlier, later) => earlier.or(later),
                };
                Ok(())
            }
            _ => Err(unreadable()),
        }
    }

    /// Appends the fields, each with a comma before it but perhaps the first; or the state.
    pub(super) fn write_json(&self, kept: &Kept, first: bool, out: &mut Vec<u8>) -> Result<(), Refused> {
        match (self, kept) {
            (Self::Count(fields) | Self::Aggregate(fields), Kept::Fields(kept)) => {
                for (index, (field, kept)) in fields.fields.iter().zip(kept).enumerate() {
                    if !(first && index == 0) {
                        out.push(b',');
                    }
                    out.extend_from_slice(&field.written);
                    kept.write_json(out).map_err(|refused| refused.within(field.function.source()))?;
                }
            }
            (_, Kept::State(Some(state))) => out.extend_from_slice(state.as_bytes()),
            _ => out.extend_from_slice(b"null"),
        }
        Ok(())
    }

    /// Appends what is kept to a row of state.
    pub(super) fn write(&self, kept: &Kept, row: &mut Vec<u8>) {
        match (self, kept) {
            (Self::Count(fields) | Self::Aggregate(fields), Kept::Fields(kept)) => {
                for (field, kept) in fields.fields.iter().zip(kept) {
                    kept.write(field.function.kind(), row);
                }
            }
            (_, Kept::State(state)) => put_optional(row, state.as_ref().map(Json::as_bytes)),
            (_, Kept::Fields(_)) => put_bytes(row, b""),
        }
    }

    /// Reads it back.
    pub(super) fn read(&self, reader: &mut RowReader) -> Result<Kept, StepError> {
        match self {
            Self::Count(fields) | Self::Aggregate(fields) => {
                let kept = fields.fields.iter().map(|field| Accumulator::read(field.function.kind(), reader));
                kept.collect::<Result<_, _>>().map(Kept::Fields)
            }
            Self::Reduce(_) | Self::Fold(_) | Self::Cogroup(_) => {
                Ok(Kept::State(reader.optional()?.map(Json::written)))
            }
        }
    }
}

impl Fold {
    /// The expression for events that come to a port.
    fn expression(&self, port: usize) -> Option<&Expression> {
        match port.checked_sub(1) {
            None => Some(&self.with),
            Some(stream) => self.streams.get(stream).map(|(_, with)| with),
        }
    }
}

/// The state that an expression makes of an event and the state before.
fn made(with: &Expression, draft: &mut Draft, state: &Json, name: &OperatorName) -> Result<Json, StepError> {
    let state = with.evaluate_over(draft, state).map_err(|error| evaluation_failed(name, error))?;
    if state.as_bytes().len() > STATE_BYTES_MAX {
        let message = format!("the state takes more than {} MiB", STATE_BYTES_MAX >> 20);
        return Err(Refused::overflow(message).within(with.source()).of(name));
    }
    Ok(state)
}

fn whole_data(name: &OperatorName, draft: &mut Draft) -> Result<Json, StepError> {
    let document = draft.document().map_err(|error| data_failed(name, error))?;
    let whole = |document: &mut Document| {
        let span = document.whole();
        Json::written(document.bytes(span))
    };
    Ok(document.map_or(Json::NULL, whole))
}
