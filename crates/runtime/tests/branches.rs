//! A pipeline with branches, merges and several outputs keeps what a straight one promises: exactly once, the same bytes again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use std::collections::BTreeMap;

use riverrun_event::{Event, TopicName};
use riverrun_log::memory::Faults;
use riverrun_runtime::{ReplayError, ReplayRequest};
use riverrun_topology::{Topology, TopologyBuilder};
use world::{Count, PARTITIONS, World, request};

const OUTPUTS: [&str; 4] = ["big", "eu", "us", "rest"];

/// Orders are counted per account; big ones leave by line; returns come in behind that; all others go where their region says.
fn topology() -> Topology {
    let topics = |builder: TopologyBuilder| {
        ["orders", "returns"]
            .into_iter()
            .fold(builder, |builder, name| builder.topic(name, |topic| topic.partitions(PARTITIONS)))
    };
    topics(Topology::builder("shop"))
        .pipeline("scored", |pipeline| {
            pipeline
                .from("orders")
                .transform("count", Count)
                .branch(|branch| {
                    branch
                        .when("big", "data.amount > 2", |big| big.flat_map_as("data.lines", "data.line").to("big"))
                        .when("none", "data.amount == 0", |none| none.filter("false"))
                })
                .merge("returns", |returns| returns.map([("amount", "0 - data.amount"), ("region", "data.region")]))
                .select_key("data.region")
                .route_or("data.region", ["eu", "us"], "rest")
        })
        .build()
        .unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn publish_mixed(world: &World, seed: usize, rounds: usize) {
    let mut number = seed * 31;
    for round in 0..rounds {
        number = number.wrapping_mul(25_214_903_917).wrapping_add(11) % 1_000_003;
        let key = ["ada", "bob", "cleo", "dan", "eve"][number % 5];
        let topic = if number % 7 < 2 { "returns" } else { "orders" };
        let region = ["eu", "us", "asia"][number % 3];
        let data = format!(r#"{{"amount":{},"region":"{region}","lines":[{round},{{}}]}}"#, number % 4);
        world.publish(topic, &[(key, &data)], round);
    }
}

/// Every event of the outputs by its id, and that no id is there twice. `named` gives the topic for each output.
fn outputs(world: &World, named: impl Fn(&str) -> String) -> BTreeMap<String, (String, Event)> {
    let mut events = BTreeMap::new();
    for output in OUTPUTS {
        for record in world.read(&named(output)) {
            let id = record.event.id.to_string();
            assert!(events.insert(id.clone(), (output.to_owned(), record.event)).is_none(), "{id} is there twice");
        }
    }
    events
}

fn own(output: &str) -> String {
    output.to_owned()
}

#[test]
fn ids_name_the_place_where_an_event_left() {
    let world = World::of(topology());
    world.publish("orders", &[("ada", r#"{"amount":3,"region":"eu","lines":[1,2]}"#)], 0);
    world.publish("orders", &[("ada", r#"{"amount":1,"region":"eu"}"#), ("ada", r#"{"amount":0}"#)], 1);
    world.publish("returns", &[("ada", r#"{"amount":1,"region":"mars","lines":[]}"#)], 3);
    world.run(2);
    let partition = world.read("orders")[0].position.partition;
    let found: Vec<(String, String, String)> = outputs(&world, own)
        .into_iter()
        .map(|(id, (topic, event))| {
            let data = String::from_utf8(event.data.unwrap().to_vec()).unwrap();
            (id.replace(&format!("/{partition}@"), "@"), topic, data)
        })
        .collect();
    let expected = [
        ("orders@0/big.to.0", "big", r#"{"amount":3,"region":"eu","lines":[1,2],"seen":1,"line":1}"#),
        ("orders@0/big.to.1", "big", r#"{"amount":3,"region":"eu","lines":[1,2],"seen":1,"line":2}"#),
        ("orders@1/to.0", "eu", r#"{"amount":1,"region":"eu","seen":2}"#),
        ("returns@0/to.0", "rest", r#"{"amount":-1,"region":"mars"}"#),
    ];
    assert_eq!(found, expected.map(|(id, topic, data)| (id.to_owned(), topic.to_owned(), data.to_owned())));
}

#[test]
fn a_selected_key_decides_the_partition() {
    let world = World::of(topology());
    publish_mixed(&world, 1, 200);
    world.run(2);
    for topic in ["eu", "us", "rest"] {
        let records = world.read(topic);
        assert!(records.len() > 10, "{topic}");
        assert!(records.iter().all(|record| record.position.partition == records[0].position.partition), "{topic}");
    }
}

#[test]
fn a_replay_writes_a_topic_for_each_output() {
    let world = World::of(topology());
    publish_mixed(&world, 2, 300);
    world.run(3);
    let first = outputs(&world, own);
    assert!(OUTPUTS.iter().all(|output| first.values().any(|(topic, _)| topic == output)));
    for (to, workers) in [("again-1", 1), ("again-2", 2), ("again-16", 16)] {
        world.replay(to, workers, false);
        assert_eq!(outputs(&world, |output| format!("{to}.{output}")), first, "{to}");
    }
    world.replay("recomputed", 2, true);
    assert_eq!(outputs(&world, |output| format!("recomputed.{output}")), first);
}

#[test]
fn a_replay_writes_only_topics_of_its_own() {
    let mut topology = topology();
    let used = riverrun_topology::Topic::new(TopicName::new("again.us").unwrap());
    topology.topics.insert(used.name.clone(), used);
    let world = World::of(topology);
    let runtime = world.start(1);
    let refused = world.replay_on(&runtime, &request("again", false));
    assert!(matches!(&refused, Err(ReplayError::TopicInUse(topic)) if topic.as_str() == "again.us"), "{refused:?}");
    let long = ReplayRequest { to: TopicName::new(&"x".repeat(198)).unwrap(), ..request("x", false) };
    let refused = world.replay_on(&runtime, &long);
    assert!(matches!(&refused, Err(ReplayError::TopicName { .. })), "{refused:?}");
    runtime.shutdown();
}

#[test]
fn faults_of_the_log_neither_lose_nor_double_anything() {
    for seed in 0..8 {
        let calm = World::of(topology());
        publish_mixed(&calm, seed, 120);
        calm.run(1);
        let troubled = World::of(topology());
        publish_mixed(&troubled, seed, 120);
        let faults = Faults { offset_gaps_per_mille: 0, ..Faults::frequent(seed as u64) };
        let _ = troubled.log.clone().with_faults(faults);
        troubled.run(3);
        let _ = troubled.log.clone().with_faults(Faults::default());
        assert_eq!(outputs(&troubled, own), outputs(&calm, own), "seed {seed}");
    }
}

#[test]
fn an_event_that_fails_in_one_way_leaves_nothing_anywhere() {
    let world = World::of(topology());
    world.publish("orders", &[("ada", r#"{"amount":3,"lines":[1,2],"x":"refuse"}"#)], 0);
    world.publish("orders", &[("ada", r#"{"amount":3,"lines":7}"#), ("ada", r#"{"amount":3,"lines":[1]}"#)], 1);
    world.run(1);
    let dead: Vec<String> = world
        .read("_dead-letters.scored")
        .iter()
        .map(|record| record.event.attributes.get("rrerrorcode").unwrap().to_owned())
        .collect();
    assert_eq!(dead, ["RR0306", "RR0313"]);
    let outputs = outputs(&world, own);
    assert_eq!(outputs.len(), 1);
    let (_, event) = outputs.into_values().next().unwrap();
    assert!(std::str::from_utf8(&event.data.unwrap()).unwrap().contains("\"seen\":1"), "what failed was not counted");
}
