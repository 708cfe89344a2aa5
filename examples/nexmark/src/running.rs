//! A query on a server of its own: publishes events in their order, waits until all is processed, reads the results.

use std::io::Write;
use std::time::Duration;

use riverrun::client::{Client, Content};
use riverrun::{Error, ServeOptions};

use crate::events::Entry;
use crate::load;

/// What the doors take in one request.
const BATCH_EVENTS: usize = 1000;
/// Nothing comes for so long once everything is processed.
const QUIET: Duration = Duration::from_millis(200);

/// Runs a query over the events, and writes what its topic holds in the end, an event a line.
///
/// # Errors
/// Any error of the server, or of the file of the query.
pub async fn run(query: &str, entries: impl Iterator<Item = Entry>, output: &mut impl Write) -> Result<(), Error> {
    let folder = tempfile::tempdir()?;
    let options = ServeOptions {
        listen: Some(([127, 0, 0, 1], 0).into()),
        data_dir: Some(folder.path().to_owned()),
        ..ServeOptions::default()
    };
    let server = load(query)?.serve(options).await?;
    let client = Client::new(server.url(), None)?;
    let mut entries = entries.peekable();
    while entries.peek().is_some() {
        let batch: Vec<String> = entries.by_ref().take(BATCH_EVENTS).map(|entry| entry.to_string()).collect();
        let body = format!("[{}]", batch.join(",")).into();
        client.post("/events", Content { content_type: "application/cloudevents-batch+json", body }).await?;
    }
    server.idle_for(QUIET).await;
    let mut results = client.lines(&format!("/topics/{query}/events?from=beginning"), None).await?;
    while let Some(result) = results.next().await? {
        output.write_all(&result)?;
        output.write_all(b"\n")?;
    }
    server.shutdown().await?;
    Ok(())
}
