//! Repartitions and timers: what a pipeline does that is cut into stages, and whose tasks have clocks.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use riverrun_event::*;
use riverrun_runtime::ReplayRequest;
use riverrun_topology::*;
use world::{Count, World};

const REGIONS: [&str; 3] = ["eu", "us", "asia"];

/// orders, keyed by customer -> by region -> counted per region.
fn by_region() -> World {
    let topology = Topology::builder("shop")
        .topic("orders", |topic| topic)
        .pipeline("totals", |pipeline| {
            pipeline.from("orders").group_by("data.region").transform("count", Count).to("totals")
        })
        .build()
        .unwrap();
    World::of(topology)
}

fn publish(world: &World, orders: std::ops::Range<usize>) {
    for number in orders {
        let (key, data) = (format!("customer-{}", number % 7), format!("{{\"region\":\"{}\"}}", REGIONS[number % 3]));
        world.publish("orders", &[(key.as_str(), data.as_str())], number);
    }
}

/// How many of each region were counted, and that none was counted twice or left out.
fn counted(world: &World, topic: &str) -> BTreeMap<String, usize> {
    let by_key = world.by_key(topic);
    for events in by_key.values() {
        let seen = |event: &Event| -> usize {
            let data = String::from_utf8(event.data.clone().unwrap().to_vec()).unwrap();
            data.rsplit_once(':').unwrap().1.trim_end_matches('}').parse().unwrap()
        };
        assert_eq!(events.iter().map(seen).collect::<Vec<_>>(), (1..=events.len()).collect::<Vec<_>>());
    }
    by_key.into_iter().map(|(region, events)| (region, events.len())).collect()
}

fn expected(each: usize) -> BTreeMap<String, usize> {
    REGIONS.map(|region| (region.to_owned(), each)).into()
}

#[test]
fn events_are_counted_by_the_group_they_were_moved_to() {
    let world = by_region();
    publish(&world, 0..30);
    world.run(2);
    publish(&world, 30..60);
    world.run(3);
    assert_eq!(counted(&world, "totals"), expected(20));
    let output = &world.by_key("totals")["eu"][0];
    assert!(output.attributes.get("rrcause").unwrap().starts_with("_repartition.totals.count.repartition/"));
    assert!(output.attributes.get("causationid").unwrap().starts_with("orders-"));
    assert_eq!(output.attributes.get("correlationid"), output.attributes.get("causationid"));
}

#[test]
fn a_replay_starts_from_where_the_events_have_met() {
    let world = by_region();
    publish(&world, 0..60);
    world.run(4);
    let runtime = world.start(2);
    let (pipeline, to) = (PipelineName::new("totals").unwrap(), TopicName::new("again").unwrap());
    let request = ReplayRequest { pipeline, to, from: None, recompute: false, ask: false };
    let progress = world.replay_on(&runtime, &request).unwrap();
    runtime.shutdown();
    assert_eq!((progress.processed, progress.total), (120, 120));
    assert_eq!(world.by_key("again"), world.by_key("totals"));
    assert_eq!(world.read("_repartition.totals.count.repartition").len(), 60);
}

/// Emits what it was given once the key has been quiet for ten seconds of event time, and says so after a second of the wall
/// clock.
struct Quiet;

impl Transformer for Quiet {
    fn is_keyed(&self) -> bool {
        true
    }

    fn transform(
        &self,
        input: &Event,
        state: &mut TransformerState<'_>,
        _: &mut Vec<Event>,
    ) -> Result<(), TransformError> {
        let time = input.time.unwrap().plus(Duration::from_secs(10));
        if let Some(before) = state.get() {
            let before = Time::parse(std::str::from_utf8(before).unwrap()).unwrap();
            state.cancel_timer(Clock::Event, before);
        }
        state.put(Some(time.to_string().into()));
        state.set_timer(Clock::Event, time);
        if input.data.as_deref() == Some(b"\"wall\"") {
            // After all accept times of the world's log, and before any day on which this runs.
            state.set_timer(Clock::Wall, Time::parse("2026-02-01T00:00:00Z").unwrap());
        }
        Ok(())
    }

    fn timer(
        &self,
        timer: &TransformerTimer,
        state: &mut TransformerState<'_>,
        outputs: &mut Vec<Event>,
    ) -> Result<(), TransformError> {
        let mut event = Event::new("", "", "quiet");
        event.key = Some(timer.key.clone());
        event.data = Some(format!("\"{:?} {}\"", timer.clock, timer.key).into());
        if timer.clock == Clock::Event {
            event.time = Some(timer.time);
            state.put(None);
        }
        outputs.push(event);
        match timer.key.as_str() {
            Some("refused") => Err(TransformError::Event("this key is refused".to_owned())),
            _ => Ok(()),
        }
    }
}

fn quiet(on_error: OnError) -> World {
    let topology = Topology::builder("shop")
        .topic("orders", |topic| topic.partitions(1))
        .pipeline("quiet", |pipeline| pipeline.from("orders").transform("quiet", Quiet).to("found").on_error(on_error))
        .build()
        .unwrap();
    World::of(topology)
}

fn found(world: &World) -> Vec<String> {
    let mut found: Vec<(Text, String)> = world
        .read("found")
        .into_iter()
        .map(|record| (record.event.id, String::from_utf8(record.event.data.unwrap().to_vec()).unwrap()))
        .collect();
    found.sort();
    found.into_iter().map(|(id, data)| format!("{data} {}", id.rsplit_once('/').unwrap().0)).collect()
}

