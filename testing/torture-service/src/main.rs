//! The service that the fault tests torture: an app file and one transformer, `count`. Usage: `torture-service APP_FILE`.
//!
//! It serves until SIGTERM or SIGINT, then ends in good order. It knows nothing of the tests.

mod count;

use riverrun::{App, Error};
use tokio::signal::unix::{SignalKind, signal};

use crate::count::Count;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let app_file = std::env::args().nth(1).ok_or("usage: torture-service APP_FILE")?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = App::load(app_file)?.transform("count", Count).start().await?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        reason = server.failed() => return Err(reason.into()),
    }
    server.shutdown().await?;
    Ok(())
}
