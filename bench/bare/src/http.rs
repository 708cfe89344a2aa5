//! The limit of the HTTP door: the same server library parses a CloudEvent and group-commits it to one plain file.
//!
//! A GET is answered with a fixed body, whatever it asks for: the limit of reading over HTTP.
//!
//! One thread owns the file: it takes all that waits, writes it, syncs once, answers all. Nothing is answered before its sync.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use riverrun_bare::Outcome;
use riverrun_bare::figures::{Measurement, print_line};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the file; more than any number of connections the benchmark uses.
const QUEUE_REQUESTS: usize = 4_096;

/// Where it listens.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The port on 127.0.0.1; 0 takes a free one, which the first line of output tells
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where the temporary directory is made; the system's place without it
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// The attributes that must be there and the data, borrowed from the body.
#[derive(Deserialize)]
struct CloudEvent<'a> {
    specversion: &'a str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    time: Option<&'a str>,
    subject: Option<&'a str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A request's bytes for the file, and who waits for them.
struct Append {
    bytes: Vec<u8>,
    events: u64,
    answer: oneshot::Sender<u64>,
}

/// What a GET is answered with: a row of a view with a flight in it.
const ROW: &str = r#"{"key":"k-00001","data":{"year":2013,"month":1,"day":1,"dep_time":517,"sched_dep_time":515,"dep_delay":2,"arr_time":830,"sched_arr_time":819,"arr_delay":11,"carrier":"UA","flight":1545,"tailnum":"N14228","origin":"EWR","dest":"IAH","air_time":227,"distance":1400,"hour":5,"minute":15,"time_hour":"2013-01-01T10:00:00Z"}}"#;

#[derive(Clone)]
struct Door {
    appends: mpsc::Sender<Append>,
    accepted: Arc<AtomicU64>,
}

/// Serves until SIGINT or SIGTERM, then prints the figures.
pub(crate) fn run(arguments: &Arguments) -> Outcome<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(arguments))
}

async fn serve(arguments: &Arguments) -> Outcome<()> {
    let directory = crate::pipeline::temporary_directory(arguments.directory.as_deref())?;
    let file = File::create(directory.path().join("events"))?;
    let (appends, waiting) = mpsc::channel(QUEUE_REQUESTS);
    let committer = std::thread::spawn(move || commit_groups(file, waiting));
    let door = Door { appends, accepted: Arc::default() };
    let accepted = Arc::clone(&door.accepted);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], arguments.port))).await?;
    print_line(&json!({ "url": format!("http://{}", listener.local_addr()?) }))?;
    let measurement = Measurement::begin()?;
    let router = Router::new().fallback(post(receive).get(answer)).with_state(door);
    axum::serve(listener, router).with_graceful_shutdown(stopped()).await?;
    committer.join().map_err(|_| "the committer panicked")??;
    measurement.report(("limit", "http"), accepted.load(Ordering::Relaxed), measurement.elapsed(), &[])
}

async fn stopped() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(terminate) => terminate,
        Err(_) => return,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn answer() -> ([(HeaderName, &'static str); 1], &'static str) {
    ([(CONTENT_TYPE, "application/json")], ROW)
}

async fn receive(State(door): State<Door>, body: Bytes) -> (StatusCode, String) {
    let Some((bytes, events)) = accept(&body) else {
        return (StatusCode::BAD_REQUEST, "no CloudEvent in structured mode".to_owned());
    };
    let (answer, answered) = oneshot::channel();
    if door.appends.send(Append { bytes, events, answer }).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    match answered.await {
        Ok(offset) => {
            door.accepted.fetch_add(events, Ordering::Relaxed);
            (StatusCode::ACCEPTED, format!("{{\"position\":\"events/0@{offset}\",\"duplicate\":false}}"))
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
    }
}

/// Parses one event or a batch and gives the bytes to store.
fn accept(body: &[u8]) -> Option<(Vec<u8>, u64)> {
    let is_batch = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let events: Vec<CloudEvent<'_>> =
        if is_batch { serde_json::from_slice(body).ok()? } else { vec![serde_json::from_slice(body).ok()?] };
    let mut stored = Vec::with_capacity(body.len());
    for event in &events {
        if event.specversion != "1.0" {
            return None;
        }
        let data = event.data.map_or("", RawValue::get);
        for field in [event.id, event.source, event.kind, event.time.unwrap_or(""), event.subject.unwrap_or(""), data] {
            stored.extend_from_slice(&u32::try_from(field.len()).ok()?.to_be_bytes());
            stored.extend_from_slice(field.as_bytes());
        }
    }
    Some((stored, u64::try_from(events.len()).ok()?))
}

fn commit_groups(mut file: File, mut waiting: mpsc::Receiver<Append>) -> Outcome<()> {
    let mut group = Vec::new();
    let mut bytes = Vec::new();
    let mut end = 0;
    while waiting.blocking_recv_many(&mut group, QUEUE_REQUESTS) > 0 {
        bytes.clear();
        group.iter().for_each(|append| bytes.extend_from_slice(&append.bytes));
        file.write_all(&bytes)?;
        file.sync_data()?;
        for append in group.drain(..) {
            // A sender that went away needs no answer.
            let _ = append.answer.send(end);
            end += append.events;
        }
    }
    Ok(())
}