#[test]
fn timers_fire_when_their_time_has_come_and_survive_restarts() {
    let world = quiet(OnError::DeadLetter);
    let publish = |key: &str, seconds: usize| world.publish_to("orders", 1, &[(key, "1")], seconds);
    publish("ada", 0);
    publish("bob", 5);
    world.run(1);
    publish("bob", 9);
    assert!(found(&world).is_empty());
    publish("eve", 10);
    world.run(1);
    let ada = "\"Event ada\" quiet/d8b0f1194a4b8bc3/2025-01-01T00:00:10Z";
    assert_eq!(
        found(&world).iter().map(|line| line.split('/').next().unwrap()).collect::<Vec<_>>(),
        ["\"Event ada\" quiet"]
    );
    assert_eq!(found(&world)[0].len(), ada.len());
    publish("eve", 60);
    world.run(1);
    let keys: Vec<String> = world.by_key("found").into_keys().collect();
    assert_eq!(keys, ["ada", "bob", "eve"]);
}

#[test]
fn the_wall_clock_fires_timers_when_nothing_comes_in_and_a_replay_fires_them_again() {
    let world = quiet(OnError::DeadLetter);
    world.publish_to("orders", 1, &[("ada", "\"wall\"")], 0);
    let runtime = world.start(1);
    let started = std::time::Instant::now();
    while world.read("found").is_empty() {
        assert!(started.elapsed() < Duration::from_secs(20), "the timer never fired");
        std::thread::sleep(Duration::from_millis(5));
    }
    world.publish_to("orders", 1, &[("bob", "2")], 30);
    world.settle(&runtime);
    let (pipeline, to) = (PipelineName::new("quiet").unwrap(), TopicName::new("again").unwrap());
    world.replay_on(&runtime, &ReplayRequest { pipeline, to, from: None, recompute: false, ask: false }).unwrap();
    runtime.shutdown();
    let data = |topic: &str| -> Vec<_> { world.read(topic).into_iter().map(|record| record.event).collect() };
    assert_eq!(data("found").len(), 2);
    assert_eq!(
        data("again").iter().map(|event| &event.data).collect::<Vec<_>>(),
        data("found").iter().map(|event| &event.data).collect::<Vec<_>>()
    );
}

#[test]
fn a_timer_that_fails_is_set_aside_and_holds_nothing_up() {
    let world = quiet(OnError::DeadLetter);
    world.publish_to("orders", 1, &[("refused", "1"), ("ada", "1")], 0);
    world.publish_to("orders", 1, &[("bob", "1")], 30);
    world.run(1);
    let letters = world.read("_dead-letters.quiet");
    assert_eq!(letters.len(), 1);
    let attribute = |name: &str| letters[0].event.attributes.get(name);
    assert_eq!((attribute("rrerrorcode"), attribute("rroperator")), (Some("RR0306"), Some("quiet")));
    assert_eq!(world.by_key("found").into_keys().collect::<Vec<_>>(), ["ada"]);
}

#[test]
fn a_timer_that_fails_stops_a_pipeline_that_stops_for_errors() {
    let world = quiet(OnError::Stop);
    world.publish_to("orders", 1, &[("refused", "1")], 0);
    world.publish_to("orders", 1, &[("bob", "1")], 30);
    for _ in 0..2 {
        let runtime = world.start(1);
        world.settle(&runtime);
        let statuses = runtime.pipelines().unwrap();
        let riverrun_runtime::PipelineState::Stopped { reason } = &statuses[0].state else { panic!("it runs") };
        assert!(reason.contains("this key is refused (at the timer quiet/"), "{reason}");
        runtime.shutdown();
    }
    assert!(world.read("found").is_empty());
}

#[test]
fn a_copartitioned_model_is_in_the_tasks_that_look_it_up() {
    let topology = Topology::builder("shop")
        .topic("orders", |topic| topic)
        .topic("accounts", |topic| topic)
        .model("account", "accounts", |model| model.copartitioned())
        .pipeline("p", |pipeline| {
            let by_account = pipeline.from("orders").repartition("data.account", |repartition| repartition);
            by_account.snapshot("account", "key").to("out")
        })
        .build()
        .unwrap();
    let stages = topology.stages(topology.pipelines.values().next().unwrap());
    assert_eq!(stages[1].inputs.iter().map(TopicName::as_str).collect::<Vec<_>>()[1], "accounts");
    let world = World::of(topology);
    let names = ["ada", "bob", "cleo", "dan", "eve", "fay", "gil"];
    for (number, name) in names.iter().enumerate() {
        world.publish("accounts", &[(name, &format!("{{\"tier\":{number}}}"))], number);
        world.publish("orders", &[("other", &format!("{{\"account\":\"{name}\"}}"))], 100 + number);
    }
    let runtime = world.start(2);
    assert!(runtime.models().unwrap().is_empty(), "no task of its own keeps it");
    world.settle(&runtime);
    let (pipeline, to) = (PipelineName::new("p").unwrap(), TopicName::new("again").unwrap());
    let request = ReplayRequest { pipeline, to, from: None, recompute: false, ask: false };
    world.replay_on(&runtime, &request).unwrap();
    runtime.shutdown();
    for (number, name) in names.iter().enumerate() {
        let data = String::from_utf8(world.by_key("out")[*name][0].data.clone().unwrap().to_vec()).unwrap();
        assert!(data.contains(&format!("{{\"tier\":{number}}}")), "{data}");
    }
    assert_eq!(world.by_key("again"), world.by_key("out"));
}
