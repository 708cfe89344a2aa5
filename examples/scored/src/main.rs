//! Runs the example until it is told to stop.

#![expect(clippy::print_stdout, reason = "it talks to whoever starts it")]

use riverrun::{App, Error};
use scored::Risk;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = App::load("riverrun.yaml")?.transform("risk", Risk).start().await?;
    println!("running at {}; Ctrl-C ends it", server.url());
    tokio::signal::ctrl_c().await?;
    server.shutdown().await?;
    Ok(())
}
