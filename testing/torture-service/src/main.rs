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
use tracing_subscriber::filter::LevelFilter;

use crate::count::Count;
use crate::panics::Panics;

#[tokio::main]
#[expect(clippy::print_stderr, reason = "why it ended is for whoever started it")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_max_level(LevelFilter::WARN).with_ansi(false).with_writer(std::io::stderr).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
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
