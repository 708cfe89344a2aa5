//! Views of an app whose partitions are shared by two instances on a Kafka cluster: each answers for all keys, and no answer lacks any.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

mod binary;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use binary::{Place, Running};
use bytes::Bytes;
use riverrun::client::{Client, ClientError, Content, Lines};
use serde_json::{Value, json};

const PARTITIONS: u32 = 4;
const CUSTOMERS: usize = 24;
/// Longer than it takes to miss an instance and to open what it had.
const PATIENCE: Duration = Duration::from_secs(90);

fn app(name: &str, kafka: &str, test: &str) -> String {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else { panic!("RIVERRUN_TEST_KAFKA names no broker") };
    let prefix = format!("{test}{}.", std::process::id());
    format!(
        "
app: shop
log: kafka://{brokers}
kafka: {{ instance: {name}, prefix: {prefix}, session: 6s, replication: 1, {kafka} }}
access: {{ tokens: [{{ name: reads, secret: read-secret, verbs: [read, publish] }}] }}
topics: {{ orders: {{ partitions: {PARTITIONS}, key: data.customer }} }}
pipelines:
  counted: {{ from: orders, steps: [count: {{ view: customers }}], to: counts }}
  by-city: {{ from: orders, steps: [group_by: data.city, count: {{ view: cities }}], to: city-counts }}
"
    )
}

struct Instance {
    _place: Place,
    running: Running,
    url: String,
    client: Client,
}

impl Instance {
    fn start(name: &str, kafka: &str, test: &str) -> Self {
        let place = Place::with_app(&app(name, kafka, test));
        let (running, url) = place.serve(&["--workers", "2"]);
        let client = Client::new(&url, Some("read-secret")).unwrap();
        Self { _place: place, running, url, client }
    }

    async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.client.get_json(path).await
    }

    /// Publishes an order; its position.
    async fn order(&self, customer: usize, number: usize) -> String {
        let data = json!({ "customer": name(customer), "city": format!("city-{}", customer % 3) });
        let event = json!({ "specversion": "1.0", "id": format!("{customer}-{number}"), "source": "/t", "type": "order", "data": data });
        let content = Content { content_type: "application/cloudevents+json", body: Bytes::from(event.to_string()) };
        let answer = self.client.post("/topics/orders/events", content).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["position"].as_str().unwrap().to_owned()
    }

    /// The status of an answer for these partitions alone, as other instances ask for it.
    fn status_of_part(&self, partition: u32, token: &str) -> u16 {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        let part = json!({ "tasks": [partition], "wait_ms": 0 });
        let request = format!(
            "GET /views/customers HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {token}\r\nriverrun-part: {part}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn partitions(&self) -> Vec<u32> {
        (0..PARTITIONS).filter(|partition| self.status_of_part(*partition, "read-secret") == 200).collect()
    }

    /// All rows, page by page.
    async fn pages(&self, question: &str) -> Vec<(String, u64)> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/views/{question}&limit=5&wait_ms=60000{after}")).await.unwrap();
            rows.extend(page["rows"].as_array().unwrap().iter().map(row));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return rows,
            }
        }
    }
}

fn name(customer: usize) -> String {
    format!("c-{customer:02}")
}

fn row(row: &Value) -> (String, u64) {
    (row["key"].as_str().unwrap().to_owned(), row["data"]["count"].as_u64().unwrap())
}

