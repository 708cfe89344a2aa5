//! `demo`: the main job on data that is part of the binary, on a real server in a fresh directory.

mod flights;
mod stage;

use clap::{Args, Subcommand};

use super::Session;
use crate::failure::Failure;

const EXAMPLES: &str = "\
Examples:
  riverrun demo flights
  riverrun demo flights --keep    stays up, so that you can look around";

/// See Riverrun do its main job on real data, and end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArguments {
    #[command(subcommand)]
    demo: Demo,
}

#[derive(Debug, Subcommand)]
enum Demo {
    /// 27,004 flights out of New York in January 2013, each enriched with plane, airline, airport and weather.
    #[command(after_help = EXAMPLES)]
    Flights(flights::FlightsArguments),
}

/// Runs the demo.
pub(crate) async fn execute(session: Session<'_>, arguments: &DemoArguments) -> Result<(), Failure> {
    match &arguments.demo {
        Demo::Flights(arguments) => flights::execute(session, arguments).await,
    }
}
