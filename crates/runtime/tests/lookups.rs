//! Lookups: many at a time, in order, and kept for replays.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use riverrun_event::*;
use riverrun_runtime::ReplayRequest;
use riverrun_topology::operators::lookup::{Answered, Ask, AskError, Calling};
use riverrun_topology::*;
use world::{Count, World};

/// A service that takes its time, and counts.
#[derive(Default)]
struct Service {
    asked: AtomicUsize,
    under_way: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
}

impl Ask for Service {
    fn ask(&self, request: Bytes) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let (under_way, most) = (Arc::clone(&self.under_way), Arc::clone(&self.most_under_way));
        Box::pin(async move {
            most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Later questions are answered sooner.
            tokio::time::sleep(Duration::from_millis(20 - (number % 20) as u64)).await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            match &request[..] {
                b"bad" => Err(AskError::Refused("404 of its own".to_owned())),
                b"broken" => panic!("no such branch"),
                b"flaky" => Err(AskError::Retry("503".to_owned())),
                _ => Ok(format!("{{\"name\":\"{}\"}}", String::from_utf8_lossy(&request)).into()),
            }
        })
    }
}

fn world(calling: Calling, service: &Arc<Service>, on_error: OnError) -> World {
    let topology = Topology::builder("shop")
        .topic("orders", |topic| topic.partitions(1))
        .topic("out", |topic| topic.partitions(1))
        .pipeline("p", |pipeline| {
            let counted = pipeline.from("orders").transform("count", Count);
            counted.lookup("data.who", "data.known", calling).to("out").on_error(on_error)
        })
        .build();
    let mut topology = topology.unwrap();
    let asked: Arc<dyn Ask> = Arc::clone(service) as Arc<dyn Ask>;
    assert!(topology.register_lookup(Some("known"), &asked));
    World::of(topology)
}

fn calling() -> Calling {
    Calling { concurrency: 16, ..Calling::function("known") }
}

fn publish(world: &World, who: &[&str]) {
    for (number, who) in who.iter().enumerate() {
        let (key, data) = (format!("k{}", number % 5), format!("{{\"who\":\"{who}\"}}"));
        world.publish_to("orders", 1, &[(&key, &data)], number);
    }
}

fn data(world: &World, topic: &str) -> Vec<String> {
    let records = world.read(topic).into_iter();
    records.map(|record| String::from_utf8(record.event.data.unwrap().to_vec()).unwrap()).collect()
}

fn replay(world: &World, ask: bool) -> Option<String> {
    let runtime = world.start(1);
    let (pipeline, to) = (PipelineName::new("p").unwrap(), TopicName::new("again").unwrap());
    let request = ReplayRequest { pipeline, to, from: None, recompute: false, ask };
    let progress = world.block_on(async { runtime.replay(&request).await.unwrap().finished().await });
    runtime.shutdown();
    progress.stopped
}

#[test]
fn calls_are_made_together_and_events_keep_their_order() {
    let service = Arc::new(Service::default());
    let world = world(calling(), &service, OnError::DeadLetter);
    let names: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
    publish(&world, &names.iter().map(String::as_str).collect::<Vec<_>>());
    world.run(1);
    let found = data(&world, "out");
    for (number, data) in found.iter().enumerate() {
        let seen = number / 5 + 1;
        let expected = format!("{{\"who\":\"n{number}\",\"seen\":{seen},\"known\":{{\"name\":\"n{number}\"}}}}");
        assert_eq!(*data, expected);
    }
    assert_eq!((found.len(), service.asked.load(Ordering::SeqCst)), (100, 100));
    assert_eq!(service.most_under_way.load(Ordering::SeqCst), 16);
    assert_eq!(replay(&world, false), None);
    assert_eq!(data(&world, "again"), found);
    assert_eq!(service.asked.load(Ordering::SeqCst), 100, "a replay asks nobody");
}

#[test]
fn an_answer_is_used_again_for_as_long_as_it_is_cached() {
    let service = Arc::new(Service::default());
    let world = world(Calling { cache: Some(Duration::from_secs(60)), ..calling() }, &service, OnError::DeadLetter);
    publish(&world, &["ada"]);
    world.run(1);
    let runtime = world.start(1);
    world.publish_to("orders", 1, &[("k", "{\"who\":\"ada\"}")], 50);
    world.settle(&runtime);
    world.publish_to("orders", 1, &[("k", "{\"who\":\"ada\"}")], 51);
    world.settle(&runtime);
    runtime.shutdown();
    // A restart forgets what is cached.
    assert_eq!((data(&world, "out").len(), service.asked.load(Ordering::SeqCst)), (3, 2));
    assert_eq!(replay(&world, false), None);
    assert_eq!(data(&world, "again"), data(&world, "out"));
}

#[test]
fn what_is_not_answered_goes_the_declared_way() {
    let service = Arc::new(Service::default());
    let world = world(Calling { attempts: 2, ..calling() }, &service, OnError::DeadLetter);
    publish(&world, &["ada", "bad", "flaky", "bob"]);
    world.run(1);
    assert_eq!(data(&world, "out").len(), 2);
    let letters = world.read("_dead-letters.p");
    let errors: Vec<&str> = letters.iter().map(|letter| letter.event.attributes.get("rrerror").unwrap()).collect();
    assert_eq!(errors, ["404 of its own", "503 (tried 2 times)"]);
    // The failure is kept, too: the replay finds it without asking.
    assert_eq!((service.asked.load(Ordering::SeqCst), replay(&world, false)), (5, None));
    assert_eq!((data(&world, "again"), service.asked.load(Ordering::SeqCst)), (data(&world, "out"), 5));
}

#[test]
fn a_function_that_panics_fails_its_event_only() {
    let service = Arc::new(Service::default());
    let world = world(Calling { concurrency: 1, ..calling() }, &service, OnError::DeadLetter);
    publish(&world, &["ada", "broken", "broken", "bob"]);
    world.run(1);
    assert_eq!((data(&world, "out").len(), service.asked.load(Ordering::SeqCst)), (2, 4));
    for letter in world.read("_dead-letters.p") {
        assert_eq!(letter.event.attributes.get("rrerror"), Some("the function panicked: no such branch"));
    }
}

#[test]
fn a_service_without_answer_is_given_up() {
    let service = Arc::new(Service::default());
    let calling = Calling { timeout: Duration::from_millis(1), attempts: 1, ..calling() };
    let world = world(calling, &service, OnError::DeadLetter);
    publish(&world, &["ada"]);
    world.run(1);
    let letters = world.read("_dead-letters.p");
    assert_eq!(letters[0].event.attributes.get("rrerror"), Some("no answer within 1 ms"));
}
