//! The service that the fault tests torture: an app file, a transformer, `count`, a function to look up with, `shard`, and an assignor,
//! `panics`. Usage: `torture-service APP_FILE`.
//!
//! It serves until SIGTERM or SIGINT, then ends in good order. It knows nothing of the tests.

mod count;
mod panics;
mod shard;

use std::process::ExitCode;

use riverrun::{App, Error};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::count::Count;
use crate::panics::Panics;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "why it ended is for whoever started it")]
async fn main() -> ExitCode {
    let filter: Targets = std::env::var("RUST_LOG").ok().and_then(|text| text.parse().ok()).unwrap_or_else(quiet);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(lines).with(filter).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is wrong, and nothing else: the tester reads it only when something is.
fn quiet() -> Targets {
    Targets::new().with_default(LevelFilter::WARN)
}

async fn serve() -> Result<(), Error> {
    let app_file = std::env::args().nth(1).ok_or("usage: torture-service APP_FILE")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let app = App::load(app_file)?.transform("count", Count).lookup("shard", shard::of).assignor("panics", Panics);
    let server = app.start().await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        reason = server.failed() => return Err(reason.into()),
    }
    server.shutdown().await?;
    Ok(())
}
