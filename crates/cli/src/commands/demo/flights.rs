//! `demo flights`: flights enriched with what was known when they left.
//!
//! Everything goes the way any sender's events go: HTTP in, the log, the pipeline of the app file, HTTP out.

use std::time::{Duration, Instant};

use clap::Args;

use super::stage::Stage;
use crate::client::Client;
use crate::commands::Session;
use crate::commands::status::{PipelineStatus, Status};
use crate::duration::readable;
use crate::failure::{Failure, Report};
use crate::json_text::laid_out;
use crate::progress::{Progress, count, rate};
use crate::publisher::{Input, PlainData, Publication, Refused};
use crate::signals::EndSignal;
use crate::terminal::{Ink, Terminal};

/// A file of examples/flights, as part of the binary.
macro_rules! example {
    ($file:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/flights/", $file)
    };
}
const APP_FILE: &str = include_str!(example!("riverrun.yaml"));
/// The tables the flights refer to come first, so that every flight finds them.
const TABLES: [(&str, &[u8]); 5] = [
    ("airlines", include_bytes!(example!("data/airlines.ndjson.gz"))),
    ("airports", include_bytes!(example!("data/airports.ndjson.gz"))),
    ("planes", include_bytes!(example!("data/planes.ndjson.gz"))),
    ("weather", include_bytes!(example!("data/weather.ndjson.gz"))),
    ("flights", include_bytes!(example!("data/flights.ndjson.gz"))),
];
const PIPELINE: &str = "departures";
/// Events shown.
const SHOWN: usize = 3;
/// How often the pipeline is asked how far it is; also the error of the measured time.
const POLL: Duration = Duration::from_millis(20);
/// Forty times what a slow machine needs; a demo that takes longer hangs.
const PROCESSING_TIMEOUT: Duration = Duration::from_secs(240);
/// A local server takes a batch within milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Flights out of New York, enriched.
#[derive(Debug, Args)]
pub(crate) struct FlightsArguments {
    /// Stay up until Ctrl-C.
    #[arg(long)]
    keep: bool,
}

/// What was measured.
struct Measured {
    accepted: u64,
    publishing: Duration,
    /// From the first flight sent to the last departure committed.
    flights: Duration,
    pipeline: PipelineStatus,
    departures: u64,
}

/// Runs the demo.
pub(crate) async fn execute(session: Session<'_>, arguments: &FlightsArguments) -> Result<(), Failure> {
    let mut end = EndSignal::listen();
    let stage = Stage::set(APP_FILE, session.terminal).await?;
    session.terminal.note(format_args!(
        "{} on {}: flights out of New York, January 2013, with plane, airline, airport and weather",
        session.terminal.error.paint(Ink::Strong, "riverrun demo"),
        stage.client().url(),
    ));
    let mut end_of_publishing = end.clone();
    let result = tokio::select! {
        result = perform(session.terminal, &stage, &mut end_of_publishing) => result,
        reason = stage.failed() => Err(Report::new("RR0410", format!("the server stopped by itself: {reason}")).into()),
        () = end.wait() => Err(Report::new("RR0407", "stopped before the demo was done").into()),
    };
    let kept = match result {
        Ok(()) if arguments.keep => keep(session.terminal, &stage, &mut end).await,
        result => result,
    };
    let struck = stage.strike().await;
    kept.and(struck)
}

async fn perform(terminal: &Terminal, stage: &Stage, end: &mut EndSignal) -> Result<(), Failure> {
    let started = Instant::now();
    let (mut accepted, mut flights_started) = (0, started);
    for (topic, bytes) in TABLES {
        flights_started = Instant::now();
        accepted += publish(terminal, stage.client(), topic, bytes, end).await?;
    }
    let publishing = started.elapsed();
    let status = processed(terminal, stage.client()).await?;
    let flights = flights_started.elapsed();
    show_events(terminal, stage.client()).await?;
    let departures = status.topics.iter().find(|topic| topic.name == PIPELINE).map_or(0, |topic| topic.records());
    let pipeline = status.pipelines.into_iter().find(|pipeline| pipeline.name == PIPELINE);
    let pipeline = pipeline.ok_or_else(|| Report::new("RR0404", "the server's status has no pipeline departures"))?;
    show_summary(terminal, &Measured { accepted, publishing, flights, pipeline, departures })
}

