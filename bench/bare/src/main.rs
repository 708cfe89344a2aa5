//! Plain programs that show what the machine can do at best: the bare limits that Riverrun's own figures are divided by.
//!
//! They take the same input bytes, parser, threads and sync interval as the product and do nothing beyond that: no contract, no
//! recovery, no checks. They were written first and are left alone, so a ratio only moves when the product does.
//! Each subcommand prints one line of JSON. Nothing here may depend on a `riverrun` crate.

mod append;
mod enrich;
mod http;
mod load;
mod pipeline;
mod record;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use riverrun_bare::figures;

/// The bare limits.
#[derive(Parser)]
#[command(name = "riverrun-bare", version)]
struct Arguments {
    #[command(subcommand)]
    limit: Limit,
}

#[derive(Subcommand)]
enum Limit {
    /// Appends flights in synced batches to a bare LSM
    Append(append::Arguments),
    /// Reads stored flights, parses, looks up four models, writes the enriched ones in synced batches
    Pipeline(pipeline::Arguments),
    /// Serves a handler that parses a CloudEvent and group-commits it to one plain file
    Http(http::Arguments),
    /// Sends events over keep-alive connections to any server with the door's interface
    Load(load::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().limit {
        Limit::Append(arguments) => append::run(&arguments),
        Limit::Pipeline(arguments) => pipeline::run(&arguments),
        Limit::Http(arguments) => http::run(&arguments),
        Limit::Load(arguments) => load::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            figures::complain("riverrun-bare", &*error);
            ExitCode::FAILURE
        }
    }
}
