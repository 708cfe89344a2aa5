//! From the tree to typed parts. Every reader reports what it cannot take and goes on, so that all mistakes come out at once.

mod aggregate;
mod app;
mod assignor;
mod expand;
mod expression;
mod fragment;
mod joins;
mod kafka;
mod lookup;
mod model;
mod monitor;
mod operator;
mod outbox;
mod pipeline;
mod reader;
mod repartition;
mod settings;
mod sink;
mod step;
mod substitution;
mod topic;
pub(crate) mod unit;
mod value;

pub(crate) use app::{Parts, app};
pub(crate) use model::ModelPart;
pub(crate) use pipeline::PipelinePart;
pub(crate) use reader::{Fields, Reader};

use crate::source::Span;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}
