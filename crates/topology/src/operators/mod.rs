//! The operators, one file each. All are pure: one event, its state and models in, values out.

pub mod aggregate;
pub mod branch;
pub mod deduplicate;
pub mod filter;
pub mod flat_map;
pub mod group_by;
pub mod identify;
pub mod join;
mod keyed;
pub mod lookup;
pub mod map;
pub mod merge;
pub mod monitor;
pub mod pair;
pub mod peek;
pub mod remove;
pub mod rename;
pub mod repartition;
pub mod select_key;
pub mod sequence;
pub mod set;
pub mod snapshot;
pub mod table;
pub mod transform;
mod waiting;

#[cfg(test)]
pub(crate) mod testing;

use bytes::Bytes;
use riverrun_event::{OperatorName, TopicName, ViewName};

use crate::context::{EventError, Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::{DataError, Draft};
use crate::expression::{EvaluationError, Expression};
use crate::sink::Sink;
use crate::timers::Timer;
use crate::view::ViewRow;

use keyed::key_of;

/// Every operator there is.
#[derive(Clone, Debug, PartialEq)]
pub enum Operator {
    /// Lets an event pass when a condition holds.
    Filter(filter::Filter),
    /// Sets fields of the data from expressions.
    Set(set::Set),
    /// Removes fields of the data.
    Remove(remove::Remove),
    /// Moves fields of the data to other places.
    Rename(rename::Rename),
    /// Puts the state of models at the event's time into its data.
    Snapshot(snapshot::Snapshot),
    /// Runs a transformer the service registered.
    Transform(transform::Transform),
    /// Gives the data a whole new shape.
    Map(map::Map),
    /// Makes an event of every element of a list.
    FlatMap(flat_map::FlatMap),
    /// Gives the event another key.
    SelectKey(select_key::SelectKey),
    /// Asks a service outside.
    Lookup(lookup::Lookup),
    /// Says what the keyed steps behind it go by.
    GroupBy(group_by::GroupBy),
    /// Deals the events out anew.
    Repartition(repartition::Repartition),
    /// Shows a value of the events that pass.
    Peek(peek::Peek),
    /// Sends an event one of several ways.
    Branch(branch::Branch),
    /// Lets the events of a further topic in.
    Merge(merge::Merge),
    /// Brings the events of a key and window together: `count`, `aggregate`, `reduce`, `fold`, `cogroup`.
    Aggregate(Box<aggregate::Aggregate>),
    /// Drops events that were there before.
    Deduplicate(deduplicate::Deduplicate),
    /// Finds events that follow one another, or one that is not followed.
    Sequence(sequence::Sequence),
    /// Brings events together with those of another topic, or with a model.
    Join(join::Join),
    /// Keeps the newest event of each key.
    Table(table::Table),
    /// Finds the entity an event belongs to.
    Identify(identify::Identify),
    /// Says when a condition over the events of a key begins to hold, and when it ends.
    Monitor(monitor::Monitor),
}

impl Operator {
    /// The word of the app file for this operator.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Filter(_) => "filter",
            Self::Set(_) => "set",
            Self::Remove(_) => "remove",
            Self::Rename(_) => "rename",
            Self::Snapshot(_) => "snapshot",
            Self::Transform(_) => "transform",
            Self::Map(_) => "map",
            Self::FlatMap(_) => "flat_map",
            Self::SelectKey(_) => "select_key",
            Self::Lookup(_) => "lookup",
            Self::GroupBy(_) => "group_by",
            Self::Repartition(_) => "repartition",
            Self::Peek(_) => "peek",
            Self::Branch(_) => "branch",
            Self::Merge(_) => "merge",
            Self::Aggregate(aggregate) => aggregate.method.verb(),
            Self::Deduplicate(_) => "deduplicate",
            Self::Sequence(_) => "sequence",
            Self::Join(_) => "join",
            Self::Table(_) => "table",
            Self::Identify(_) => "identify",
            Self::Monitor(_) => "monitor",
        }
    }

    /// The name it brings for its step: that of a transformer.
    #[must_use]
    pub fn own_name(&self) -> Option<&str> {
        match self {
            Self::Transform(transform) => Some(&transform.transformer_name),
            _ => None,
        }
    }

    /// Applies the operator to one event. The steps within a branch or a merge are whoever runs the pipeline's.
    ///
    /// # Errors
    /// [`StepError::Event`] when the event does not fit; [`StepError::Fatal`] when state or models cannot be read.
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        match self {
            Self::Filter(filter) => filter.apply(name, draft),
            Self::Set(set) => set.apply(name, draft),
            Self::Remove(remove) => remove.apply(name, draft),
            Self::Rename(rename) => rename.apply(name, draft),
            Self::Snapshot(snapshot) => snapshot.apply(name, draft, context.models),
            Self::Transform(transform) => transform.apply(name, draft, context),
            Self::Map(map) => map.apply(name, draft),
            Self::FlatMap(flat_map) => flat_map.apply(name, draft),
            Self::SelectKey(select_key) => select_key.apply(name, draft),
            Self::Lookup(lookup) => lookup.apply(name, draft, context.answers),
            Self::GroupBy(group_by) => group_by.apply(name, draft),
            Self::Repartition(repartition) => repartition.apply(name, draft),
            Self::Peek(peek) => Ok(peek.apply(name, draft, context.peeked)),
            Self::Branch(branch) => branch.apply(name, draft),
            Self::Merge(_) => Ok(Flow::Pass),
            Self::Aggregate(aggregate) => aggregate.apply(name, draft, context),
            Self::Deduplicate(deduplicate) => deduplicate.apply(name, draft, context),
            Self::Sequence(sequence) => sequence.apply(name, draft, context),
            Self::Join(join) => join.apply(name, draft, context),
            Self::Table(table) => table.apply(name, draft, context),
            Self::Identify(identify) => identify.apply(name, draft, context),
            Self::Monitor(monitor) => monitor.apply(name, draft, context),
        }
    }
}

