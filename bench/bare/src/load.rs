//! The load generator for the bare door and the product's: keep-alive connections, one request in flight on each.
//!
//! One thread drives all connections, so that it takes as little as possible of a small machine. Requests are made before the clock
//! starts, except for the id, which is new in each run, so that a second run is not answered as a repetition.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use riverrun_bare::Outcome;
use riverrun_bare::figures::{Measurement, percentile_ms};
use riverrun_bare::flights::{Flight, load_flights};
use riverrun_bare::workload::scattered;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is sent where.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Where the events go, for example `http://127.0.0.1:8080/topics/flights/events`
    #[arg(long)]
    url: String,
    /// Connections, each with one request in flight
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// How many events in all
    #[arg(long, default_value_t = 100_000)]
    events: u64,
    /// Events a request; 1 sends single events, more sends batches
    #[arg(long, default_value_t = 1)]
    batch: u64,
    /// What the ids begin with; something new each time without it
    #[arg(long)]
    run: Option<String>,
    /// Instead of sending, reads so many rows in a scattered order: the URL, a slash, and the id an event was sent with
    #[arg(long)]
    rows: Option<u64>,
    /// The flights, NDJSON or NDJSON.gz
    #[arg(long, default_value = "examples/flights/data/flights.ndjson.gz")]
    flights: PathBuf,
}

/// Rows of which the numbers are made before the clock starts; after them it begins again.
const ROWS_READ_MAX: usize = 1_000_000;

/// What all connections share.
struct Plan {
    host: String,
    path: String,
    batch: u64,
    events: u64,
    run: String,
    /// The numbers of the rows to read, where it reads.
    rows: Option<Vec<u64>>,
    flights: Vec<Flight>,
    next: AtomicU64,
}

/// Sends all and prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(send_all(arguments))
}

async fn send_all(arguments: &Arguments) -> Outcome<()> {
    let rest = arguments.url.strip_prefix("http://").ok_or("the URL must begin with http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let count = usize::try_from(arguments.events)?;
    let plan = Arc::new(Plan {
        host: host.to_owned(),
        path: format!("/{path}"),
        batch: arguments.batch.max(1),
        events: arguments.events,
        run: arguments.run.clone().map_or_else(new_run, Ok)?,
        rows: arguments.rows.map(|rows| scattered(rows).take(ROWS_READ_MAX.min(count)).collect()),
        flights: load_flights(&arguments.flights)?,
        next: AtomicU64::new(0),
    });
    let measurement = Measurement::begin()?;
    let connections: Vec<_> =
        (0..arguments.connections.max(1)).map(|_| tokio::spawn(send_some(Arc::clone(&plan)))).collect();
    let mut latencies = Vec::new();
    for connection in connections {
        latencies.extend(connection.await??);
    }
    latencies.sort_unstable();
    let more = [
        ("connections", json!(arguments.connections)),
        ("batch", json!(arguments.batch)),
        ("p50_ms", json!(percentile_ms(&latencies, 0.5))),
        ("p99_ms", json!(percentile_ms(&latencies, 0.99))),
    ];
    measurement.report(("limit", "load"), arguments.events, measurement.elapsed(), &more)
}

fn new_run() -> Outcome<String> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis().to_string())
}

/// One connection: takes the next events until none are left. Its latencies come back.
async fn send_some(plan: Arc<Plan>) -> Outcome<Vec<Duration>> {
    let mut stream = TcpStream::connect(&plan.host).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut response = Vec::new();
    loop {
        let from = plan.next.fetch_add(plan.batch, Ordering::Relaxed);
        if from >= plan.events {
            return Ok(latencies);
        }
        let request = match &plan.rows {
            None => plan.request(from, plan.events.min(from + plan.batch)),
            Some(rows) => plan.question(rows, from),
        };
        let began = Instant::now();
        stream.write_all(&request).await?;
        read_response(&mut stream, &mut response).await?;
        latencies.push(began.elapsed());
    }
}

impl Plan {
    /// The request with the events `from..to`.
    fn request(&self, from: u64, to: u64) -> Vec<u8> {
        let mut events = Vec::new();
        for (number, flight) in (from..to).zip(self.flights.iter().cycle().skip(self.index(from))) {
            events.push(flight.structured(&format!("{}-{number}", self.run)));
        }
        let (media_type, body) = match (self.batch, events.as_slice()) {
            (1, [event]) => ("application/cloudevents+json", event.clone()),
            _ => ("application/cloudevents-batch+json", format!("[{}]", events.join(","))),
        };
        format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            self.path,
            self.host,
            body.len()
        )
        .into_bytes()
    }

    /// The request for the row whose turn it is.
    fn question(&self, rows: &[u64], from: u64) -> Vec<u8> {
        let turn = usize::try_from(from).unwrap_or(0) % rows.len().max(1);
        let row = rows.get(turn).copied().unwrap_or_default();
        format!("GET {}/{}-{row} HTTP/1.1\r\nHost: {}\r\n\r\n", self.path, self.run, self.host).into_bytes()
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number).unwrap_or(0) % self.flights.len().max(1)
    }
}

/// Reads one response with a Content-Length; anything but 202 and 200 is an error with its text.
async fn read_response(stream: &mut TcpStream, response: &mut Vec<u8>) -> Outcome<()> {
    response.clear();
    let head_end = loop {
        if stream.read_buf(response).await? == 0 {
            return Err("the server closed the connection".into());
        }
        if let Some(end) = response.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(response.get(..head_end).unwrap_or_default()).to_ascii_lowercase();
    let length: usize = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .ok_or("a response without Content-Length")?
        .trim()
        .parse()?;
    while response.len() < head_end + length {
        if stream.read_buf(response).await? == 0 {
            return Err("the server closed the connection".into());
        }
    }
    if head.starts_with("http/1.1 202") || head.starts_with("http/1.1 200") {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(response).into())
    }
}
