//! `replay`: a pipeline over what it has read before, into another topic.

use clap::Args;
use serde::Deserialize;

use super::Session;
use crate::arguments::OutputFormat;
use crate::client::{Client, Content, NDJSON, encoded};
use crate::connection::Connection;
use crate::failure::{Failure, Report};
use crate::library::{Time, TopicName};
use crate::progress::{Progress, count};
use crate::signals::EndSignal;
use crate::terminal::{Ink, Terminal};

const EXAMPLES: &str = "\
A replay follows the order and the model versions the first run recorded, so it gives the same bytes. With --recompute \
it takes models by event time alone: corrections that came late are then seen, and the outcome may differ. The \
pipeline's own output and state are not touched. A pipeline that writes several topics is replayed into TOPIC.<topic> \
for each of them.

Examples:
  riverrun replay departures --to departures-2
  riverrun replay departures --from 2013-01-15T00:00:00Z --to departures-late --recompute";

/// Run a pipeline again over what it has read, into another topic.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArguments {
    /// The pipeline.
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Where to begin: beginning, or an RFC 3339 time of acceptance.
    #[arg(long, value_name = "PLACE", default_value = "beginning", value_parser = parse_from)]
    from: String,
    /// The topic the outcome goes to; of a pipeline that writes several, the first part of their names.
    #[arg(long, value_name = "TOPIC", value_parser = parse_topic)]
    to: String,
    /// Take models by event time alone, late corrections included.
    #[arg(long)]
    recompute: bool,
    /// Ask services outside where the recorded run has no answer of theirs, instead of stopping there.
    #[arg(long)]
    ask: bool,
    /// Text, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// A line of the answer: how far the replay is, how it ended, or why it failed.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Failed {
        error: ReplayError,
    },
    Done {
        done: bool,
        processed: u64,
        emitted: u64,
        dropped: u64,
        failed: u64,
        #[serde(default)]
        topics: Vec<String>,
    },
    Progress {
        processed: u64,
        total: u64,
    },
}

#[derive(Debug, Deserialize)]
struct ReplayError {
    code: Option<String>,
    detail: String,
}

fn parse_from(text: &str) -> Result<String, String> {
    match Time::parse(text) {
        _ if text == "beginning" => Ok(text.to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}, or beginning")),
    }
}

fn parse_topic(text: &str) -> Result<String, String> {
    TopicName::new(text).map(|name| name.to_string()).map_err(|error| error.to_string())
}

/// Replays.
pub(crate) async fn execute(session: Session<'_>, arguments: &ReplayArguments) -> Result<(), Failure> {
    let mut end = EndSignal::listen();
    let connection = Connection::open(session).await?;
    let progress = Progress::new(&arguments.pipeline, Some(0), session.terminal);
    let result = tokio::select! {
        result = replay(connection.client(), arguments, &progress) => result,
        () = end.wait() => Err(stopped()),
    };
    progress.clear();
    connection.close().await?;
    show(session.terminal, arguments, &result?)
}

async fn replay(client: &Client, arguments: &ReplayArguments, progress: &Progress) -> Result<Line, Failure> {
    let request = serde_json::json!({
        "to": arguments.to, "from": arguments.from, "recompute": arguments.recompute, "ask": arguments.ask,
    });
    let content = Content { content_type: "application/json", body: request.to_string().into() };
    let path = format!("/pipelines/{}/replays", encoded(&arguments.pipeline));
    let mut lines = client.lines(&path, Some(content)).await?;
    while let Some(line) = lines.next().await? {
        match client.parse(&line)? {
            Line::Progress { processed, total } => {
                progress.set_total(total);
                progress.set(processed, processed);
            }
            Line::Failed { error } => return Err(failed(error)),
            line => return Ok(line),
        }
    }
    Err(Report::new("RR0403", format!("the server ended its {NDJSON} answer before the replay was done"))
        .hint("run the same command again to go on where it is")
        .into())
}

fn failed(error: ReplayError) -> Failure {
    match error.code {
        Some(code) => Report::new(code, error.detail).into(),
        None => Report::without_code(error.detail).into(),
    }
}

fn stopped() -> Failure {
    Report::new("RR0407", "stopped before the replay was done")
        .hint("run the same command again to go on where it is")
        .into()
}

fn show(terminal: &Terminal, arguments: &ReplayArguments, line: &Line) -> Result<(), Failure> {
    let Line::Done { done: true, processed, emitted, dropped, failed, topics } = line else {
        return Err(Report::new("RR0404", "the server's answer to the replay does not say how it ended").into());
    };
    if arguments.format == OutputFormat::Json {
        return terminal.line(serde_json::json!({
            "pipeline": arguments.pipeline, "to": arguments.to, "topics": topics,
            "processed": processed, "emitted": emitted, "dropped": dropped, "failed": failed,
        }));
    }
    let into = if topics.is_empty() { arguments.to.clone() } else { topics.join(", ") };
    let plural = |number: u64| if number == 1 { "" } else { "s" };
    let head = format!("replayed {} event{}", count(*processed), plural(*processed));
    if *processed == 0 {
        return terminal.line(format_args!("nothing to replay: {} has processed no events there", arguments.pipeline));
    }
    if *emitted + *dropped + *failed == 0 {
        return terminal.line(format_args!(
            "{} has been replayed into {} before; nothing was left to do (another --to replays it again)",
            arguments.pipeline, into,
        ));
    }
    terminal.line(format_args!(
        "{} of {} into {}: {} record{} ({} dropped, {} failed)",
        terminal.out.paint(Ink::Strong, head),
        arguments.pipeline,
        into,
        count(*emitted),
        plural(*emitted),
        count(*dropped),
        count(*failed),
    ))
}
