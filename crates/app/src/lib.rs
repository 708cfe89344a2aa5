//! The app file, `riverrun.yaml`: parsed with places, checked as a whole, planned into a [`Topology`](riverrun_topology::Topology).
//!
//! Text goes one way: [`yaml`] gives a tree in which every node knows its place; [`read`] turns it into typed parts with the
//! table of fields in [`fields`] (the reference in docs is printed from the same table); [`plan`] resolves the names and gives
//! the topology and the [`Settings`]. No stage stops at its first mistake: all of them end up in one [`Diagnostics`].
//! This crate starts nothing and knows no log; it reads the app's own files ([`files`]) and those that `${file:...}` names, nothing else.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod app;
mod codes;
mod diagnostic;
mod environment;
mod fields;
mod files;
mod glob;
mod init;
mod lint;
mod place;
mod plan;
mod read;
mod reference;
mod render;
mod schema;
mod settings;
mod source;
mod spelling;
mod takes;
mod test_file;
#[cfg(test)]
mod tests;
mod yaml;

pub use app::{App, LoadError, UnregisteredTransformer};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Severity};
pub use init::{InitError, Sample, init};
pub use reference::{reference, test_reference};
pub use render::Color;
pub use schema::{SCHEMA_FILE, schema};
pub use settings::{
    AssignorSetting, CommitSetting, Compression, Durability, InstanceLabel, Kafka, LogSetting, OnDead, Outbox, Sasl,
    SaslMechanism, Secret, Settings, Tls, Token,
};
pub use source::{Place, Source, Sources, Span};
pub use test_file::{
    Aspect, ClockMove, ExpectedField, ExpectedRecord, ExpectedRow, ExpectedTopic, ExpectedView, Given, GivenData,
    RowIs, Test, TestFile, TestFileError, TestStep,
};
