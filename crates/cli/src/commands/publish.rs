//! `publish`: NDJSON lines, from a file or standard input, to a topic.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Session;
use crate::arguments::OutputFormat;
use crate::connection::Connection;
use crate::duration;
use crate::failure::{Failure, Report};
use crate::progress::{Progress, count, rate};
use crate::publisher::{Identity, Input, PlainData, Publication, Refused, Tally};
use crate::signals::EndSignal;
use crate::terminal::{Ink, Terminal};

/// Lines that are shown one by one when they are refused; the rest is counted, `--rejects` keeps all.
const REFUSED_SHOWN_MAX: u64 = 20;

/// From this many events on their rate says something.
const RATED_MIN: u64 = 1_000;

const EXAMPLES: &str = "\
Each line is a CloudEvent in structured JSON (an object with `specversion`), published as it is, or any other JSON \
value, which becomes the data of an event. Gzip is recognised. A line that is refused is reported with its number \
and the others go on; the command then ends with 1. Publishing a file of CloudEvents twice stores each event once; \
so does bare data, where the app file says where its `id:` is.

Examples:
  riverrun publish orders orders.ndjson
  riverrun publish orders backup.ndjson.gz --rejects refused.ndjson
  echo '{\"order\":7,\"total\":12.5}' | riverrun publish orders --type order.placed
  riverrun --url http://10.0.0.5:8080 publish orders orders.ndjson --format json";

/// Publish NDJSON lines to a topic.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PublishArguments {
    /// The topic, as the app file declares it.
    #[arg(value_name = "TOPIC")]
    topic: String,
    /// A file of lines, plain or gzip; `-` is standard input.
    #[arg(value_name = "NDJSON", default_value = "-")]
    input: PathBuf,
    /// The type of events made from bare data [default: the topic].
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// The source of events made from bare data [default: /riverrun/publish].
    #[arg(long, value_name = "URI")]
    source: Option<String>,
    /// Events made from bare data get the id `PREFIX-<line number>` [default: what the topic's `id:` gives, else a new
    /// random prefix]. The same prefix makes it safe to publish the same file again.
    #[arg(long, value_name = "PREFIX")]
    id_prefix: Option<String>,
    /// Begin with this line.
    #[arg(long, value_name = "LINE", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    from_line: u64,
    /// Write lines that are refused to this file.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// How long a server that is busy or away is waited for.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    patience: Duration,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// Publishes.
pub(crate) async fn execute(session: Session<'_>, arguments: PublishArguments) -> Result<(), Failure> {
    let input = Input::open(&arguments.input)?;
    let mut rejects = Rejects::open(arguments.rejects.as_ref())?;
    let mut end = EndSignal::listen();
    let connection = Connection::open(session).await?;
    let progress = Progress::new(&arguments.topic, input.total_bytes(), session.terminal);
    let declared = connection.topic(&arguments.topic);
    let identity = Identity {
        // A prefix that is given wins: whoever gives it wants these ids.
        id: declared.filter(|_| arguments.id_prefix.is_none()).and_then(|topic| topic.id.clone()),
        time: declared.and_then(|topic| topic.time.clone()),
    };
    let plain = PlainData::new(&arguments.topic, arguments.source, arguments.kind, arguments.id_prefix);
    let publication = Publication {
        client: connection.client(),
        topic: &arguments.topic,
        plain: PlainData { identity, ..plain },
        from_line: arguments.from_line,
        patience: arguments.patience,
    };
    let mut refuse = |refused: &Refused| rejects.take(refused, &progress, session.terminal);
    let result = publication.run(input, &progress, &mut end, &mut refuse).await;
    progress.clear();
    connection.close().await?;
    rejects.finish(session.terminal)?;
    let tally = result?;
    show(session.terminal, &arguments.topic, &tally, arguments.format)?;
    if tally.refused > 0 { Err(Failure::AlreadyShown) } else { Ok(()) }
}

fn show(terminal: &Terminal, topic: &str, tally: &Tally, format: OutputFormat) -> Result<(), Failure> {
    let Tally { published, duplicates, refused, elapsed, .. } = *tally;
    if format == OutputFormat::Json {
        let seconds = elapsed.as_secs_f64();
        return terminal.line(serde_json::json!({
            "topic": topic, "published": published, "duplicates": duplicates, "refused": refused, "seconds": seconds,
        }));
    }
    let head = format!("published {} {} to {topic}", count(published), events(published));
    // The rate of a few events is that of the connection.
    let rate = match tally.stored() {
        RATED_MIN.. => format!(", {}/s", count(rate(tally.stored(), elapsed))),
        _ => String::new(),
    };
    terminal.line(format_args!(
        "{} ({} duplicate{}, {} refused) in {}{rate}",
        terminal.out.paint(Ink::Strong, head),
        count(duplicates),
        if duplicates == 1 { "" } else { "s" },
        if refused > 0 { terminal.out.paint(Ink::Bad, count(refused)).to_string() } else { "0".to_owned() },
        duration::readable(elapsed),
    ))
}

fn events(number: u64) -> &'static str {
    if number == 1 { "event" } else { "events" }
}

/// Reports refused lines and keeps them, where a file is named.
#[derive(Debug)]
struct Rejects {
    file: Option<(PathBuf, BufWriter<File>)>,
    seen: u64,
    write_error: Option<Report>,
}

impl Rejects {
    fn open(path: Option<&PathBuf>) -> Result<Self, Report> {
        let file = match path {
            None => None,
            Some(path) => {
                let file = File::create(path).map_err(|error| cannot_write(path, &error))?;
                Some((path.clone(), BufWriter::new(file)))
            }
        };
        Ok(Self { file, seen: 0, write_error: None })
    }

    fn take(&mut self, refused: &Refused, progress: &Progress, terminal: &Terminal) {
        self.seen += 1;
        if self.seen <= REFUSED_SHOWN_MAX {
            let code = refused.code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
            let head = terminal.error.paint(Ink::Bad, format!("line {}{code}", refused.number));
            progress.note(terminal, &format!("{head}: {}", refused.reason));
        }
        if let Some((path, file)) = &mut self.file
            && let Err(error) = writeln!(file, "{}", refused.text)
        {
            self.write_error.get_or_insert_with(|| cannot_write(path, &error));
        }
    }

    fn finish(mut self, terminal: &Terminal) -> Result<(), Report> {
        if self.seen > REFUSED_SHOWN_MAX {
            terminal.note(format_args!("... and {} more refused lines", count(self.seen - REFUSED_SHOWN_MAX)));
        }
        if let Some((path, file)) = &mut self.file {
            file.flush().map_err(|error| cannot_write(path, &error))?;
        }
        self.write_error.map_or(Ok(()), Err)
    }
}

fn cannot_write(path: &std::path::Path, error: &std::io::Error) -> Report {
    Report::new("RR0408", format!("{} cannot be written: {error}", path.display()))
}
