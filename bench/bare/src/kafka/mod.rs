//! The side by side with Kafka: topics filled for all sides, the limit on the client that the product has too, and the measuring of
//! any program that reads the flights and writes an output.
//!
//! The limits are consume-transform-produce loops and nothing more: one member that never shares, models in maps, counts in maps.

mod count;
mod digest;
mod flow;
mod load;
mod measure;
mod snapshot;
mod topics;

use std::time::Duration;

use clap::{Args, Subcommand};
use krafka::Kafka;
use riverrun_bare::Outcome;

/// The topic of the flights.
const FLIGHTS: &str = "flights";
/// Partitions of the flights and of every output.
const PARTITIONS: i32 = 4;
/// How long one look for records takes at most.
const POLL: Duration = Duration::from_millis(200);

/// Which program.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Fills the topics that all sides read
    Load(load::Arguments),
    /// Gives each flight its plane, airline and weather as of its time
    Snapshot(flow::Arguments),
    /// Counts the flights of each aircraft in each hour; writes a window's count when it is over
    Count(flow::Arguments),
    /// Runs a program until all flights are processed and committed, and prints what that took
    Measure(measure::Arguments),
}

/// Runs it.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    // As many threads as every other side has.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match &arguments.program {
            Program::Load(arguments) => load::run(arguments).await,
            Program::Snapshot(arguments) => flow::run(arguments, snapshot::Snapshot::read).await,
            Program::Count(arguments) => flow::run(arguments, count::Count::start).await,
            Program::Measure(arguments) => measure::run(arguments).await,
        }
    })
}

async fn connect(brokers: &str) -> Outcome<Kafka> {
    Ok(Kafka::builder(brokers).client_id("riverrun-bare").allow_auto_create_topics(false).connect().await?)
}
