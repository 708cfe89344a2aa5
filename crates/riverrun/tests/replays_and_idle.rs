//! Replays over HTTP: who may start them, that they count as work, and that a server stops while one runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

mod door;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use door::{publish, read, request, send};
use riverrun::{App, Error, Event, Outputs, ServeOptions, Server, Transform};

const APP: &str = "
app: shop
topics:
  orders: { partitions: 1, key: data.account }
pipelines:
  slow:
    from: orders
    steps:
      - transform: slow
    to: slow-orders
";

/// Takes its time once told to.
struct Slow(Arc<AtomicBool>);

impl Transform for Slow {
    type Input = serde_json::Value;
    type Output = serde_json::Value;
    type State = ();

    fn transform(
        &self,
        event: Event<serde_json::Value>,
        (): &mut (),
        out: &mut Outputs<serde_json::Value>,
    ) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(300));
        }
        out.emit(&event.data);
        Ok(())
    }
}

/// A server whose pipeline has processed five orders, and takes its time from now on.
async fn busy(directory: &std::path::Path) -> Server {
    let slow = Arc::new(AtomicBool::new(false));
    let app = App::parse(APP, directory.join("riverrun.yaml")).unwrap().transform("slow", Slow(Arc::clone(&slow)));
    let options = ServeOptions { listen: Some("127.0.0.1:0".parse().unwrap()), ..ServeOptions::default() };
    let server = app.serve(options).await.unwrap();
    for number in 0..5 {
        publish(&server, "orders", &format!("o{number}"), "2026-01-01T00:00:00Z", r#"{"account":"a"}"#).await;
    }
    assert_eq!(read(&server, "slow-orders").await.len(), 5);
    slow.store(true, Ordering::Relaxed);
    server
}

const REPLAY: &str = "POST /pipelines/slow/replays";
const AGAIN: &str = r#"{"to":"again"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_not_idle_while_a_replay_runs() {
    let directory = tempfile::tempdir().unwrap();
    let server = busy(directory.path()).await;
    let url = server.url().to_owned();
    let replay = tokio::spawn(async move { send(&url, REPLAY, "application/json", AGAIN).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = request(server.url(), "GET /status", "").await;
    assert!(status.contains(r#""idle":false"#), "{status}");
    server.idle_for(Duration::from_millis(50)).await;
    assert!(replay.is_finished(), "idle came before the end of the replay");
    assert!(replay.await.unwrap().contains(r#""emitted":5"#));
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_at_once_while_a_replay_is_watched() {
    let directory = tempfile::tempdir().unwrap();
    let server = busy(directory.path()).await;
    let url = server.url().to_owned();
    let watched = tokio::spawn(async move { send(&url, REPLAY, "application/json", AGAIN).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    server.shutdown().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(!watched.await.unwrap().contains("done"), "a replay that is cut off does not say that it is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_cannot_start_a_replay() {
    let directory = tempfile::tempdir().unwrap();
    let server = busy(directory.path()).await;
    for simple in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = send(server.url(), REPLAY, simple, AGAIN).await;
        assert!(answer.starts_with("HTTP/1.1 415") && answer.contains("RR0178"), "{simple}: {answer}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_another_replay_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let server = busy(directory.path()).await;
    send(server.url(), REPLAY, "application/json", AGAIN).await;
    let answer = send(server.url(), REPLAY, "application/json", r#"{"to":"again","recompute":true}"#).await;
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("RR0177"), "{answer}");
    server.shutdown().await.unwrap();
}
