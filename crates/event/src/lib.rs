//! The words of Riverrun as types: events, topics, keys, positions, times and limits.
//!
//! Every other crate speaks in these types. They are parsed once, at a door, and cannot be wrong afterwards.
//! This crate does no I/O, is not async, and its types do not implement serde: each wire has its own types at its door.

pub mod attribute;
pub mod context;
pub mod event;
pub mod key;
pub mod limits;
pub mod name;
pub mod partitioner;
pub mod position;
pub mod text;
pub mod time;
pub mod verb;

pub use attribute::{AttributeError, Attributes};
pub use context::ContextError;
pub use event::{Event, Record};
pub use key::Key;
pub use name::{AppName, ConsumerName, ModelName, NameError, OperatorName, PipelineName, TopicName, ViewName};
pub use position::{Offset, Partition, Position, PositionError, TopicPartition};
pub use text::Text;
pub use time::{Time, TimeError};
pub use verb::Verb;
