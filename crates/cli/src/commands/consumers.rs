//! `consumers`: how far the named consumers of a running server are, and setting their positions anew.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use super::Session;
use crate::arguments::OutputFormat;
use crate::client::{Client, Content, encoded};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::progress::count;
use crate::terminal::{Ink, Terminal, table};

const EXAMPLES: &str = "\
A consumer comes to be when a reader first asks for its events; docs/consumers.md shows how. LAG is what it has yet to commit.

Examples:
  riverrun consumers list
  riverrun consumers show billing
  riverrun consumers reset billing --to beginning
  riverrun consumers reset billing --to 2026-05-01T10:00:00Z --topic orders
  riverrun consumers reset billing --to kept      go on after retention has passed its position
  riverrun consumers remove billing";

/// Show how far named consumers are, set their positions anew, remove them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConsumersArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the consumers with their lag.
    List(ListArguments),
    /// Show the positions of one.
    Show(ShowArguments),
    /// Set positions anew; readers go on from there.
    Reset(ResetArguments),
    /// Forget a consumer and its positions. Stop its readers first: one that still reads makes it anew.
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    /// A table, or the server's JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Args)]
struct ShowArguments {
    /// The consumer.
    name: String,
    /// A table, or the server's JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Args)]
struct ResetArguments {
    /// The consumer.
    name: String,
    /// beginning, latest, a time, offsets such as 0@12,1@7 of one topic, or kept: the first event kept, where retention has
    /// passed the position, and nothing else.
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Only this topic; all of the consumer's without it.
    #[arg(long)]
    topic: Option<String>,
    /// A table, or the server's JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Args)]
struct RemoveArguments {
    /// The consumer.
    name: String,
}

/// A consumer as the server reports it.
#[derive(Debug, Deserialize)]
pub(crate) struct ConsumerStatus {
    name: String,
    readers: u64,
    lag: u64,
    partitions: Vec<PartitionStatus>,
}

#[derive(Debug, Deserialize)]
struct PartitionStatus {
    partition: String,
    committed: u64,
    end: u64,
    lag: u64,
    reader: Option<String>,
}

#[derive(Serialize)]
struct Reset<'a> {
    to: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
}

/// Shows or changes.
pub(crate) async fn execute(session: Session<'_>, arguments: &ConsumersArguments) -> Result<(), Failure> {
    let connection = Connection::open(session).await?;
    let result = act(connection.client(), &arguments.action, session.terminal).await;
    connection.close().await?;
    result
}

async fn act(client: &Client, action: &Action, terminal: &Terminal) -> Result<(), Failure> {
    match action {
        Action::List(arguments) => {
            let answer = client.get("/consumers").await?;
            if arguments.format == OutputFormat::Json {
                return raw(&answer, terminal);
            }
            let consumers: Vec<ConsumerStatus> = client.parse(&answer)?;
            if consumers.is_empty() {
                return terminal.line("no consumers");
            }
            terminal.line(summary(&consumers))
        }
        Action::Show(arguments) => {
            let answer = client.get(&path(&arguments.name)).await?;
            show(client, &answer, arguments.format, terminal)
        }
        Action::Reset(arguments) => {
            let reset = Reset { to: &arguments.to, topic: arguments.topic.as_deref() };
            // Text only: it can always be written.
            let body = serde_json::to_vec(&reset).unwrap_or_default().into();
            let content = Content { content_type: "application/json", body };
            let answer = client.post(&format!("{}/reset", path(&arguments.name)), content).await?;
            show(client, &answer, arguments.format, terminal)
        }
        Action::Remove(arguments) => {
            client.delete(&path(&arguments.name)).await?;
            terminal.note(format_args!("removed {}", arguments.name));
            Ok(())
        }
    }
}

fn path(name: &str) -> String {
    format!("/consumers/{}", encoded(name))
}

fn raw(answer: &[u8], terminal: &Terminal) -> Result<(), Failure> {
    terminal.line(String::from_utf8_lossy(answer).trim_end())
}

/// A table of consumers.
pub(crate) fn summary(consumers: &[ConsumerStatus]) -> String {
    let row = |consumer: &ConsumerStatus| {
        let partitions = consumer.partitions.len().to_string();
        vec![consumer.name.clone(), consumer.readers.to_string(), partitions, count(consumer.lag)]
    };
    table(&["CONSUMER", "READERS", "PARTITIONS", "LAG"], consumers.iter().map(row).collect())
}

fn show(client: &Client, answer: &[u8], format: OutputFormat, terminal: &Terminal) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return raw(answer, terminal);
    }
    let consumer: ConsumerStatus = client.parse(answer)?;
    let row = |held: &PartitionStatus| {
        let reader = held.reader.clone().unwrap_or_else(|| "-".to_owned());
        vec![held.partition.clone(), count(held.committed), count(held.end), count(held.lag), reader]
    };
    let rows = consumer.partitions.iter().map(row).collect();
    terminal.line(terminal.out.paint(Ink::Strong, &consumer.name))?;
    terminal.line(table(&["PARTITION", "COMMITTED", "END", "LAG", "READER"], rows))
}
