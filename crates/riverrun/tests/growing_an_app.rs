//! An app grows: a pipeline is added to its file, and what ran before goes on where it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

mod door;

use door::{publish, read, request, serve, try_serve};
use riverrun::ServeError;

const FIRST: &str = "
app: shop
topics:
  orders: { partitions: 2, key: data.account }
pipelines:
  large:
    from: orders
    steps:
      - filter: data.amount > 10
    to: large-orders
";

const SECOND: &str = "
  marked:
    from: orders
    steps:
      - set: { data.marked: 'true' }
    to: marked-orders
";

async fn publish_orders(server: &riverrun::Server, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let data = format!(r#"{{"account":"a{}","amount":{number}}}"#, number % 5);
        let answer = publish(server, "orders", &format!("o{number}"), "2026-01-01T00:00:00Z", &data).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_is_added_starts_from_the_beginning_and_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(FIRST, directory.path()).await;
    publish_orders(&server, 0..20).await;
    assert_eq!(read(&server, "large-orders").await.len(), 9);
    server.shutdown().await.unwrap();

    let server = serve(&format!("{FIRST}{SECOND}"), directory.path()).await;
    publish_orders(&server, 20..25).await;
    assert_eq!(read(&server, "marked-orders").await.len(), 25);
    assert_eq!(read(&server, "large-orders").await.len(), 14);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn partition_counts_do_not_change_once_set() {
    let directory = tempfile::tempdir().unwrap();
    serve(FIRST, directory.path()).await.shutdown().await.unwrap();
    let refused = try_serve(&FIRST.replace("partitions: 2", "partitions: 3"), directory.path()).await;
    let message = refused.err().unwrap().to_string();
    assert!(message.contains("topic orders has 2 partitions and is declared with 3"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_server_and_a_port_one_listener() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(FIRST, directory.path()).await;
    assert!(matches!(try_serve(FIRST, directory.path()).await.err(), Some(ServeError::Open(_))));

    let elsewhere = tempfile::tempdir().unwrap();
    let app = riverrun::App::parse(FIRST, elsewhere.path().join("riverrun.yaml")).unwrap();
    let listen = server.url().strip_prefix("http://").unwrap().parse().unwrap();
    let options = riverrun::ServeOptions { listen: Some(listen), ..Default::default() };
    assert!(matches!(app.serve(options).await.err(), Some(ServeError::Listen { .. })));
    assert!(!elsewhere.path().join("data").exists(), "a port in use must not touch the data");
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_others_can_reach_needs_tokens_or_a_word() {
    let directory = tempfile::tempdir().unwrap();
    let options = |insecure| riverrun::ServeOptions {
        listen: Some("0.0.0.0:0".parse().unwrap()),
        insecure,
        ..Default::default()
    };
    let app = || riverrun::App::parse(FIRST, directory.path().join("riverrun.yaml")).unwrap();
    assert!(matches!(app().serve(options(false)).await.err(), Some(ServeError::Exposed { .. })));
    app().serve(options(true)).await.unwrap().shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_stops_says_so_everywhere_and_goes_on_once_mended() {
    let directory = tempfile::tempdir().unwrap();
    let stopping = format!("{FIRST}    on_error: stop\n");
    let server = serve(&stopping, directory.path()).await;
    publish_orders(&server, 0..20).await;
    assert_eq!(read(&server, "large-orders").await.len(), 9);
    publish(&server, "orders", "odd", "2026-01-01T00:00:00Z", r#"{"account":"a1","amount":"many"}"#).await;
    let reason = server.failed().await;
    assert!(
        reason.contains("pipeline large stopped") && reason.contains("RR0301") && reason.contains("orders/"),
        "{reason}"
    );
    let ready = request(server.url(), "GET /health/ready", "").await;
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("pipeline large stopped"), "{ready}");
    assert!(request(server.url(), "GET /health/live", "").await.starts_with("HTTP/1.1 200"));
    let status = request(server.url(), "GET /status", "").await;
    assert!(status.contains(r#""state":"stopped""#), "{status}");
    server.shutdown().await.unwrap();

    let server = serve(FIRST, directory.path()).await;
    publish_orders(&server, 20..21).await;
    assert_eq!(read(&server, "large-orders").await.len(), 10);
    let dead = request(server.url(), "GET /dead-letters?pipeline=large", "").await;
    assert!(dead.contains(r#""id":"odd""#) && dead.contains(r#""rrerrorcode":"RR0301""#), "{dead}");
    let metrics = request(server.url(), "GET /metrics", "").await;
    for line in [
        r#"riverrun_dead_letters_total{pipeline="large"} 1"#,
        r#"riverrun_parked{pipeline="large"} 0"#,
        r#"riverrun_task_lag_events{pipeline="large",task="1"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    server.shutdown().await.unwrap();
}
