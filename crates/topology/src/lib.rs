//! A stream graph as data: topics, models, pipelines and the operators they are made of.
//!
//! A [`Topology`] says what is to happen; `runtime` makes it happen. Operators are pure: they see one event, the state and
//! models handed to them through [`StepContext`], and answer with values. They never read a clock, a disk or a network.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod builder;
pub mod context;
pub mod describe;
pub mod document;
pub mod draft;
pub mod expression;
pub mod json;
pub mod model;
pub mod operators;
pub mod pipeline;
pub mod rows;
pub mod sink;
pub mod stages;
pub mod step_names;
pub mod timers;
pub mod topic;
pub mod topology;
pub mod view;
pub mod window;

mod check;
mod panics;
mod placement;

pub use builder::TopologyBuilder;
pub use context::{
    Answers, EventError, Flow, KeyedState, ModelVersion, Models, NoAnswers, Peeked, StepContext, StepError,
};
pub use describe::DescribeFormat;
pub use draft::{Cause, DataError, Draft};
pub use expression::{EvaluationError, Expression, ExpressionError, Value};
pub use model::{Model, Placement};
pub use operators::Operator;
pub use operators::repartition::{Partitioner, Partitioning};
pub use operators::transform::{Transform, TransformError, Transformer, TransformerState, TransformerTimer};
pub use panics::panic_message;
pub use pipeline::{OnError, Pipeline, Step};
pub use sink::{Route, Sink};
pub use stages::{MeetingTopic, Stage};
pub use step_names::StepNames;
pub use timers::{Clock, Clocks, Timer, Timers};
pub use topic::{Compact, Topic, TypePattern};
pub use topology::{Topology, TopologyError};
pub use view::ViewRow;
pub use window::{Interval, Shape, Window, WindowError};
