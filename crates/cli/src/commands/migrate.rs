//! `migrate`: the app moves from the embedded log to Kafka.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;

use super::Session;
use crate::arguments::OutputFormat;
use crate::client::{Client, ClientError, Content};
use crate::connection::Connection;
use crate::failure::{Failure, Report};
use crate::library::{
    self, App, Compared, GroupReport, MigrateReport, MigrationPhase, MigrationPlan, MigrationProgress, NotMoved,
};
use crate::progress::{Progress, count};
use crate::terminal::{Ink, Terminal, table};

const EXAMPLES: &str = "\
Records come to the cluster at the offsets they have here, and with them the state of every step and model, the \
positions of pipelines and consumers, and the identities by which an event that is sent again is recognised. Both \
sides are read and compared. Only when they are equal is the data directory marked, so that the app is not started on \
it by mistake. Nothing else is changed here. A command that was interrupted goes on when it is run again.

While the app runs, its server copies and compares what there is, and goes on with what comes in. Then end the app: \
the command moves the rest, which takes as long as the state is large. `kafka:` in the app file says how to connect \
(TLS, SASL) and what names on the cluster begin with.

Examples:
  riverrun migrate --to kafka://broker-1:9092,broker-2:9092 --dry-run
  riverrun migrate --to kafka://broker-1:9092,broker-2:9092
  riverrun migrate --to kafka://broker-1:9092 --copy-only    then end the app, and run it without --copy-only
  and at last write `log: kafka://broker-1:9092,broker-2:9092` into the app file, and start the app";

/// The wait between two copies while the app runs.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a server that has closed its doors may take to close its log.
const CLOSING_MAX: Duration = Duration::from_secs(60);
const CLOSING_POLL: Duration = Duration::from_millis(100);

/// Move the app from the embedded log to Kafka.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MigrateArguments {
    /// The cluster, as `log:` in the app file names it.
    #[arg(long, value_name = "kafka://BROKERS", value_parser = library::parse_cluster)]
    to: String,
    /// Show what would be moved, and write nothing to the cluster.
    #[arg(long)]
    dry_run: bool,
    /// Copy what the app that runs has by now, and end.
    #[arg(long, conflicts_with = "dry_run")]
    copy_only: bool,
    /// Tables, or JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// A line of the server that copies.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Line {
    Failed { error: CopyError },
    Done { copied: u64, compared: Compared },
    Progress(MigrationProgress),
}

#[derive(Debug, Deserialize)]
struct CopyError {
    code: String,
    detail: String,
}

/// Moves.
pub(crate) async fn execute(session: Session<'_>, arguments: &MigrateArguments) -> Result<(), Failure> {
    let app = library::load(session)?;
    let running = match &session.global.url {
        Some(_) => {
            return Err(Report::new("RR0409", "a move ends in the data directory; run it there, without --url")
                .usage()
                .into());
        }
        None => Connection::if_running(session).await?,
    };
    if running.is_some() {
        library::announce_migration(&app, &arguments.to)?;
    }
    if arguments.dry_run {
        let plan = match &running {
            Some(connection) => connection.client().get_json("/migration").await?,
            None => tokio::task::block_in_place(|| library::plan_migration(&app, &arguments.to))?,
        };
        return show_plan(session.terminal, arguments.format, &plan);
    }
    let bars = Bars { terminal: session.terminal, shown: Mutex::new(None) };
    let was_running = running.is_some();
    let compared = match running {
        Some(connection) if arguments.copy_only => {
            let copied = copy(connection.client(), &bars).await;
            bars.clear();
            return show_copied(session.terminal, arguments.format, copied?.0);
        }
        Some(connection) => copy_until_ended(connection.client(), &bars).await?,
        None if arguments.copy_only => {
            let report = Report::new("RR0409", "no server runs for this app; only one can copy while it runs");
            return Err(report.hint("without --copy-only the app is moved as a whole").into());
        }
        None => Compared::default(),
    };
    let moved = tokio::task::block_in_place(|| end(&app, &arguments.to, &compared, was_running, &bars));
    bars.clear();
    match moved {
        Ok(report) => show(session.terminal, arguments.format, &report),
        Err(NotMoved { failure, report, .. }) => {
            if let Some(report) = report {
                show_sides(session.terminal, arguments.format, &report)?;
            }
            Err(failure)
        }
    }
}

