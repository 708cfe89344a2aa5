//! Runs a program and follows from outside what it has committed: the same clock for every side.
//!
//! Asked are the broker (offsets of the program's group, the end of its output) and /proc, a hundred times a second. Once all is
//! committed the program is killed: how it ends is no part of what is measured.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use krafka::Kafka;
use krafka::admin::{DeleteTopicsOptions, ListConsumerGroupOffsetsOptions};
use riverrun_bare::Outcome;
use riverrun_bare::figures::{Cost, print_line};
use serde_json::json;

use super::{FLIGHTS, PARTITIONS, digest, topics};

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Nothing was committed for this long: it will not go on.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is run, and where it writes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// HOST:PORT of the broker
    #[arg(long)]
    brokers: String,
    /// The group that the program commits its positions for
    #[arg(long)]
    group: String,
    /// The topic that the program writes; made before, deleted afterwards
    #[arg(long)]
    output: String,
    /// Another topic that is made before
    #[arg(long)]
    changelog: Option<String>,
    /// The program with its arguments
    #[arg(last = true, required = true)]
    program: Vec<String>,
}

/// How far the program has come.
struct Progress {
    began: Instant,
    first_output: Option<Duration>,
    /// When the first positions were seen, and how many events that was.
    first_commit: Option<(Duration, i64)>,
    committed: i64,
    moved: Instant,
}

/// Runs it and prints the figures.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let kafka = super::connect(&arguments.brokers).await?;
    let changelog = arguments.changelog.as_deref();
    let made: Vec<(&str, i32)> =
        [arguments.output.as_str()].into_iter().chain(changelog).map(|name| (name, PARTITIONS)).collect();
    topics::create(&kafka, &made).await?;
    let events: i64 = topics::ends(&kafka, FLIGHTS, PARTITIONS).await?.into_values().sum();
    let (program, rest) = arguments.program.split_first().ok_or("no program")?;
    let began = Instant::now();
    let child = Command::new(program).args(rest).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let mut running = Running(child);
    let mut progress = Progress { began, first_output: None, first_commit: None, committed: 0, moved: began };
    let cost = follow(&kafka, arguments, events, &mut running, &mut progress).await?;
    let elapsed = progress.began.elapsed();
    drop(running);
    let digest = digest::of(&kafka, &arguments.output).await?;
    kafka.admin().delete_topics(made.iter().map(|(name, _)| *name), DeleteTopicsOptions::default()).await?;
    let (first_commit, before) = progress.first_commit.unwrap_or_default();
    let seconds = elapsed.saturating_sub(first_commit).as_secs_f64();
    print_line(&json!({
        "events": events,
        "seconds": elapsed.as_secs_f64(),
        "events_per_second": as_float(events - before) / seconds,
        "cpu_seconds_per_million": cost.cpu_seconds * 1e6 / as_float(events),
        "peak_rss_mb": cost.peak_mb,
        "first_output_ms": progress.first_output.unwrap_or(elapsed).as_secs_f64() * 1e3,
        "outputs": digest.records,
        "digest": format!("{:016x}", digest.sum),
    }))
}

/// Looks until everything is committed; gives what the program has cost by then.
async fn follow(
    kafka: &Kafka,
    arguments: &Arguments,
    events: i64,
    running: &mut Running,
    progress: &mut Progress,
) -> Outcome<Cost> {
    let mut cost = Err("the program ended at once".into());
    loop {
        // A program that has ended has no cost to read any more.
        cost = Cost::of(running.0.id()).or(cost);
        let ended = running.0.try_wait()?;
        if progress.first_output.is_none() {
            let ends = topics::ends(kafka, &arguments.output, PARTITIONS).await?;
            progress.first_output = ends.into_values().any(|end| end > 0).then(|| progress.began.elapsed());
        }
        progress.see(committed(kafka, &arguments.group).await);
        if progress.committed >= events {
            return cost;
        }
        if let Some(status) = ended {
            return Err(format!("the program ended with {status} before all was committed").into());
        }
        if progress.moved.elapsed() > PATIENCE {
            let (committed, patience) = (progress.committed, PATIENCE.as_secs());
            return Err(format!("nothing was committed for {patience} s; {committed} of {events} events are").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Progress {
    fn see(&mut self, committed: i64) {
        if committed > self.committed {
            (self.committed, self.moved) = (committed, Instant::now());
            self.first_commit.get_or_insert((self.began.elapsed(), committed));
        }
    }
}

/// The sum of the group's offsets; zero for as long as there is no group.
async fn committed(kafka: &Kafka, group: &str) -> i64 {
    let options = ListConsumerGroupOffsetsOptions::default();
    let Ok(offsets) = kafka.admin().list_consumer_group_offsets(group, options).await else { return 0 };
    let flights = offsets.into_iter().filter(|(partition, _)| partition.topic == FLIGHTS);
    flights.filter_map(|(_, offset)| offset.ok()?.offset).sum()
}

/// A child that does not outlive its measuring.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn as_float(count: i64) -> f64 {
    count as f64
}
