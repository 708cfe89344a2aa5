//! Rows that wait: from starting the relay until a consumer has seen the last one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use riverrun_bare::figures::print_line;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::relay::Relay;
use super::stage::Stage;
use super::watch::{Seen, Watcher};
use super::{Setting, as_float};

/// Nothing came for this long: it will not go on.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a relay does behind the last record, such as deleting its row, is part of what it costs.
const AFTERWARDS: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is drained.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    setting: Setting,
    /// How many rows
    #[arg(long, default_value_t = 200_000)]
    rows: u64,
    /// Instead of following the topic, asks the relay here how many it has published: for a log that is not on Kafka
    #[arg(long)]
    status: Option<SocketAddr>,
}

/// How far the relay has come.
#[derive(Default)]
struct Progress {
    /// When the first was seen, and how many came with it.
    first: Option<(Duration, u64)>,
    count: u64,
    repeated: u64,
}

/// Stores the rows, runs the relay, and prints the figures.
pub(super) async fn run(arguments: &Arguments) -> Outcome<()> {
    let Arguments { setting, rows, status } = arguments;
    let stage = Stage::open(setting).await?;
    stage.fill(*rows).await?;
    let watcher = Watcher::open(&stage.kafka, &setting.topic).await?;
    let mut relay = Relay::start(setting)?;
    let progress = match status {
        Some(address) => ask(&mut relay, *address, *rows).await?,
        None => follow(&mut relay, &watcher, *rows).await?,
    };
    let seconds = relay.began.elapsed().as_secs_f64();
    tokio::time::sleep(AFTERWARDS).await;
    let spent = relay.spent()?;
    drop(relay);
    stage.close().await?;
    let (first, with_it) = progress.first.unwrap_or_default();
    print_line(&json!({
        "rows": rows,
        "seconds": seconds,
        "first_ms": first.as_secs_f64() * 1e3,
        "rows_per_second": as_float(*rows) / seconds,
        "rows_per_second_from_first": as_float(rows - with_it) / (seconds - first.as_secs_f64()),
        "cpu_seconds": spent.cpu_seconds,
        "postgres_cpu_seconds": spent.postgres_cpu_seconds,
        "peak_mb": spent.peak_mb,
        "repeated": progress.repeated,
    }))
}

async fn follow(relay: &mut Relay, watcher: &Watcher, rows: u64) -> Outcome<Progress> {
    let (mut progress, mut seen, mut moved) = (Progress::default(), Seen::none_of(rows)?, Instant::now());
    while seen.count < rows {
        let numbers = watcher.next().await?;
        numbers.iter().try_for_each(|number| seen.see(*number))?;
        progress.see(relay, seen.count, &mut moved)?;
    }
    progress.repeated = seen.repeated;
    Ok(progress)
}

async fn ask(relay: &mut Relay, address: SocketAddr, rows: u64) -> Outcome<Progress> {
    let (mut progress, mut moved) = (Progress::default(), Instant::now());
    while progress.count < rows {
        tokio::time::sleep(LOOK_EVERY).await;
        // Before it listens there is nothing to ask.
        let published = published(address).await.unwrap_or_default();
        progress.see(relay, published, &mut moved)?;
    }
    Ok(progress)
}

impl Progress {
    fn see(&mut self, relay: &mut Relay, count: u64, moved: &mut Instant) -> Outcome<()> {
        if count > self.count {
            (self.count, *moved) = (count, Instant::now());
            self.first.get_or_insert((relay.began.elapsed(), count));
            return Ok(());
        }
        relay.check_running()?;
        if moved.elapsed() > PATIENCE {
            return Err(format!("nothing came for {} s; {count} rows did", PATIENCE.as_secs()).into());
        }
        Ok(())
    }
}

/// How many rows the relay of this server has published.
async fn published(address: SocketAddr) -> Outcome<u64> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    let status: Value = serde_json::from_str(body)?;
    Ok(status.pointer("/outbox/published").and_then(Value::as_u64).ok_or("no outbox in /status")?)
}
