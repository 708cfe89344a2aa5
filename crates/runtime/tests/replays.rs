//! Replays that are asked for again, in several ways, or into a topic that holds something else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use riverrun_event::{Offset, Partition, PipelineName, Time, TopicName, TopicPartition};
use riverrun_log::{
    Assignment, Commit, GroupName, InputRange, Log, Membership, NewRecord, Order, TaskCommit, TaskId, TaskInputs,
    Topics,
};
use riverrun_runtime::{ReplayError, ReplayRequest};
use riverrun_topology::{OnError, Topology};
use world::{World, request, topology};

fn publish_orders(world: &World, numbers: std::ops::Range<usize>) {
    for number in numbers {
        world.publish("orders", &[(["ada", "bob", "cleo"][number % 3], r#"{"amount":1}"#)], number);
    }
}

/// Commits order records of the pipeline as if it had processed these ranges, one commit for each.
fn record_orders(world: &World, ranges: &[(TopicPartition, u64, u64)]) {
    let task = TaskId(ranges[0].0.partition.0);
    let inputs = ranges.iter().map(|(input, ..)| input.clone()).collect();
    let group = GroupName::pipeline(&world.topology.app, &PipelineName::new("scored").unwrap());
    let tasks = vec![TaskInputs { task, inputs }];
    let mut member = world.log.join(Membership { group, tasks, seat: 0, seats: 1, takes_over: false }).unwrap();
    let Assignment::Assigned(assigned) = world.block_on(member.next()) else { panic!("no task") };
    for (input, from, to) in ranges.iter().cloned() {
        let mut commit = TaskCommit::new(task, assigned.epoch);
        commit.positions.push((input.clone(), Offset(to)));
        let ranges = vec![InputRange { input, from: Offset(from), to: Offset(to) }];
        commit.order = Some(Order { ranges, ..Order::default() });
        world.block_on(member.commit(Commit { tasks: vec![commit] })).unwrap();
    }
}

/// The pipeline with a second input and without models.
fn two_inputs() -> Topology {
    let mut topology = topology(OnError::DeadLetter);
    topology.models.clear();
    let pipeline = topology.pipelines.values_mut().next().unwrap();
    pipeline.from.push(TopicName::new("accounts").unwrap());
    pipeline.steps.remove(1);
    topology
}

#[test]
fn what_a_lagging_pipeline_processes_later_is_not_skipped_by_a_replay() {
    let world = World::of(two_inputs());
    let home = |world: &World, topic: &str| world.read(topic)[0].position.topic_partition();
    world.publish("orders", &[("ada", r#"{"amount":1}"#)], 0);
    world.publish("accounts", &[("ada", r#"{"amount":1}"#)], 0);
    let (orders, accounts) = (home(&world, "orders"), home(&world, "accounts"));
    // The pipeline took both orders in one commit, the second of them after the replay was asked for; then the account.
    record_orders(&world, &[(orders, 0, 2), (accounts, 0, 1)]);
    let replay = |expected: usize| {
        let runtime = world.start_on(std::sync::Arc::new(world.log.clone()), 1, Some(Vec::new()));
        world.replay_on(&runtime, &request("again", false)).unwrap();
        runtime.shutdown();
        assert_eq!(world.read("again").len(), expected, "{:?}", world.read("again"));
    };
    replay(0);
    world.publish("orders", &[("ada", r#"{"amount":2}"#)], 1);
    replay(3);
    let causes: Vec<String> = world
        .read("again")
        .iter()
        .map(|record| record.event.attributes.get("causationid").unwrap().to_owned())
        .collect();
    assert_eq!(causes, ["orders-0", "orders-1", "accounts-0"]);
}

#[test]
fn a_replay_that_is_asked_for_twice_at_once_runs_once() {
    let world = World::new(OnError::DeadLetter);
    publish_orders(&world, 0..300);
    world.run(2);
    let runtime = world.start(2);
    world.block_on(async {
        let first = runtime.replay(&request("again", false)).await.unwrap();
        let second = runtime.replay(&request("again", false)).await.unwrap();
        let (first, second) = (first.finished().await, second.finished().await);
        assert_eq!(first.stopped, None);
        assert_eq!(first.counts, second.counts, "both watch the same replay");
    });
    runtime.shutdown();
    assert_eq!(world.by_key("again"), world.by_key("scored"));
}

#[track_caller]
fn check_refused(world: &World, request: &ReplayRequest) {
    let runtime = world.start(1);
    let refused = world.replay_on(&runtime, request);
    runtime.shutdown();
    assert!(matches!(refused, Err(ReplayError::TopicHolds { .. })), "{request:?}: {refused:?}");
}

#[test]
fn a_replay_goes_on_only_as_it_began() {
    let world = World::new(OnError::DeadLetter);
    publish_orders(&world, 0..10);
    world.run(1);
    world.replay("again", 1, false);
    check_refused(&world, &request("again", true));
    let later = Time::parse("2026-01-01T00:00:00Z").unwrap();
    check_refused(&world, &ReplayRequest { from: Some(later), ..request("again", false) });
    assert_eq!(world.by_key("again"), world.by_key("scored"), "a refused replay writes nothing");
    publish_orders(&world, 10..20);
    world.run(1);
    world.replay("again", 1, false);
    assert_eq!(world.by_key("again"), world.by_key("scored"));
}

#[test]
fn a_replay_does_not_write_behind_records_of_others() {
    let world = World::new(OnError::DeadLetter);
    publish_orders(&world, 0..10);
    world.run(1);
    let name = TopicName::new("kept").unwrap();
    let spec =
        riverrun_log::TopicSpec { name: name.clone(), partitions: world::PARTITIONS, retention: Default::default() };
    world.block_on(world.log.ensure(&[spec])).unwrap();
    let event = riverrun_event::Event::new("1", "/else", "kept");
    let record = NewRecord { topic: name, partition: Partition(0), event };
    world.block_on(world.log.append(riverrun_log::AppendBatch { records: vec![record] })).unwrap();
    check_refused(&world, &request("kept", false));
    assert_eq!(world.read("kept").len(), 1);
}

#[test]
fn two_pipelines_do_not_replay_into_one_topic() {
    let mut topology = topology(OnError::DeadLetter);
    let mut other = topology.pipelines.values().next().unwrap().clone();
    other.name = PipelineName::new("other").unwrap();
    topology.pipelines.insert(other.name.clone(), other);
    let world = World::of(topology);
    publish_orders(&world, 0..10);
    world.run(1);
    world.replay("again", 1, false);
    check_refused(&world, &ReplayRequest { pipeline: PipelineName::new("other").unwrap(), ..request("again", false) });
}
