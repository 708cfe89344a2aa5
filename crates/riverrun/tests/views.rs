//! Views as readers see them: over HTTP, fresh as asked for, followed, and the same after a rebuild.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so by failing")]

mod door;

use std::time::Duration;

use door::{publish, request, serve};
use riverrun::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const APP: &str = "
app: flights
topics:
  flights: { partitions: 2, key: data.tail }
pipelines:
  counted:
    from: flights
    steps:
      - group_by: data.carrier
      - count: { view: carriers }
    to: counted
  hourly:
    from: flights
    steps:
      - aggregate: { fields: { flights: count(), worst: max(data.delay) }, window: { tumbling: 1h }, keep: 10d, view: hourly }
    to: hourly-counts
";

async fn flight(server: &Server, number: usize, tail: &str, carrier: &str, delay: i64) -> String {
    let time = format!("2013-01-01T{:02}:00:00Z", number % 20);
    let data = json!({"tail": tail, "carrier": carrier, "delay": delay}).to_string();
    let answer = publish(server, "flights", &format!("f{number}"), &time, &data).await;
    let body: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    body["position"].as_str().unwrap().to_owned()
}

/// Status and body of a GET.
async fn get(server: &Server, path: &str) -> (u16, Value) {
    let answer = request(server.url(), &format!("GET {path}"), "").await;
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_reads_what_came_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    for number in 1..=30 {
        let position = flight(&server, number, &format!("N{}", number % 4), "UA", 5).await;
        // The count is made behind a repartition.
        let (status, row) = get(&server, &format!("/views/carriers/UA?min_position={position}")).await;
        assert_eq!((status, &row), (200, &json!({"key": "UA", "data": {"count": number}})));
    }
    let (status, problem) = get(&server, "/views/carriers/UA?min_position=flights/0@999&wait_ms=20").await;
    assert_eq!((status, &problem["code"]), (409, &json!("RR0156")));
    let (status, problem) = get(&server, "/views/carriers/UA?min_position=counted/0@0").await;
    assert_eq!((status, &problem["code"]), (400, &json!("RR0155")));
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_read_by_key_prefix_range_and_window() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    for (number, tail) in ["N1", "N10", "N2", "M1", "N1", "N1"].into_iter().enumerate() {
        flight(&server, number, tail, "UA", i64::try_from(number).unwrap()).await;
    }
    server.idle_for(Duration::from_millis(50)).await;
    let keys = |page: &Value| -> Vec<String> {
        page["rows"].as_array().unwrap().iter().map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&get(&server, "/views/hourly").await.1), ["M1", "N1", "N1", "N1", "N10", "N2"]);
    assert_eq!(keys(&get(&server, "/views/hourly?prefix=N1").await.1), ["N1", "N1", "N1", "N10"]);
    assert_eq!(keys(&get(&server, "/views/hourly?from=N10&to=N3").await.1), ["N10", "N2"]);
    let windows = get(&server, "/views/hourly/N1?window_from=2013-01-01T02:00:00Z").await.1;
    let starts: Vec<&Value> = windows["rows"].as_array().unwrap().iter().map(|row| &row["window"]["start"]).collect();
    assert_eq!(starts, ["2013-01-01T04:00:00Z", "2013-01-01T05:00:00Z"]);
    let mut paged = Vec::new();
    let mut path = "/views/hourly?limit=2".to_owned();
    loop {
        let page = get(&server, &path).await.1;
        paged.extend(keys(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/views/hourly?limit=2&after={next}");
    }
    assert_eq!(paged, ["M1", "N1", "N1", "N1", "N10", "N2"]);
    let view = server.view("hourly").unwrap();
    assert_eq!(view.get::<Value>("N1").unwrap().unwrap().data["worst"], json!(5));
    for (path, status, code) in [
        ("/views/none", 404, "RR0153"),
        ("/views/hourly/X", 404, "RR0154"),
        ("/views/hourly?limit=0", 400, "RR0155"),
        ("/views/hourly?lmit=1", 400, "RR0155"),
        ("/views/hourly?after=xyz", 400, "RR0155"),
        ("/views/hourly?prefix=a&to=b", 400, "RR0155"),
    ] {
        let (found, problem) = get(&server, path).await;
        assert_eq!((found, &problem["code"]), (status, &json!(code)), "{path}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_followed() {
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;
    flight(&server, 1, "N1", "UA", 1).await;
    server.idle_for(Duration::from_millis(50)).await;
    let address = server.url().strip_prefix("http://").unwrap().to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("GET /views/carriers?follow=true HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut rows = Vec::new();
    let mut sent = 1;
    while rows.len() < 4 {
        let line = tokio::time::timeout(Duration::from_secs(20), lines.next_line()).await.unwrap().unwrap().unwrap();
        if line.starts_with('{') {
            rows.push(serde_json::from_str::<Value>(&line).unwrap()["data"]["count"].clone());
            sent += 1;
            flight(&server, sent, "N1", "UA", 1).await;
        }
    }
    assert_eq!(rows, [1, 2, 3, 4]);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_outlives_a_restart_and_a_rebuild_gives_the_same_bytes() {
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut built = Vec::new();
    for (number, directory) in [&directory, &elsewhere].into_iter().enumerate() {
        let mut server = serve(APP, directory.path()).await;
        for flown in 0..40 {
            flight(&server, flown, &format!("N{}", flown % 7), "UA", 3).await;
            if number == 0 && flown % 10 == 9 {
                server.shutdown().await.unwrap();
                server = serve(APP, directory.path()).await;
            }
        }
        server.idle_for(Duration::from_millis(50)).await;
        built.push((get(&server, "/views/hourly").await, get(&server, "/views/carriers").await));
        server.shutdown().await.unwrap();
    }
    assert_eq!(built[0], built[1]);
    assert_eq!(built[0].1.1["rows"][0]["data"], json!({"count": 40}));
}
