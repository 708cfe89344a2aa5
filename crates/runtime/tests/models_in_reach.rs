//! Look-ups find an entity wherever it lives, and models get to their end whatever became of their records.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use riverrun_log::memory::Faults;
use riverrun_topology::operators::snapshot::Snapshot;
use riverrun_topology::{OnError, Operator, Topology};
use world::{World, snapshot, topology};

fn snapshots(topology: &mut Topology, models: &[(&str, &str)]) {
    let pipeline = topology.pipelines.values_mut().next().unwrap();
    let models = models.iter().map(|(model, key)| snapshot(model, key)).collect();
    pipeline.steps[1].operator = Operator::Snapshot(Snapshot { models });
}

fn snapshot_of(world: &World, key: &str) -> String {
    let events = world.by_key("scored").remove(key).unwrap();
    events.last().unwrap().attributes.get("rrsnapshot").unwrap().to_owned()
}

#[test]
fn an_entity_of_the_pipelines_own_input_is_found_from_events_of_other_keys() {
    let mut topology = topology(OnError::DeadLetter);
    snapshots(&mut topology, &[("last", "data.friend")]);
    let world = World::of(topology);
    let friends = ["bob", "cleo", "dan", "eve", "fay", "gil"];
    for (number, friend) in friends.iter().enumerate() {
        world.publish("orders", &[(friend, r#"{"amount":1}"#)], number);
    }
    for (number, friend) in friends.iter().enumerate() {
        world.publish("orders", &[("ada", &format!(r#"{{"amount":1,"friend":"{friend}"}}"#))], 100 + number);
        world.run(1);
        assert_ne!(snapshot_of(&world, "ada"), "last=-", "{friend}");
    }
}

#[test]
fn an_entity_is_found_where_the_inputs_have_different_partition_counts() {
    let mut topology = topology(OnError::DeadLetter);
    topology.topics.values_mut().find(|topic| topic.name.as_str() == "accounts").unwrap().partitions = 3;
    let pipeline = topology.pipelines.values_mut().next().unwrap();
    pipeline.from.push(riverrun_event::TopicName::new("accounts").unwrap());
    pipeline.auto_repartition = true;
    snapshots(&mut topology, &[("account", "key")]);
    topology.insert_repartitions();
    let world = World::of(topology);
    for (number, key) in ["ada", "bob", "cleo", "dan", "eve", "fay", "gil"].into_iter().enumerate() {
        world.publish_to("accounts", 3, &[(key, r#"{"amount":1}"#)], number);
        world.run(1);
        world.publish("orders", &[(key, r#"{"amount":1}"#)], 100 + number);
        world.run(1);
        assert_ne!(snapshot_of(&world, key), "account=-", "{key}");
    }
}

#[test]
fn offsets_without_records_hold_nothing_up() {
    let world = World::new(OnError::DeadLetter);
    let _ = world.log.clone().with_faults(Faults { seed: 3, offset_gaps_per_mille: 1_000, ..Faults::default() });
    for number in 0..10 {
        world.publish("accounts", &[("ada", &format!(r#"{{"tier":{number}}}"#))], number);
        world.publish("orders", &[("ada", r#"{"amount":1}"#)], 100 + number);
    }
    world.run(1);
    assert_eq!(world.read("scored").len(), 10);
    world.replay("again", 2, false);
    assert_eq!(world.by_key("again"), world.by_key("scored"));
}

/// Whether the model of orders by account lives in the task of a pipeline with these steps.
#[track_caller]
fn check_own(
    declare: impl FnOnce(riverrun_topology::builder::PipelineBuilder<'_>) -> riverrun_topology::builder::PipelineBuilder<'_>,
    expected: bool,
) {
    let topology = riverrun_topology::Topology::builder("shop")
        .topic("orders", |topic| topic.key("data.account"))
        .model("last", "orders", |model| model)
        .pipeline("scored", |pipeline| declare(pipeline.from("orders")).to("scored"))
        .build()
        .unwrap();
    let pipeline = topology.pipelines.values().next().unwrap();
    let model = topology.models.values().next().unwrap();
    assert_eq!(riverrun_runtime::models::is_own(&topology, pipeline, model), expected);
}

#[test]
fn a_model_is_only_in_the_task_while_the_key_means_the_same() {
    check_own(|pipeline| pipeline.snapshot("last", "data.account").set("data.account", "'x'"), true);
    check_own(|pipeline| pipeline.set("data.other", "1").snapshot("last", "data.account"), true);
    check_own(|pipeline| pipeline.set("data.account", "'x'").snapshot("last", "data.account"), false);
    check_own(|pipeline| pipeline.set("data.account", "'x'").snapshot("last", "key"), true);
    check_own(|pipeline| pipeline.select_key("data.x").snapshot("last", "key"), false);
    check_own(|pipeline| pipeline.select_key("data.x").snapshot("last", "data.account"), true);
    check_own(|pipeline| pipeline.map([("account", "data.x")]).snapshot("last", "data.account"), false);
    check_own(
        |pipeline| {
            pipeline
                .branch(|branch| branch.when("a", "data.x", |way| way.select_key("data.x").to("a")))
                .snapshot("last", "key")
        },
        true,
    );
    check_own(
        |pipeline| {
            pipeline.branch(|branch| branch.when("a", "data.x", |way| way.select_key("data.x"))).snapshot("last", "key")
        },
        false,
    );
}
