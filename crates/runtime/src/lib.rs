//! Runs tasks: reads their inputs, steps each event through its pipeline, commits everything of a step at once.
//!
//! The way of one event through this crate is [`step`] (pure: one event in, an [`step::Outcome`] out) and [`commit`] (the only
//! place that changes the log). Models are kept by [`models`]; [`worker`] holds the loops; [`replay`] follows recorded orders.
//! Nothing here knows which log it runs on.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod calls;
mod claim;
pub mod clock;
pub mod commit;
pub mod dead_letter;
mod entrances;
mod execution;
mod kept_state;
pub mod metrics;
pub mod models;
pub mod overlay;
pub mod peeks;
mod program;
pub mod progress;
pub mod replay;
pub mod runtime;
pub mod sabotage;
mod stage_name;
pub mod status;
pub mod step;
pub mod views;
pub mod worker;

pub use clock::WallClock;
pub use entrances::Entrances;
pub use kept_state::Dropped;
pub use metrics::Metrics;
pub use replay::{Replay, ReplayError, ReplayProgress, ReplayRequest};
pub use runtime::{Runtime, RuntimeOptions, StartError};
pub use stage_name::StageName;
pub use status::{DoorStatus, InputStatus, ModelStatus, PipelineState, PipelineStatus, TaskStatus};
pub use worker::admitting::moved_row;
