//! `join`: brings the events of a key together with those of another topic, or with what a model knows.
//!
//! [`StreamJoin`] joins events that lie near one another in time, [`TableJoin`] the newest events of both sides, [`ForeignJoin`]
//! rows with those of a table that they name, [`ModelJoin`] an event with the state of an entity at its time. The flow of the steps is the
//! left side; its data gets that of the other one at a place of its own. What comes out has the key of the left side. The topics of the
//! first two must be keyed and partitioned alike.

mod foreign;
mod message;
mod model;
mod stream;
mod table;

use bytes::Bytes;
use riverrun_event::{OperatorName, TopicName, ViewName};

use crate::context::{Flow, StepContext, StepError};
use crate::document::Path;
use crate::draft::Draft;
use crate::sink::Sink;
use crate::timers::Timer;
use crate::view::ViewRow;

pub use foreign::{ForeignJoin, Stage};
pub use model::ModelJoin;
pub use stream::StreamJoin;
pub use table::TableJoin;

/// The operator.
#[derive(Clone, Debug, PartialEq)]
pub enum Join {
    /// With events near in time.
    Stream(StreamJoin),
    /// With the newest event of the key.
    Table(TableJoin),
    /// With a model.
    Model(ModelJoin),
    /// With the newest event of a key that the left event names.
    Foreign(ForeignJoin),
}

/// What becomes of an event that finds no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinType {
    /// Nothing comes out.
    #[default]
    Inner,
    /// Those of the left side come out alone.
    Left,
    /// Those of both sides do.
    Outer,
}

/// A side of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

impl Side {
    /// The side of a port.
    fn of(port: usize) -> Self {
        if port == 0 { Self::Left } else { Self::Right }
    }

    fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// Tells the rows of the sides apart.
    fn byte(self) -> u8 {
        match self {
            Self::Left => 0,
            Self::Right => 1,
        }
    }
}

impl JoinType {
    /// Whether an event of the side comes out alone.
    fn covers(self, side: Side) -> bool {
        match self {
            Self::Inner => false,
            Self::Left => side == Side::Left,
            Self::Outer => true,
        }
    }

    /// The word of the app file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Left => "left",
            Self::Outer => "outer",
        }
    }
}

impl Join {
    /// Where the other side's data is put unless another place is named: `data.<name of the topic or model>`.
    #[must_use]
    pub fn default_place(name: &str) -> Option<Path> {
        Path::from_segments(vec![name.into()])
    }

    /// Joins one event.
    ///
    /// # Errors
    /// [`StepError::Event`] when it does not fit; [`StepError::Fatal`] when state or models cannot be read.
    pub fn apply(
        &self,
        name: &OperatorName,
        draft: &mut Draft,
        context: &mut StepContext<'_>,
    ) -> Result<Flow, StepError> {
        match self {
            Self::Stream(join) => join.apply(name, draft, context),
            Self::Table(join) => join.apply(name, draft, context),
            Self::Model(join) => join.apply(name, draft, context.models),
            Self::Foreign(join) => join.apply(name, draft, context),
        }
    }

    pub(super) fn fire(
        &self,
        name: &OperatorName,
        timer: &Timer,
        context: &mut StepContext<'_>,
    ) -> Result<Vec<Draft>, StepError> {
        match self {
            Self::Stream(join) => join.fire(name, timer, context),
            Self::Table(_) | Self::Model(_) | Self::Foreign(_) => Ok(Vec::new()),
        }
    }

    /// Whether it keeps state per key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        !matches!(self, Self::Model(_))
    }

    /// The topic of the other side, at port 1.
    #[must_use]
    pub fn topic(&self) -> Option<&TopicName> {
        match self {
            Self::Stream(join) => Some(&join.stream),
            Self::Table(join) => Some(&join.table),
            Self::Foreign(join) => join.reads_table().then_some(&join.table),
            Self::Model(_) => None,
        }
    }

    /// Whether what leaves it has another key than what comes to it.
    #[must_use]
    pub fn changes_key(&self) -> bool {
        matches!(self, Self::Foreign(join) if join.changes_key())
    }

    /// Where events go that come too late.
    #[must_use]
    pub fn late(&self) -> Option<&Sink> {
        match self {
            Self::Stream(join) => join.late.as_ref(),
            Self::Table(_) | Self::Model(_) | Self::Foreign(_) => None,
        }
    }

    /// What the results are read as.
    #[must_use]
    pub fn view(&self) -> Option<&ViewName> {
        match self {
            Self::Table(join) => join.view.as_ref(),
            Self::Stream(_) | Self::Model(_) | Self::Foreign(_) => None,
        }
    }

    pub(super) fn view_row(&self, row_key: &[u8], value: &Bytes) -> Result<Option<ViewRow>, StepError> {
        match self {
            Self::Table(_) => TableJoin::view_row(row_key, value),
            Self::Stream(_) | Self::Model(_) | Self::Foreign(_) => Ok(None),
        }
    }

    /// Where the other side's data is put.
    #[must_use]
    pub fn place(&self) -> &Path {
        match self {
            Self::Stream(join) => &join.place,
            Self::Table(join) => &join.place,
            Self::Model(join) => &join.entry.place,
            Self::Foreign(join) => &join.place,
        }
    }

    /// What becomes of an event that finds no other.
    #[must_use]
    pub fn kind(&self) -> JoinType {
        match self {
            Self::Stream(join) => join.kind,
            Self::Table(join) => join.kind,
            Self::Model(join) => join.kind,
            Self::Foreign(join) => join.kind,
        }
    }
}