async fn publish(
    terminal: &Terminal,
    client: &Client,
    topic: &str,
    bytes: &'static [u8],
    end: &mut EndSignal,
) -> Result<u64, Failure> {
    let input = Input::from_bytes(topic, bytes)?;
    let progress = Progress::new(topic, input.total_bytes(), terminal);
    let plain = PlainData::new(topic, None, None, None);
    let publication = Publication { client, topic, plain, from_line: 1, patience: PATIENCE };
    let mut refuse =
        |refused: &Refused| progress.note(terminal, &format!("line {}: {}", refused.number, refused.reason));
    let tally = publication.run(input, &progress, end, &mut refuse).await?;
    progress.finish(tally.stored());
    if tally.refused > 0 {
        return Err(Report::new("RR0406", format!("{} lines of {topic} were refused", tally.refused)).into());
    }
    Ok(tally.stored())
}

/// Waits until every flight is processed.
async fn processed(terminal: &Terminal, client: &Client) -> Result<Status, Failure> {
    let progress = Progress::new(PIPELINE, None, terminal);
    let give_up_at = Instant::now() + PROCESSING_TIMEOUT;
    loop {
        let status: Status = client.get_json("/status").await?;
        let emitted =
            status.pipelines.iter().find(|pipeline| pipeline.name == PIPELINE).map_or(0, |found| found.emitted);
        if status.idle {
            progress.finish(emitted);
            return Ok(status);
        }
        progress.set(emitted, emitted);
        if Instant::now() > give_up_at {
            let report = Report::new("RR0414", "the pipeline did not get done");
            return Err(report.hint("RUST_LOG=info shows what it is doing").into());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn show_events(terminal: &Terminal, client: &Client) -> Result<(), Failure> {
    let mut lines = client.lines(&format!("/topics/{PIPELINE}/events?from=beginning&limit={SHOWN}"), None).await?;
    let mut shown = 0;
    while let Some(line) = lines.next().await? {
        terminal.line(format_args!("{}\n", laid_out(&String::from_utf8_lossy(&line), terminal.out)))?;
        shown += 1;
        if shown == SHOWN {
            break;
        }
    }
    Ok(())
}

fn show_summary(terminal: &Terminal, measured: &Measured) -> Result<(), Failure> {
    let palette = terminal.out;
    let pipeline = &measured.pipeline;
    let dead_letters = if pipeline.dead_letters == 0 { Ink::Good } else { Ink::Bad };
    for (ink, number, what) in [
        (Ink::Strong, pipeline.received, "flights in"),
        (Ink::Strong, measured.departures, "departures out, each with its snapshot"),
        (Ink::Strong, pipeline.dropped, "dropped (cancelled, they never left)"),
        (dead_letters, pipeline.dead_letters, "dead letters"),
    ] {
        terminal.line(format_args!("{} {what}", palette.paint(ink, format!("{:>6}", count(number)))))?;
    }
    terminal.line(format_args!(
        "\n{:>6} events accepted by HTTP and durable in {}, {}/s",
        count(measured.accepted),
        readable(measured.publishing),
        count(rate(measured.accepted, measured.publishing)),
    ))?;
    terminal.line(format_args!(
        "{:>6} flights from first request to last commit in {}, {}/s",
        count(pipeline.received),
        readable(measured.flights),
        count(rate(pipeline.received, measured.flights)),
    ))
}

async fn keep(terminal: &Terminal, stage: &Stage, end: &mut EndSignal) -> Result<(), Failure> {
    let url = stage.client().url();
    terminal.line(format_args!("\nstill running at {}; Ctrl-C ends it. Try:", terminal.out.paint(Ink::Name, url)))?;
    terminal.line(format_args!("  curl '{url}/topics/departures/events?from=beginning&limit=2'"))?;
    terminal.line(format_args!("  riverrun --url {url} tail departures --from beginning --limit 1 --pretty"))?;
    terminal.line(format_args!("  riverrun --url {url} replay departures --to departures-2"))?;
    terminal.line(format_args!("  riverrun --url {url} status"))?;
    tokio::select! {
        () = end.wait() => Ok(()),
        reason = stage.failed() => Err(Report::new("RR0410", format!("the server stopped by itself: {reason}")).into()),
    }
}
