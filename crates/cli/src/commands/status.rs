//! `status`: topics, models and pipelines of a running server, and how far behind each task is.

use clap::Args;
use serde::Deserialize;

use super::Session;
use super::consumers::{self, ConsumerStatus};
use crate::arguments::OutputFormat;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::progress::count;
use crate::terminal::{Ink, Terminal, table};

const EXAMPLES: &str = "\
RECORDS are those a topic holds. IN to SKIPPED are what pipelines did since the server started; `dead-letters list` has \
all that were ever set aside. LATE are events that came after their window. A pipeline with a repartition has a line for each \
part: `totals/by-customer` is what stands behind the step `by-customer`. LAG is what a task has yet to process, in events and as the age of the oldest of them; of a consumer, what it has yet to commit. \
On Kafka, DOORS recognise behind the answer what is sent again; WAITING has been stored and is not in its topic yet. OUTBOX is the relay in this server; `riverrun outbox status` shows what waits in PostgreSQL.

Examples:
  riverrun status
  riverrun status --format json | jq '.pipelines[] | {name, dead_letters}'
  watch -n1 riverrun status";

/// Show topics, pipelines and how far behind they are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArguments {
    /// Tables, or the server's JSON.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

/// What `GET /status` answers. Fields this command does not show are left out.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    app: String,
    health: String,
    #[serde(default)]
    reason: Option<String>,
    /// Whether everything that was accepted is processed.
    pub(crate) idle: bool,
    #[serde(default)]
    pub(crate) topics: Vec<TopicStatus>,
    #[serde(default)]
    models: Vec<ModelStatus>,
    /// The pipelines.
    #[serde(default)]
    pub(crate) pipelines: Vec<PipelineStatus>,
    #[serde(default)]
    doors: Vec<DoorStatus>,
    #[serde(default)]
    consumers: Vec<ConsumerStatus>,
    #[serde(default)]
    outbox: Option<RelayStatus>,
}

/// The relay of the outbox.
#[derive(Debug, Deserialize)]
struct RelayStatus {
    state: String,
    #[serde(default)]
    reason: Option<String>,
    shards: u64,
    relays: u64,
    published: u64,
    duplicates: u64,
    marked: u64,
}

/// One topic.
#[derive(Debug, Deserialize)]
pub(crate) struct TopicStatus {
    pub(crate) name: String,
    partitions: Vec<PartitionStatus>,
}

#[derive(Debug, Deserialize)]
struct PartitionStatus {
    start: u64,
    end: u64,
}

#[derive(Debug, Deserialize)]
struct ModelStatus {
    name: String,
    partitions: Vec<ModelPartitionStatus>,
}

#[derive(Debug, Deserialize)]
struct ModelPartitionStatus {
    next: u64,
    end: u64,
}

/// One pipeline.
#[derive(Debug, Deserialize)]
pub(crate) struct PipelineStatus {
    pub(crate) name: String,
    state: String,
    #[serde(default)]
    reason: Option<String>,
    pub(crate) received: u64,
    pub(crate) emitted: u64,
    pub(crate) dropped: u64,
    pub(crate) dead_letters: u64,
    skipped: u64,
    #[serde(default)]
    late: u64,
    #[serde(default)]
    tasks: Vec<TaskStatus>,
}

#[derive(Debug, Deserialize)]
struct TaskStatus {
    task: u32,
    lag_events: u64,
    lag_seconds: f64,
}

#[derive(Debug, Deserialize)]
struct DoorStatus {
    topic: String,
    let_in: u64,
    duplicates: u64,
    dead_letters: u64,
    waiting: Vec<u64>,
}

impl TopicStatus {
    /// Records it holds.
    pub(crate) fn records(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.end.saturating_sub(partition.start)).sum()
    }
}

/// Shows the status.
pub(crate) async fn execute(session: Session<'_>, arguments: &StatusArguments) -> Result<(), Failure> {
    let connection = Connection::open_running(session, "status is about a running one").await?;
    let client = connection.client();
    let answer = client.get("/status").await?;
    if arguments.format == OutputFormat::Json {
        return session.terminal.line(String::from_utf8_lossy(&answer).trim_end());
    }
    let status: Status = client.parse(&answer)?;
    show(&status, client.url(), session.terminal)
}

