//! `dead-letters`: events that failed and were set aside, with the reason and the bytes they came with.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Session;
use crate::arguments::OutputFormat;
use crate::client::{Client, encoded};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::json_text::laid_out;
use crate::progress::count;
use crate::terminal::{Ink, Terminal, table};

const EXAMPLES: &str = "\
Examples:
  riverrun dead-letters list
  riverrun dead-letters list departures --limit 500 --format json
  riverrun dead-letters show _dead-letters.departures/0@3";

/// Look at events that failed and were set aside.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DeadLettersArguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List dead letters, the oldest first.
    #[command(after_help = EXAMPLES)]
    List(ListArguments),
    /// Show one dead letter with everything that is known about it.
    #[command(after_help = EXAMPLES)]
    Show(ShowArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    /// Only those of this pipeline.
    #[arg(value_name = "PIPELINE")]
    pipeline: Option<String>,
    /// At most this many.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
    /// A table, or NDJSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Args)]
struct ShowArguments {
    /// Where it is, as `list` says.
    #[arg(value_name = "POSITION")]
    position: String,
    /// Indented text, or the line as it is.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// A dead letter, as far as the table shows it.
#[derive(Deserialize)]
struct DeadLetter {
    #[serde(default)]
    rrposition: String,
    #[serde(default)]
    rrcause: String,
    #[serde(default)]
    rrerrorcode: String,
    #[serde(default)]
    rroperator: String,
    #[serde(default)]
    rrerror: String,
}

/// Lists or shows.
pub(crate) async fn execute(session: Session<'_>, arguments: &DeadLettersArguments) -> Result<(), Failure> {
    let connection = Connection::open(session).await?;
    let client = connection.client();
    let result = match &arguments.action {
        Action::List(arguments) => list(client, arguments, session.terminal).await,
        Action::Show(arguments) => show(client, arguments, session.terminal).await,
    };
    connection.close().await?;
    result
}

async fn list(client: &Client, arguments: &ListArguments, terminal: &Terminal) -> Result<(), Failure> {
    let mut path = format!("/dead-letters?limit={}", arguments.limit);
    if let Some(pipeline) = &arguments.pipeline {
        path = format!("{path}&pipeline={}", encoded(pipeline));
    }
    let mut lines = client.lines(&path, None).await?;
    let mut rows = Vec::new();
    while let Some(line) = lines.next().await? {
        match arguments.format {
            OutputFormat::Json => terminal.line(String::from_utf8_lossy(&line))?,
            OutputFormat::Text => rows.push(row(client.parse(&line)?)),
        }
    }
    match arguments.format {
        OutputFormat::Json => Ok(()),
        OutputFormat::Text if rows.is_empty() => terminal.line(terminal.out.paint(Ink::Good, "no dead letters")),
        OutputFormat::Text => {
            let is_cut = rows.len() as u64 >= arguments.limit;
            terminal.line(table(&["POSITION", "EVENT", "CODE", "STEP", "ERROR"], rows))?;
            if is_cut {
                terminal.note(format_args!("the first {}; --limit shows more, if there are", count(arguments.limit)));
            }
            Ok(())
        }
    }
}

fn row(letter: DeadLetter) -> Vec<String> {
    vec![letter.rrposition, letter.rrcause, letter.rrerrorcode, letter.rroperator, letter.rrerror]
}

async fn show(client: &Client, arguments: &ShowArguments, terminal: &Terminal) -> Result<(), Failure> {
    let answer = client.get(&format!("/dead-letters/{}", encoded(&arguments.position))).await?;
    let letter: &RawValue = client.parse(&answer)?;
    match arguments.format {
        OutputFormat::Json => terminal.line(letter.get()),
        OutputFormat::Text => terminal.line(laid_out(letter.get(), terminal.out)),
    }
}
