//! Every keyed step gives the same bytes however it is run: straight, with a commit and a restart after every record, and in a
//! simulation with crashes, failed and doubtful commits, revocations, several workers and commits of any size. The same seed
//! gives the same run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod scenarios;
mod world;

use riverrun_log::Faults;
use riverrun_log::random::Random;

use scenarios::{SCENARIOS, Scenario};
use world::{Outcome, World};

/// Simulations of all scenarios together.
const SEEDS: u64 = 1_000;

#[test]
fn every_scenario_gives_the_same_bytes_on_kafka() {
    let Ok(brokers) = std::env::var("RIVERRUN_TEST_KAFKA") else {
        panic!("RIVERRUN_TEST_KAFKA names no broker; `cargo xtask test` starts one")
    };
    // The broker says when it accepted an event; what goes by that cannot be the same.
    let by_accept_time =
        |scenario: &&Scenario| ["every: 5s", "clock: accepted"].iter().any(|word| scenario.steps.contains(word));
    for (number, scenario) in SCENARIOS.iter().filter(|scenario| !by_accept_time(scenario)).enumerate() {
        let seed = 9_000 + number as u64;
        let expected = run(scenario, seed, &Way::Straight);
        let prefix = format!("same{}-{number}.", std::process::id());
        compare(scenario, seed, "on Kafka", &run_on_kafka(scenario, seed, &brokers, prefix), &expected);
    }
}

/// The same by two workers on Kafka, which are dropped half-way.
fn run_on_kafka(scenario: &Scenario, seed: u64, brokers: &str, prefix: String) -> Outcome {
    let (events, partitions, _) = given(scenario, seed);
    let mut world = World::on_kafka(scenario, partitions, brokers, prefix);
    world.start(2);
    for (number, event) in events.iter().enumerate() {
        world.publish(event);
        if number == events.len() / 2 {
            world.crash();
            world.start(2);
        }
        // Which of two inputs is read first depends on what waits in them.
        if scenario.topics.len() > 1 {
            world.settle();
        }
    }
    world.end();
    world.outcome()
}

/// How a scenario is run.
enum Way {
    /// Event by event, by one worker, without faults.
    Straight,
    /// The same, all work being dropped and started again after every event.
    Restarts,
    /// Everything at random.
    Simulated,
}

#[test]
fn every_scenario_gives_the_same_bytes_in_every_way() {
    for (number, scenario) in SCENARIOS.iter().enumerate() {
        check(scenario, number as u64);
    }
}

#[test]
fn a_thousand_simulations_give_the_same_bytes() {
    for seed in 0..SEEDS {
        let scenario = &SCENARIOS[usize::try_from(seed).unwrap() % SCENARIOS.len()];
        let expected = run(scenario, seed, &Way::Straight);
        compare(scenario, seed, "simulated", &run(scenario, seed, &Way::Simulated), &expected);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for (number, scenario) in SCENARIOS.iter().enumerate() {
        let seed = 5_000 + number as u64;
        let (one, other) = (run(scenario, seed, &Way::Simulated), run(scenario, seed, &Way::Simulated));
        compare(scenario, seed, "simulated again", &other, &one);
    }
}

/// Runs a scenario in every way and compares what came out.
#[track_caller]
fn check(scenario: &Scenario, seed: u64) {
    let expected = run(scenario, seed, &Way::Straight);
    assert!(!expected.topics["out"].is_empty(), "{}: nothing came out", scenario.name);
    compare(scenario, seed, "restarts", &run(scenario, seed, &Way::Restarts), &expected);
    for simulation in 0..3 {
        compare(scenario, seed, "simulated", &run(scenario, seed + (simulation << 32), &Way::Simulated), &expected);
    }
}

#[track_caller]
fn compare(scenario: &Scenario, seed: u64, way: &str, found: &Outcome, expected: &Outcome) {
    let name = scenario.name;
    for (topic, keys) in &expected.topics {
        for (key, expected) in keys {
            let found = found.topics[topic].get(key).cloned().unwrap_or_default();
            for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert_eq!(found, expected, "{name}, seed {seed}, {way}: {topic}, {key}, number {number}");
            }
            assert_eq!(found.len(), expected.len(), "{name}, seed {seed}, {way}: records of {topic}, {key}");
        }
        let keys_of = |topics: &Outcome| topics.topics[topic].keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys_of(found), keys_of(expected), "{name}, seed {seed}, {way}: keys of {topic}");
    }
    assert_eq!(found.views, expected.views, "{name}, seed {seed}, {way}: views");
}

/// What a scenario gives. The lower half of the seed chooses the events and partitions, the whole of it the rest.
fn run(scenario: &Scenario, seed: u64, way: &Way) -> Outcome {
    let (events, partitions, mut random) = given(scenario, seed);
    let mut world = World::new(scenario, partitions);
    match way {
        Way::Straight | Way::Restarts => {
            world.start(1);
            for event in &events {
                world.publish(event);
                world.settle();
                if matches!(way, Way::Restarts) {
                    world.crash();
                    world.start(1);
                }
            }
        }
        Way::Simulated => simulate(&mut world, scenario, &events, seed, &mut random),
    }
    world.end();
    world.outcome()
}

/// The events, how many partitions there are, and what decides the rest.
fn given(scenario: &Scenario, seed: u64) -> (Vec<scenarios::Given>, u32, Random) {
    let mut choice = Random::seeded(seed & 0xffff_ffff);
    let partitions = 1 + u32::try_from(choice.below(4)).unwrap();
    (scenario.events(&mut choice), partitions, Random::seeded(seed ^ 0x5eed))
}

fn simulate(world: &mut World, scenario: &Scenario, events: &[scenarios::Given], seed: u64, random: &mut Random) {
    world.declare(Faults {
        seed,
        offset_gaps_per_mille: 0,
        uncertain_commits_per_mille: 150,
        revocations_per_mille: 150,
    });
    let workers = |random: &mut Random| 1 + usize::try_from(random.below(4)).unwrap();
    world.start(workers(random));
    let mut rest = events;
    while !rest.is_empty() {
        // Which of two inputs is read first depends on what waits in them, so several events wait in one input only.
        let most = if scenario.topics.len() > 1 { 1 } else { rest.len() as u64 };
        let count = 1 + usize::try_from(random.below(most.min(20))).unwrap();
        let (batch, later) = rest.split_at(count);
        batch.iter().for_each(|event| world.publish(event));
        rest = later;
        if random.chance(200) {
            world.work(random.below(12));
            world.crash();
            world.start(workers(random));
        }
        // What waits when more comes in is read together with it.
        if scenario.topics.len() > 1 || random.chance(700) {
            world.settle();
        }
    }
    world.settle();
    world.declare(Faults::default());
}