impl Operator {
    /// Whether it keeps state per key, so that all events of a key must come to one task.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        match self {
            Self::Transform(transform) => {
                transform.transformer.as_ref().is_some_and(|transformer| transformer.is_keyed())
            }
            Self::Aggregate(_) | Self::Deduplicate(_) | Self::Sequence(_) => true,
            Self::Table(_) | Self::Identify(_) | Self::Monitor(_) => true,
            Self::Join(join) => join.is_keyed(),
            _ => false,
        }
    }

    /// What events have to be keyed and placed by that come to it, where that is not the key they have.
    #[must_use]
    pub fn placed_by(&self) -> Option<&Expression> {
        match self {
            Self::Identify(identify) => identify.placed_by(),
            _ => None,
        }
    }

    /// Topics whose events come to it directly, at the ports from 1 on.
    #[must_use]
    pub fn further_inputs(&self) -> Vec<&TopicName> {
        match self {
            Self::Aggregate(aggregate) => aggregate.further_inputs(),
            Self::Join(join) => join.topic().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The models it looks up.
    #[must_use]
    pub fn looked_up(&self) -> Vec<&snapshot::SnapshotModel> {
        match self {
            Self::Snapshot(snapshot) => snapshot.models.iter().collect(),
            Self::Join(join::Join::Model(join)) => vec![&join.entry],
            _ => Vec::new(),
        }
    }

    /// Where events go that come too late for it.
    #[must_use]
    pub fn late(&self) -> Option<&Sink> {
        match self {
            Self::Aggregate(aggregate) => aggregate.options.late.as_ref(),
            Self::Deduplicate(deduplicate) => deduplicate.late.as_ref(),
            Self::Sequence(sequence) => sequence.late.as_ref(),
            Self::Join(join) => join.late(),
            Self::Monitor(monitor) => monitor.late.as_ref(),
            _ => None,
        }
    }

    /// What its rows of state mean, for those that keep any: rows of another shape are of no use to it. What does not touch the
    /// rows, such as where results go, is not part of it.
    #[must_use]
    pub fn state_shape(&self) -> Option<String> {
        match self {
            Self::Aggregate(aggregate) => Some(aggregate.state_shape()),
            _ if self.is_keyed() => Some(self.verb().to_owned()),
            _ => None,
        }
    }

    /// The name under which its state is to be read.
    #[must_use]
    pub fn view(&self) -> Option<&ViewName> {
        match self {
            Self::Aggregate(aggregate) => aggregate.options.view.as_ref(),
            Self::Join(join) => join.view(),
            Self::Table(table) => Some(&table.view),
            Self::Monitor(monitor) => monitor.view.as_ref(),
            _ => None,
        }
    }

    /// Whether what it keeps of a key is one row, that of the key's [`crate::rows::prefix_of`].
    #[must_use]
    pub fn has_one_row_per_key(&self) -> bool {
        match self {
            Self::Aggregate(aggregate) => aggregate.options.window.is_none(),
            Self::Table(_) => true,
            _ => false,
        }
    }

    /// A row of its state as readers of its view see it; `None` for what is no result of its own.
    ///
    /// # Errors
    /// [`StepError::Fatal`] when the row is none of this operator's.
    pub fn view_row(&self, row_key: &[u8], value: &Bytes) -> Result<Option<ViewRow>, StepError> {
        match self {
            Self::Aggregate(aggregate) => aggregate.view_row(row_key, value),
            Self::Join(join) => join.view_row(row_key, value),
            Self::Table(_) => table::Table::view_row(row_key, value),
            Self::Monitor(_) => monitor::Monitor::view_row(row_key, value),
            _ => Ok(None),
        }
    }

    /// Does what a timer of the operator was set for; the events go on behind it.
    ///
    /// # Errors
    /// [`StepError::Event`] when what it would emit cannot be; [`StepError::Fatal`] when state cannot be read.
    pub fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        match self {
            Self::Aggregate(aggregate) => aggregate.fire(name, timer, context),
            Self::Deduplicate(_) => Ok(deduplicate::Deduplicate::fire(name, timer, context)),
            Self::Sequence(sequence) => sequence.fire(name, timer, context),
            Self::Transform(transform) => transform.fire(name, timer, context),
            Self::Join(join) => join.fire(name, timer, context),
            Self::Monitor(monitor) => monitor.fire(name, timer, context),
            _ => Ok(Vec::new()),
        }
    }
}

/// Sets a field of an event that has data.
fn put(draft: &mut Draft, path: &Path, json: &[u8]) -> Result<(), DataError> {
    Ok(draft.document()?.ok_or(DataError::Absent)?.set(path, json)?)
}

pub(crate) fn event_error(code: &'static str, operator: &OperatorName, message: String) -> StepError {
    StepError::Event(EventError { code, operator: operator.clone(), message })
}

pub(crate) fn evaluation_failed(operator: &OperatorName, error: EvaluationError) -> StepError {
    event_error("RR0301", operator, error.message)
}

fn data_failed(operator: &OperatorName, error: DataError) -> StepError {
    event_error("RR0302", operator, error.to_string())
}
