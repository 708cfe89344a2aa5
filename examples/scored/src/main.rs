//! Runs the example until it is told to stop.

use riverrun::{App, Error};
use scored::Risk;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = App::load("riverrun.yaml")?.transform("risk", Risk).start().await?;
    tokio::signal::ctrl_c().await?;
    server.shutdown().await?;
    Ok(())
}
