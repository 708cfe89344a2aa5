//! Plain programs that show what the machine can do at best: the bare limits that Riverrun's own figures are divided by.
//!
//! They take the same input bytes, parser, threads and sync interval as the product and do nothing beyond that: no contract, no
//! recovery, no checks. They were written first and are left alone, so a ratio only moves when the product does.
//! Each subcommand prints one line of JSON. Nothing here may depend on a `riverrun` crate.

mod append;
mod chain;
mod count;
mod enrich;
mod http;
mod kafka;
mod load;
mod lookup;
mod outbox;
mod pipeline;
mod record;
mod store;
mod views;

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
    /// Runs five stateless steps over events in memory
    Chain(chain::Arguments),
    /// Counts stored flights per aircraft and week in a map, writes each count and the rows of the state in synced batches
    Count(count::Arguments),
    /// Reads rows of a bare LSM by their keys
    Views(views::Arguments),
    /// Waits for one answer after the other
    Lookup(lookup::Arguments),
    /// Serves a handler that parses a CloudEvent and group-commits it to one plain file
    Http(http::Arguments),
    /// The side by side with Kafka: fills topics, is the limit, measures programs
    Kafka(kafka::Arguments),
    /// The side by side of transactional outboxes: stores rows, measures relays
    Outbox(outbox::Arguments),
    /// Sends events over keep-alive connections to any server with the door's interface
    Load(load::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().limit {
        Limit::Append(arguments) => append::run(&arguments),
        Limit::Pipeline(arguments) => pipeline::run(&arguments),
        Limit::Chain(arguments) => chain::run(&arguments),
        Limit::Count(arguments) => count::run(&arguments),
        Limit::Views(arguments) => views::run(&arguments),
        Limit::Lookup(arguments) => lookup::run(&arguments),
        Limit::Http(arguments) => http::run(&arguments),
        Limit::Kafka(arguments) => kafka::run(&arguments),
        Limit::Outbox(arguments) => outbox::run(&arguments),
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
