//! The side by side of transactional outboxes: rows are written, a relay is run as a program, and its topic is followed by a consumer.
//!
//! Every relay is seen from outside only: by the same consumer, the same clock, and /proc. What differs between them, how a row is stored
//! and what a relay needs in the database, stands in `stage.rs`.

mod drain;
mod idle;
mod latency;
mod pace;
mod relay;
mod stage;
mod steady;
mod watch;
mod writers;

use clap::{Args, Subcommand, ValueEnum};
use riverrun_bare::Outcome;

/// Partitions of a topic.
const PARTITIONS: i32 = 4;

/// Which program.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    program: Program,
}

#[derive(Subcommand)]
enum Program {
    /// Stores rows, runs a relay until the last one is in the topic, and prints what that took
    Drain(drain::Arguments),
    /// Stores rows at an even rate, and prints how long after its commit each one was in the topic
    Latency(latency::Arguments),
    /// Counts the transactions of several writers, with and without the trigger that wakes a relay, in pairs
    Writers(writers::Arguments),
    /// Runs a relay that has nothing to do, and prints what it costs
    Idle(idle::Arguments),
    /// Stores rows at an even rate, and prints how large the outbox is meanwhile
    Steady(steady::Arguments),
}

/// Whose outbox it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Side {
    Riverrun,
    Debezium,
}

/// Where everything is.
#[derive(Args)]
struct Setting {
    /// The database, with the outbox of Riverrun in it; that of Debezium is made where it is missing
    #[arg(long)]
    database: String,
    /// The first process of the server
    #[arg(long)]
    postmaster: u32,
    /// HOST:PORT of the broker
    #[arg(long)]
    brokers: String,
    /// Whose outbox it is
    #[arg(long, value_enum, default_value = "riverrun")]
    side: Side,
    /// The topic that the rows are for; made before, deleted afterwards
    #[arg(long)]
    topic: String,
    /// What Debezium reads the log of the database by; made before, dropped afterwards
    #[arg(long, default_value = "bench")]
    slot: String,
    /// The relay with its arguments
    #[arg(last = true)]
    program: Vec<String>,
}

/// Runs it.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match &arguments.program {
            Program::Drain(arguments) => drain::run(arguments).await,
            Program::Latency(arguments) => latency::run(arguments).await,
            Program::Writers(arguments) => writers::run(arguments).await,
            Program::Idle(arguments) => idle::run(arguments).await,
            Program::Steady(arguments) => steady::run(arguments).await,
        }
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn as_float(count: u64) -> f64 {
    count as f64
}