/// Lets the server copy again and again until it ends.
async fn copy_until_ended(client: &Client, bars: &Bars<'_>) -> Result<Compared, Failure> {
    let mut compared = Compared::default();
    let mut is_told = false;
    loop {
        match copy(client, bars).await {
            Ok((copied, equal)) => {
                compared = equal;
                if !is_told {
                    let copied = format!(
                        "{} records are copied and equal; end the app now, and the rest is moved",
                        count(copied)
                    );
                    bars.note(&copied);
                    is_told = true;
                }
            }
            Err(CopyFailed::Ended) => return Ok(compared),
            Err(CopyFailed::Refused(failure)) => {
                bars.clear();
                return Err(failure);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Why a server did not copy to the end.
enum CopyFailed {
    /// It is not there any more, or about to end.
    Ended,
    Refused(Failure),
}

impl From<ClientError> for CopyFailed {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::Ended,
            error => Self::Refused(error.into()),
        }
    }
}

impl From<CopyFailed> for Failure {
    fn from(failed: CopyFailed) -> Self {
        match failed {
            CopyFailed::Ended => Report::new("RR0403", "the server ended before everything was copied")
                .hint("run the same command again; it goes on where it is")
                .into(),
            CopyFailed::Refused(failure) => failure,
        }
    }
}

/// Lets the server copy once.
async fn copy(client: &Client, bars: &Bars<'_>) -> Result<(u64, Compared), CopyFailed> {
    let content = Content { content_type: "application/json", body: "{}".into() };
    let mut lines = client.lines("/migration", Some(content)).await?;
    while let Some(line) = lines.next().await? {
        match client.parse(&line)? {
            Line::Progress(progress) => bars.show(progress),
            Line::Done { copied, compared } => return Ok((copied, compared)),
            Line::Failed { error } if error.code == library::STOPPED => return Err(CopyFailed::Ended),
            Line::Failed { error } => {
                return Err(CopyFailed::Refused(library::refused_migration(&error.code, error.detail).into()));
            }
        }
    }
    Err(CopyFailed::Ended)
}

/// Moves what is left, once the directory is free.
fn end(
    app: &App,
    to: &str,
    compared: &Compared,
    was_running: bool,
    bars: &Bars<'_>,
) -> Result<MigrateReport, NotMoved> {
    let until = Instant::now() + CLOSING_MAX;
    loop {
        let watch = |progress| {
            bars.show(progress);
            ControlFlow::Continue(())
        };
        match library::migrate(app, to, compared.clone(), &watch) {
            Err(NotMoved { is_locked: true, .. }) if was_running && Instant::now() < until => {
                std::thread::sleep(CLOSING_POLL);
            }
            moved => return moved,
        }
    }
}

/// A bar for each part of the work.
struct Bars<'a> {
    terminal: &'a Terminal,
    shown: Mutex<Option<(MigrationPhase, Progress)>>,
}

impl Bars<'_> {
    fn show(&self, progress: MigrationProgress) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((phase, bar)) = &*shown
            && *phase == progress.phase
        {
            return bar.set(progress.done, progress.done);
        }
        if let Some((_, before)) = shown.take() {
            before.clear();
        }
        let bar = match progress.phase {
            MigrationPhase::Copying => Progress::new("copy", Some(progress.total), self.terminal),
            MigrationPhase::State => {
                let groups = format!("state and positions of {} groups", count(progress.total));
                Progress::waiting("move", &groups, self.terminal)
            }
            MigrationPhase::Comparing => Progress::new("compare", Some(progress.total), self.terminal),
        };
        *shown = Some((progress.phase, bar));
    }

    fn note(&self, text: &str) {
        match &*self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((_, bar)) => bar.note(self.terminal, text),
            None => self.terminal.note(text),
        }
    }

    fn clear(&self) {
        if let Some((_, bar)) = self.shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.clear();
        }
    }
}