fn show(status: &Status, url: &str, terminal: &Terminal) -> Result<(), Failure> {
    let palette = terminal.out;
    let ink = if status.health == "serving" { Ink::Good } else { Ink::Bad };
    let reason = status.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    terminal.line(format_args!(
        "{} at {url}: {}{reason}{}",
        palette.paint(Ink::Strong, &status.app),
        palette.paint(ink, &status.health),
        if status.idle { ", idle" } else { "" },
    ))?;
    let sections = [
        topics(&status.topics),
        models(&status.models),
        doors(&status.doors),
        relay(status.outbox.as_ref()),
        pipelines(&status.pipelines),
        tasks(&status.pipelines),
        (!status.consumers.is_empty()).then(|| consumers::summary(&status.consumers)),
    ];
    for section in sections.into_iter().flatten() {
        terminal.line(format_args!("\n{section}"))?;
    }
    if status.pipelines.is_empty() {
        return Ok(());
    }
    terminal.line(format_args!("\n{}", palette.paint(Ink::Faint, "IN to SKIPPED count from the start of the server")))
}

fn topics(topics: &[TopicStatus]) -> Option<String> {
    let row =
        |topic: &TopicStatus| vec![topic.name.clone(), topic.partitions.len().to_string(), count(topic.records())];
    section(&["TOPIC", "PARTITIONS", "RECORDS"], topics.iter().map(row).collect())
}

fn models(models: &[ModelStatus]) -> Option<String> {
    let row = |model: &ModelStatus| {
        let behind: u64 = model.partitions.iter().map(|partition| partition.end.saturating_sub(partition.next)).sum();
        vec![model.name.clone(), count(behind)]
    };
    section(&["MODEL", "LAG"], models.iter().map(row).collect())
}

fn doors(doors: &[DoorStatus]) -> Option<String> {
    let row = |door: &DoorStatus| {
        let counts = [door.let_in, door.duplicates, door.dead_letters, door.waiting.iter().sum()];
        std::iter::once(door.topic.clone()).chain(counts.map(count)).collect()
    };
    section(&["DOOR", "LET IN", "DUPLICATES", "DEAD LETTERS", "WAITING"], doors.iter().map(row).collect())
}

fn relay(relay: Option<&RelayStatus>) -> Option<String> {
    let relay = relay?;
    let state = match &relay.reason {
        Some(reason) => format!("{}: {reason}", relay.state),
        None => relay.state.clone(),
    };
    let counts = [relay.shards, relay.relays, relay.published, relay.duplicates, relay.marked];
    let row = std::iter::once(state).chain(counts.map(count)).collect();
    section(&["OUTBOX", "SHARDS", "RELAYS", "PUBLISHED", "DUPLICATES", "MARKED"], vec![row])
}

fn pipelines(pipelines: &[PipelineStatus]) -> Option<String> {
    let row = |pipeline: &PipelineStatus| {
        let state = match &pipeline.reason {
            Some(reason) => format!("{}: {reason}", pipeline.state),
            None => pipeline.state.clone(),
        };
        let counts = [
            pipeline.received,
            pipeline.emitted,
            pipeline.dropped,
            pipeline.late,
            pipeline.dead_letters,
            pipeline.skipped,
        ];
        [pipeline.name.clone(), state].into_iter().chain(counts.map(count)).collect()
    };
    let header = ["PIPELINE", "STATE", "IN", "OUT", "DROPPED", "LATE", "DEAD LETTERS", "SKIPPED"];
    section(&header, pipelines.iter().map(row).collect())
}

fn tasks(pipelines: &[PipelineStatus]) -> Option<String> {
    let rows = pipelines.iter().flat_map(|pipeline| {
        pipeline.tasks.iter().map(|task| {
            let name = format!("{}/{}", pipeline.name, task.task);
            vec![name, count(task.lag_events), format!("{:.1} s", task.lag_seconds)]
        })
    });
    section(&["TASK", "LAG", "AGE"], rows.collect())
}

fn section(header: &[&str], rows: Vec<Vec<String>>) -> Option<String> {
    (!rows.is_empty()).then(|| table(header, rows))
}
