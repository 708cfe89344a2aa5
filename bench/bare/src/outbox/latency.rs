//! From when COMMIT has returned to the writer until a consumer has the record, at an even rate.

use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use riverrun_bare::figures::{percentile_ms, print_line};
use serde_json::json;

use super::pace::Pace;
use super::relay::Relay;
use super::stage::Stage;
use super::watch::Watcher;
use super::{Setting, as_float};

/// Connections that share the rate.
const CONNECTIONS: u64 = 8;
/// What was stored has come long before.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// What is stored.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: Setting,
    /// Transactions a second, a row each
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// For how long
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// For how long before that, without being counted: Java compiles meanwhile
    #[arg(long, default_value_t = 10)]
    warm_seconds: u64,
}

/// Runs the relay and a writer, and prints the figures.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let Arguments { setting, rate, seconds, warm_seconds } = arguments;
    let stage = Stage::open(setting).await?;
    let watcher = Watcher::open(&stage.kafka, &setting.topic).await?;
    let relay = Relay::start_and_wait(setting, &stage, &watcher).await?;
    pass(setting, &watcher, 1, *rate, warm_seconds * rate).await?;
    let before = relay.spent()?;
    let began = Instant::now();
    let mut latencies = pass(setting, &watcher, 1 + warm_seconds * rate, *rate, seconds * rate).await?;
    let (elapsed, after) = (began.elapsed().as_secs_f64(), relay.spent()?);
    drop(relay);
    stage.close().await?;
    latencies.sort();
    print_line(&json!({
        "rows": latencies.len(),
        "rows_per_second": as_float(seconds * rate) / elapsed,
        "p50_ms": percentile_ms(&latencies, 0.5),
        "p99_ms": percentile_ms(&latencies, 0.99),
        "max_ms": percentile_ms(&latencies, 1.0),
        "cores": (after.cpu_seconds - before.cpu_seconds) / elapsed,
        "postgres_cores": (after.postgres_cpu_seconds - before.postgres_cpu_seconds) / elapsed,
    }))
}

/// Stores rows and waits for all; gives how long each took.
async fn pass(setting: &Setting, watcher: &Watcher, first: u64, rate: u64, rows: u64) -> Outcome<Vec<Duration>> {
    let pace = Pace { first, rows, per_second: rate, connections: CONNECTIONS };
    let (committed, arrived) = tokio::try_join!(pace.run(setting), arrivals(watcher, first, rate, rows))?;
    let took = committed.into_iter().map(|(number, committed)| {
        let arrived = usize::try_from(number - first).ok().and_then(|index| arrived.get(index).copied().flatten());
        // A record may be there before the writer has its answer.
        Ok(arrived.ok_or("a row has not arrived")?.saturating_duration_since(committed))
    });
    took.collect()
}

/// When each number was seen.
async fn arrivals(watcher: &Watcher, first: u64, rate: u64, rows: u64) -> Outcome<Vec<Option<Instant>>> {
    let deadline = Instant::now() + ARRIVES_WITHIN + Duration::from_secs(2 * rows / rate.max(1));
    let mut arrived = vec![None; usize::try_from(rows)?];
    let mut left = rows;
    while left > 0 {
        let numbers = watcher.next().await?;
        let now = Instant::now();
        for number in numbers {
            let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
            if let Some(place @ None) = index.and_then(|index| arrived.get_mut(index)) {
                *place = Some(now);
                left -= 1;
            }
        }
        if now > deadline {
            return Err(format!("{left} of {rows} rows did not arrive").into());
        }
    }
    Ok(arrived)
}