/// Both have partitions, and each partition has one of them.
fn share(one: &Instance, two: &Instance) -> (Vec<u32>, Vec<u32>) {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        let (first, second) = (one.partitions(), two.partitions());
        let mut all = [first.clone(), second.clone()].concat();
        all.sort_unstable();
        if !first.is_empty() && !second.is_empty() && all == (0..PARTITIONS).collect::<Vec<_>>() {
            return (first, second);
        }
        assert!(Instant::now() < give_up_at, "{first:?} and {second:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Publishes an order of each customer by both in turns, and reads each by both at once.
async fn order_and_read(one: &Instance, two: &Instance, number: usize) {
    for customer in 0..CUSTOMERS {
        let position = if customer % 2 == 0 { one } else { two }.order(customer, number).await;
        for instance in [one, two] {
            let path = format!("/views/customers/{}?min_position={position}&wait_ms=60000", name(customer));
            let expected = json!({ "key": name(customer), "data": { "count": number } });
            assert_eq!(instance.get(&path).await.unwrap(), expected, "asked at {}", instance.url);
        }
        if customer == CUSTOMERS - 1 {
            let expected = json!({ "key": "city-2", "data": { "count": CUSTOMERS / 3 * number } });
            for instance in [one, two] {
                // Behind a repartition, whose tasks are shared as well.
                let path = format!("/views/cities/city-2?min_position={position}&wait_ms=60000");
                assert_eq!(instance.get(&path).await.unwrap(), expected, "asked at {}", instance.url);
            }
        }
    }
}

async fn check_pages(instance: &Instance, count: u64) {
    let all: Vec<(String, u64)> = (0..CUSTOMERS).map(|customer| (name(customer), count)).collect();
    assert_eq!(instance.pages("customers?").await, all);
    assert_eq!(instance.pages("customers?prefix=c-1").await, all[10..20]);
    assert_eq!(instance.pages("customers?from=c-03&to=c-12").await, all[3..12]);
}

/// Reads changes until every customer has come to a count.
async fn follow_to(lines: &mut Lines, count: u64) {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let following = async {
        while seen.len() < CUSTOMERS || seen.values().any(|known| *known < count) {
            let line = lines.next().await.unwrap().unwrap();
            let (key, count) = row(&serde_json::from_slice(&line).unwrap());
            let known = seen.entry(key).or_default();
            *known = count.max(*known);
        }
    };
    assert!(tokio::time::timeout(PATIENCE, following).await.is_ok(), "{seen:?}");
}

fn problem(answer: Result<Value, ClientError>) -> (u16, String) {
    match answer {
        Err(ClientError::Problem(problem)) => (problem.status, problem.code.unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_instance_answers_for_all_keys() {
    let one = Instance::start("one", "", "views");
    order_and_read(&one, &one, 1).await;
    // While partitions move nothing is missing either.
    let two = Instance::start("two", "", "views");
    check_pages(&two, 1).await;
    order_and_read(&one, &two, 2).await;
    share(&one, &two);
    order_and_read(&one, &two, 3).await;
    for instance in [&one, &two] {
        check_pages(instance, 3).await;
        let nobody = instance.get("/views/customers/nobody?").await;
        assert_eq!(problem(nobody), (404, "RR0154".to_owned()));
        for partition in 0..PARTITIONS {
            let path = format!("/views/customers?min_position=orders/{partition}@9999&wait_ms=100");
            assert_eq!(problem(instance.get(&path).await), (409, "RR0156".to_owned()));
            assert_eq!(instance.status_of_part(partition, "other"), 401, "an instance shows what its caller may see");
        }
    }

    let mut followed = Vec::new();
    for instance in [&one, &two] {
        followed.push(instance.client.lines("/views/customers?follow=true&wait_ms=60000", None).await.unwrap());
    }
    for lines in &mut followed {
        follow_to(lines, 3).await;
    }
    order_and_read(&one, &two, 4).await;
    for lines in &mut followed {
        follow_to(lines, 4).await;
    }

    one.running.kill();
    // Some keys are nowhere now: nobody hears that there are fewer.
    assert_eq!(problem(two.get("/views/customers?wait_ms=0").await), (503, "RR0157".to_owned()));
    let mut stream = followed.remove(1);
    let broken_off = tokio::spawn(tokio::time::timeout(PATIENCE, async move {
        loop {
            match stream.next().await {
                Ok(Some(_)) => {}
                end => return end.is_err(),
            }
        }
    }));
    for customer in 0..CUSTOMERS {
        let row = two.get(&format!("/views/customers/{}?wait_ms=60000", name(customer))).await.unwrap();
        assert_eq!(row["data"]["count"], 4, "{row}");
    }
    check_pages(&two, 4).await;
    let broken_off = broken_off.await.unwrap();
    assert!(broken_off.is_ok_and(|is_error| is_error), "a stream that lacks partitions has to be broken off");
    assert_eq!(two.partitions(), (0..PARTITIONS).collect::<Vec<_>>());
}

/// Records that an instance had to read when it took over from one that was killed.
async fn restored(standbys: u32, test: &str) -> u64 {
    let kafka = format!("standbys: {standbys}");
    let (one, two) = (Instance::start("one", &kafka, test), Instance::start("two", &kafka, test));
    share(&one, &two);
    for number in 1..=4 {
        for customer in 0..CUSTOMERS {
            one.order(customer, number).await;
        }
    }
    for customer in 0..CUSTOMERS {
        let path = format!("/views/customers/{}?wait_ms=60000", name(customer));
        while !two.get(&path).await.is_ok_and(|row| row["data"]["count"] == 4) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    // A standby is a moment behind.
    tokio::time::sleep(Duration::from_secs(3)).await;
    one.running.kill();
    check_pages(&two, 4).await;
    let said = two.running.last_words();
    let of_pipeline = |line: &&str| line.contains("the state of a task is restored") && line.contains("shop.counted");
    let records = said.lines().filter(of_pipeline).map(|line| {
        let (_, records) = line.split_once("records=").unwrap();
        records.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    });
    records.sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_standby_has_little_to_read_when_it_takes_over() {
    let (without, with) = tokio::join!(restored(0, "none"), restored(1, "standby"));
    assert!(without >= 40, "{without} records: the partitions of the other instance were not empty");
    assert!(with < 10, "{with} records, and {without} without standbys");
}
