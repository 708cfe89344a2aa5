//! What asking a service costs without doing anything meanwhile: one answer after the other.

use std::time::Duration;

use riverrun_bare::Outcome;
use riverrun_bare::figures::Measurement;

/// What is asked.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many questions
    #[arg(long, default_value_t = 100)]
    events: u64,
    /// How long an answer takes, in milliseconds
    #[arg(long, default_value_t = 50)]
    service_ms: u64,
}

/// Asks and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    let service = Duration::from_millis(arguments.service_ms);
    let asking = async {
        let measurement = Measurement::begin()?;
        for _ in 0..arguments.events {
            tokio::time::sleep(service).await;
        }
        measurement.report(("limit", "lookup"), arguments.events, measurement.elapsed(), &[])
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(asking)
}
