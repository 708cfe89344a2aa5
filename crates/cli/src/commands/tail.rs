//! `tail`: the records of a topic as NDJSON on standard output.

use std::io::{BufWriter, Write};

use clap::Args;

use super::Session;
use crate::client::{Client, encoded};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::json_text::laid_out;
use crate::signals::EndSignal;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Each line is a CloudEvent in structured JSON with its position in `rrposition`. \
OFFSETS name where to begin in each partition, as `partition@offset`, separated by commas.

Examples:
  riverrun tail departures --from beginning
  riverrun tail departures --follow --pretty
  riverrun tail departures --from 2013-01-15T12:00:00Z --limit 10
  riverrun tail departures --from 0@100,1@80
  riverrun tail departures --from beginning | jq -r '.data.dest' | sort | uniq -c";

/// Print the records of a topic as NDJSON.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TailArguments {
    /// The topic.
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// Where to begin: beginning, latest, OFFSETS such as 0@12,1@7, or an RFC 3339 time of acceptance
    /// [default: beginning, with --follow latest].
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// Wait for more when the end is reached; Ctrl-C ends it.
    #[arg(long)]
    follow: bool,
    /// Stop after this many records.
    #[arg(long, value_name = "NUMBER")]
    limit: Option<u64>,
    /// Indent, and colour on a terminal, instead of one line per record.
    #[arg(long)]
    pretty: bool,
}

/// Tails.
pub(crate) async fn execute(session: Session<'_>, arguments: &TailArguments) -> Result<(), Failure> {
    let mut end = EndSignal::listen();
    let connection = if arguments.follow {
        Connection::open_running(session, "no records will follow (leave --follow out to read what is stored)").await?
    } else {
        Connection::open(session).await?
    };
    let result = tokio::select! {
        result = print(connection.client(), arguments, session.terminal) => result,
        () = end.wait() => Ok(()),
    };
    connection.close().await?;
    result
}

async fn print(client: &Client, arguments: &TailArguments, terminal: &Terminal) -> Result<(), Failure> {
    let limit = arguments.limit.unwrap_or(u64::MAX);
    let mut lines = client.lines(&path(arguments), None).await?;
    let mut output = BufWriter::new(std::io::stdout());
    for _ in 0..limit {
        if lines.must_wait() {
            // Everything that is here is shown before more is waited for.
            output.flush().map_err(Failure::from_output)?;
        }
        let Some(line) = lines.next().await? else { break };
        write(&mut output, &line, arguments.pretty, terminal).map_err(Failure::from_output)?;
    }
    output.flush().map_err(Failure::from_output)?;
    if arguments.follow && arguments.limit.is_none() {
        terminal.note("the server ended the stream");
    }
    Ok(())
}

fn write(output: &mut impl Write, line: &[u8], is_pretty: bool, terminal: &Terminal) -> std::io::Result<()> {
    match std::str::from_utf8(line) {
        Ok(text) if is_pretty => writeln!(output, "{}", laid_out(text, terminal.out)),
        _ => output.write_all(line).and_then(|()| output.write_all(b"\n")),
    }
}

fn path(arguments: &TailArguments) -> String {
    let from = arguments.from.as_deref().unwrap_or(if arguments.follow { "latest" } else { "beginning" });
    let mut path = format!("/topics/{}/events?from={}", encoded(&arguments.topic), encoded(from));
    if arguments.follow {
        path.push_str("&follow=true");
    }
    if let Some(limit) = arguments.limit {
        path.push_str(&format!("&limit={limit}"));
    }
    path
}
