//! An even rate for minutes: how large the outbox is on PostgreSQL's disk, with its indexes and what deleted rows leave.

use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use riverrun_bare::figures::print_line;
use serde_json::json;

use super::pace::Pace;
use super::relay::Relay;
use super::stage::Stage;
use super::watch::Watcher;
use super::{Setting, as_float};

/// Connections that share the rate.
const CONNECTIONS: u64 = 32;

/// What is stored.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: Setting,
    /// Transactions a second, a row each
    #[arg(long, default_value_t = 3_000)]
    rate: u64,
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// From one look to the next
    #[arg(long, default_value_t = 10)]
    look_seconds: u64,
    /// So much at the beginning does not count
    #[arg(long, default_value_t = 60)]
    skip_seconds: u64,
}

/// Runs the relay and the writers, and prints the sizes.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let Arguments { setting, rate, seconds, look_seconds, skip_seconds } = arguments;
    let stage = Stage::open(setting).await?;
    let watcher = Watcher::open(&stage.kafka, &setting.topic).await?;
    let relay = Relay::start_and_wait(setting, &stage, &watcher).await?;
    drop(watcher);
    let before = relay.spent()?;
    let began = Instant::now();
    let rows = rate * seconds;
    let pace = Pace { first: 1, rows, per_second: *rate, connections: CONNECTIONS };
    let looks = look(&stage, Duration::from_secs(*look_seconds), Duration::from_secs(*seconds));
    let (committed, sizes) = tokio::try_join!(pace.run(setting), looks)?;
    let (elapsed, after) = (began.elapsed().as_secs_f64(), relay.spent()?);
    let waiting: i64 = stage.client.query_one("select count(*) from riverrun_outbox", &[]).await?.try_get(0)?;
    drop(relay);
    stage.close().await?;
    let skipped = usize::try_from(skip_seconds / look_seconds)?;
    let counted: Vec<f64> = sizes.iter().copied().skip(skipped).collect();
    let largest = counted.iter().copied().fold(f64::MIN, f64::max);
    let smallest = counted.iter().copied().fold(f64::MAX, f64::min);
    print_line(&json!({
        "rows_per_second": as_float(committed.len() as u64) / elapsed,
        "mb": sizes,
        "mb_min": smallest,
        "mb_max": largest,
        "ratio": largest / smallest,
        "waiting": waiting,
        "cores": (after.cpu_seconds - before.cpu_seconds) / elapsed,
        "postgres_cores": (after.postgres_cpu_seconds - before.postgres_cpu_seconds) / elapsed,
    }))
}

/// Its size in MB of 10^6 bytes, at each look.
async fn look(stage: &Stage<'_>, every: Duration, long: Duration) -> Outcome<Vec<f64>> {
    let sql = "select (sum(pg_total_relation_size(relid)) / 1e6)::float8 from pg_partition_tree('riverrun_outbox')";
    let began = Instant::now();
    let mut sizes = Vec::new();
    while began.elapsed() + every <= long {
        tokio::time::sleep(every).await;
        let size: f64 = stage.admin.query_one(sql, &[]).await?.try_get(0)?;
        sizes.push((size * 100.0).round() / 100.0);
    }
    Ok(sizes)
}
