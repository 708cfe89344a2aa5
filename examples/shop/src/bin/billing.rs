//! The billing service: an invoice for each order that was placed, exactly once, until Ctrl-C.

#![expect(clippy::print_stdout, reason = "it talks to whoever starts it")]

use riverrun::Error;
use riverrun::outbox::{Consumer, Inbox};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let server = std::env::var("RIVERRUN_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let database = shop::database()?;
    // Several may run at once: they share the partitions of the topic.
    let mut consumer = Consumer::new(&server, "billing", &["orders"], database.clone())?;
    let (inbox, mut client) = (Inbox::new("billing"), database.connect().await?);
    loop {
        let batch = tokio::select! {
            batch = consumer.next() => batch?,
            _ = tokio::signal::ctrl_c() => break,
        };
        for (_, event) in batch.raw().filter(|(_, event)| event.kind == "order.placed") {
            let written = shop::invoice(&mut client, &inbox, event).await?;
            let subject = event.key.as_ref().map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned());
            let subject = subject.unwrap_or_default();
            println!("{subject}: {}", if written { "invoiced" } else { "invoiced before" });
        }
        // Lost: another reader has the partitions now, and is handed the same events. The inbox knows them.
        let _ = consumer.commit(batch).await?;
    }
    consumer.leave().await?;
    Ok(())
}
