//! Riverrun as a library: load an app file, register transformers, start it.
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod app;
pub mod assignor;
#[cfg(feature = "client")]
pub mod client;
pub mod event;
pub mod lookup;
pub mod migrate;
pub mod outbox;
pub mod server;
pub mod testing;
pub mod transform;
pub mod view;

pub use app::App;
pub use assignor::Assignor;
pub use event::{Error, Event, EventError};
pub use server::{ServeError, ServeOptions, Server};
pub use transform::{Outputs, Transform, Typed};
pub use view::View;

pub use riverrun_app::Outbox as OutboxSetting;
pub use riverrun_app::{
    Color, Diagnostics, InitError, LoadError, LogSetting, SCHEMA_FILE, Sample, Settings, TestFile, TestFileError, init,
    schema,
};
pub use riverrun_event::{Event as RawEvent, Key, PipelineName, Position, Time, TopicName};
pub use riverrun_log::EnsureError;
pub use riverrun_log_local::{Loss, VerifyError, VerifyReport, verify};
pub use riverrun_runtime::StartError;
/// A stream graph as data: what [`Topology`] is made of.
pub use riverrun_topology as topology;
pub use riverrun_topology::{Clock, Topology, TopologyError, TransformerTimer, Window};
