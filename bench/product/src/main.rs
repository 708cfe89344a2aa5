//! The product's side of the benchmarks that need no network: the local log's append, pipelines with and without state, views
//! and lookups.
//!
//! Takes the same arguments and prints the same line of JSON as the bare limits in bench/bare, so that the two can be divided.
//! The HTTP figures are taken from the product's own binary.

mod append;
mod chain;
mod count;
mod flights;
mod lookup;
mod pipeline;
mod views;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use riverrun_bare::{Outcome, figures};

/// The product, measured.
#[derive(Parser)]
#[command(name = "riverrun-bench-product", version)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Appends flights to a local log, batch after batch
    Append(append::Arguments),
    /// Runs the pipeline of the flights app over stored flights
    Pipeline(pipeline::Arguments),
    /// Steps events in memory through five stateless steps
    Chain(chain::Arguments),
    /// Counts stored flights per aircraft and week
    Count(count::Arguments),
    /// Reads rows of a view by their keys
    Views(views::Arguments),
    /// Asks a slow function about each event of a partition
    Lookup(lookup::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().part {
        Part::Append(arguments) => in_runtime(append::run(&arguments)),
        Part::Pipeline(arguments) => in_runtime(pipeline::run(&arguments)),
        Part::Chain(arguments) => chain::run(&arguments),
        Part::Count(arguments) => in_runtime(count::run(&arguments)),
        Part::Views(arguments) => in_runtime(views::run(&arguments)),
        Part::Lookup(arguments) => in_runtime(lookup::run(&arguments)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figures::complain("riverrun-bench-product", &*error);
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(part: impl Future<Output = Outcome<()>>) -> Outcome<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(part)
}
