//! The library's readers of named consumers against a server of the same process: they share, lose, and go on where they were.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so by failing")]

mod door;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use door::{publish, request, serve};
use riverrun::client::{Batch, ClientError, Committed, Consumer};
use riverrun::{App, ServeOptions, Server};
use serde::Deserialize;

const APP: &str = "
app: shop
topics:
  orders: { partitions: 4, key: data.account }
";

#[derive(Deserialize)]
struct Order {
    account: String,
    amount: u32,
}

async fn publish_orders(server: &Server, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let data = format!(r#"{{"account":"a{number}","amount":{number}}}"#);
        let answer = publish(server, "orders", &format!("o{number}"), "2026-01-01T00:00:00Z", &data).await;
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    }
}

fn reader(server: &Server) -> Consumer {
    Consumer::connect(server.url(), "billing", &["orders"]).unwrap()
}

fn amounts(batch: &Batch) -> BTreeSet<u32> {
    batch.events::<Order>().map(|order| order.unwrap().data.amount).collect()
}

fn positions(batch: &Batch) -> Vec<String> {
    batch.raw().map(|(position, _)| position.to_string()).collect()
}

/// The part of an answer of the server that follows its head.
async fn body(server: &Server, path: &str) -> String {
    let answer = request(server.url(), &format!("GET {path}"), "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn report(server: &Server, path: &str) -> serde_json::Value {
    serde_json::from_str(&body(server, path).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_committed_comes_again_and_the_lag_tells_how_much() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    publish_orders(&server, 0..10).await;

    let mut consumer = reader(&server).limit(6);
    let first = consumer.next().await.unwrap();
    let again = consumer.next().await.unwrap();
    assert_eq!((positions(&first).len(), amounts(&first).len()), (6, 6));
    let order = again.events::<Order>().next().unwrap().unwrap();
    assert_eq!(order.key().unwrap().as_str(), Some(&*order.data.account));
    check_lag(&server, 10).await;

    let mut seen = amounts(&again);
    assert_eq!(consumer.commit(again).await.unwrap(), Committed::Done);
    check_lag(&server, 4).await;
    while seen.len() < 10 {
        let batch = consumer.next().await.unwrap();
        assert!(seen.is_disjoint(&amounts(&batch)), "{:?} came again", positions(&batch));
        seen.extend(amounts(&batch));
        assert_eq!(consumer.commit(batch).await.unwrap(), Committed::Done);
    }
    check_lag(&server, 0).await;
    consumer.leave().await.unwrap();
    let removed = request(server.url(), "DELETE /consumers/billing", "").await;
    assert!(removed.starts_with("HTTP/1.1 204"), "{removed}");
    let metrics = body(&server, "/metrics").await;
    assert!(!metrics.contains("consumer=\"billing\""), "a removed consumer is still measured: {metrics}");
    server.shutdown().await.unwrap();
}

/// What status, the consumer's own report and the metrics say, each for itself.
async fn check_lag(server: &Server, lag: u64) {
    let status = report(server, "/status").await;
    let shown = report(server, "/consumers/billing").await;
    assert_eq!(status["consumers"], serde_json::json!([shown]));
    assert_eq!((&shown["lag"], &shown["readers"]), (&lag.into(), &1.into()), "{shown}");

    let metrics = body(server, "/metrics").await;
    let values = |name: &str| -> Vec<u64> {
        let lines = metrics.lines().filter(|line| line.starts_with(&format!("{name}{{consumer=\"billing\"")));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    let (lags, committed) = (values("riverrun_consumer_lag"), values("riverrun_consumer_committed"));
    assert_eq!((lags.len(), committed.len()), (4, 4), "{metrics}");
    assert_eq!((lags.iter().sum::<u64>(), committed.iter().sum::<u64>()), (lag, 10 - lag), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_share_partitions_and_whoever_leaves_gives_its_own_away() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    publish_orders(&server, 0..40).await;

    let (mut one, mut two) = (reader(&server).limit(3), reader(&server).limit(3));
    let held = one.next().await.unwrap();
    // The second one waits for partitions until the first has nothing in hand.
    let waiting = tokio::spawn(async move {
        let batch = two.next().await.unwrap();
        (two, batch)
    });
    assert_eq!(one.commit(held).await.unwrap(), Committed::Done);
    let (mut two, batch) = {
        // The first one may take what is left of its partitions meanwhile; each of its reads lets some go.
        let mut waiting = waiting;
        loop {
            tokio::select! {
                moved = &mut waiting => break moved.unwrap(),
                batch = one.next() => assert_eq!(one.commit(batch.unwrap()).await.unwrap(), Committed::Done),
            }
        }
    };
    let shares = shares(&server).await;
    assert_eq!((shares.len(), shares.iter().sum::<usize>()), (2, 4), "{shares:?}");
    one.leave().await.unwrap();

    let mut taken = batch;
    loop {
        assert_eq!(two.commit(taken).await.unwrap(), Committed::Done);
        if report(&server, "/consumers/billing").await["lag"] == 0 {
            break;
        }
        taken = two.next().await.unwrap();
    }
    server.shutdown().await.unwrap();
}

/// How many partitions each reader has.
async fn shares(server: &Server) -> Vec<usize> {
    let shown = report(server, "/consumers/billing").await;
    let held = shown["partitions"].as_array().unwrap().iter().filter_map(|held| held["reader"].as_str());
    let mut readers: Vec<_> = held.collect();
    readers.sort_unstable();
    readers.chunk_by(|one, next| one == next).map(<[_]>::len).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stays_away_too_long_cannot_commit() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    publish_orders(&server, 0..10).await;

    let (mut late, mut heir) = (reader(&server).session(Duration::from_secs(1)), reader(&server));
    let held = late.next().await.unwrap();
    let taken = heir.next().await.unwrap();
    assert_eq!(positions(&held), positions(&taken));
    assert_eq!(late.commit(held).await.unwrap(), Committed::Lost);
    assert_eq!(report(&server, "/consumers/billing").await["lag"], 10);
    assert_eq!(heir.commit(taken).await.unwrap(), Committed::Done);
    assert_eq!(report(&server, "/consumers/billing").await["lag"], 0);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_outlive_their_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    publish_orders(&server, 0..5).await;
    let mut consumer = reader(&server);
    let committed = consumer.next().await.unwrap();
    assert_eq!(consumer.commit(committed).await.unwrap(), Committed::Done);
    publish_orders(&server, 5..10).await;
    let held = consumer.next().await.unwrap();
    let listen = server.url().to_owned();
    server.shutdown().await.unwrap();

    // It commits while there is no server, and learns that the new one knows nothing of what the old one handed out.
    let (committed, server) = tokio::join!(consumer.commit(held), serve_at(&listen, directory.path()));
    assert_eq!(committed.unwrap(), Committed::Lost);
    let again = consumer.next().await.unwrap();
    assert_eq!(amounts(&again), (5..10).collect());
    assert_eq!(consumer.commit(again).await.unwrap(), Committed::Done);
    server.shutdown().await.unwrap();
}

async fn serve_at(url: &str, directory: &Path) -> Server {
    let listen = url.strip_prefix("http://").unwrap().parse().unwrap();
    let app = App::parse(APP, directory.join("riverrun.yaml")).unwrap();
    app.serve(ServeOptions { listen: Some(listen), ..ServeOptions::default() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_trying_again_does_not_mend_is_returned() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    let connect = |name: &str, topic: &str| Consumer::connect(server.url(), name, &[topic]).unwrap();
    check_refused(connect("billing", "nothing"), "RR0140").await;
    check_refused(connect("Billing Dept.", "orders"), "RR0190").await;
    check_refused(connect("billing", "orders").from("yesterday"), "RR0160").await;
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_shows_its_token() {
    let directory = tempfile::tempdir().unwrap();
    let app = format!("{APP}access: {{ tokens: [{{ name: billing, secret: sesame }}] }}\n");
    let server = serve(&app, directory.path()).await;
    let connect = || Consumer::connect(server.url(), "billing", &["nothing"]).unwrap();
    check_refused(connect(), "RR0101").await;
    check_refused(connect().token("please").unwrap(), "RR0101").await;
    // Let in, it learns that there is no such topic.
    check_refused(connect().token("sesame").unwrap(), "RR0140").await;
    assert!(matches!(connect().token("a\nb"), Err(ClientError::Token)));
    server.shutdown().await.unwrap();
}

async fn check_refused(mut consumer: Consumer, code: &str) {
    let refused = consumer.next().await;
    let Err(ClientError::Problem(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem.code.as_deref(), Some(code), "{problem:?}");
}
