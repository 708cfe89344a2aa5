//! The product's side of the benchmarks that need no network: the local log's append, and the flights pipeline.
//!
//! Takes the same arguments and prints the same line of JSON as the bare limits in bench/bare, so that the two can be divided.
//! The HTTP figures are taken from the product's own binary.

mod append;
mod flights;
mod pipeline;

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
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().part {
        Part::Append(arguments) => in_runtime(append::run(&arguments)),
        Part::Pipeline(arguments) => in_runtime(pipeline::run(&arguments)),
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