fn show_plan(terminal: &Terminal, format: OutputFormat, plan: &MigrationPlan) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return terminal.line(serde_json::json!(plan));
    }
    let row = |topic: &library::MigrationTopic| {
        let there = if topic.in_use { format!("{} in use", count(topic.there)) } else { count(topic.there) };
        let numbers = [u64::from(topic.partitions), topic.offsets, topic.bytes].map(count);
        [vec![topic.topic.clone()], numbers.to_vec(), vec![there]].concat()
    };
    let rows = plan.topics.iter().map(row).collect();
    terminal.line(table(&["TOPIC", "PARTITIONS", "RECORDS", "BYTES", "THERE"], rows))?;
    terminal.line(format_args!(
        "\nand the state and positions of {} groups, to {}; nothing was written there",
        count(plan.groups as u64),
        terminal.out.paint(Ink::Name, &plan.to),
    ))
}

fn show_copied(terminal: &Terminal, format: OutputFormat, copied: u64) -> Result<(), Failure> {
    match format {
        OutputFormat::Json => terminal.line(serde_json::json!({ "copied": copied })),
        OutputFormat::Text => terminal.line(format_args!(
            "{}; end the app, and run the same command without --copy-only to move the rest",
            terminal.out.paint(Ink::Good, format!("copied {} records", count(copied))),
        )),
    }
}

fn json(report: &MigrateReport) -> serde_json::Value {
    let partitions = report.partitions.iter().map(|found| {
        serde_json::json!({
            "partition": found.partition.to_string(), "records": found.here.count(), "hash": found.here.to_string(),
            "copied": found.there.count(), "copied_hash": found.there.to_string(),
            "differs_at": found.differs_at.as_ref().map(ToString::to_string),
        })
    });
    let groups = report.groups.iter().map(|found| {
        serde_json::json!({
            "group": found.group.as_str(), "tasks": found.tasks, "positions": found.positions, "rows": found.rows,
            "identities": found.identities, "differs": found.differs,
        })
    });
    serde_json::json!({
        "to": report.to, "equal": report.is_equal(), "records": report.records(),
        "partitions": partitions.collect::<Vec<_>>(), "groups": groups.collect::<Vec<_>>(),
    })
}

fn show(terminal: &Terminal, format: OutputFormat, report: &MigrateReport) -> Result<(), Failure> {
    show_sides(terminal, format, report)?;
    if format == OutputFormat::Json {
        return Ok(());
    }
    let moved = format!("moved {} records; both sides are equal", count(report.records()));
    terminal.line(format_args!(
        "\n{}. Write `log: {}` into the app file and start it; this data directory is not opened as a log any more.",
        terminal.out.paint(Ink::Good, moved),
        report.to,
    ))
}

/// Both sides, beside each other.
fn show_sides(terminal: &Terminal, format: OutputFormat, report: &MigrateReport) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return terminal.line(json(report));
    }
    let verdict = |is_equal: bool, what: String| if is_equal { "equal".to_owned() } else { what };
    let partitions = report.partitions.iter().map(|found| {
        let differs = found.differs_at.as_ref().map_or_else(|| "differs".to_owned(), |at| format!("differs at {at}"));
        let (here, there) = (&found.here, &found.there);
        let cells = [found.partition.to_string(), count(here.count()), here.to_string(), there.to_string()];
        [cells.to_vec(), vec![verdict(found.is_equal(), differs)]].concat()
    });
    terminal.line(table(&["PARTITION", "RECORDS", "HASH HERE", "HASH THERE", ""], partitions.collect()))?;
    let group = |found: &GroupReport| {
        let numbers = [u64::from(found.tasks), found.positions, found.rows, found.identities].map(count);
        let differs = found.differs.clone().map(|what| format!("differs: {what}"));
        [vec![found.group.to_string()], numbers.to_vec(), vec![verdict(differs.is_none(), differs.unwrap_or_default())]]
            .concat()
    };
    let groups = report.groups.iter().map(group).collect();
    terminal.line(format_args!("\n{}", table(&["GROUP", "TASKS", "POSITIONS", "ROWS", "IDENTITIES", ""], groups)))
}
