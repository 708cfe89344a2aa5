//! Restarts, faults of the log and replays change nothing: same outputs per key, byte for byte.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use riverrun_event::{Event, Key, Time};
use riverrun_log::memory::Faults;
use riverrun_topology::OnError;
use world::World;

/// A mixed stream of orders and account changes, the same for the same seed.
fn publish_mixed(world: &World, seed: u64, rounds: usize, settle: bool) {
    let runtime = settle.then(|| world.start(2));
    let mut number = usize::try_from(seed).unwrap() * 31;
    for round in 0..rounds {
        number = number.wrapping_mul(25_214_903_917).wrapping_add(11) % 1_000_003;
        let key = ["ada", "bob", "cleo", "dan", "eve"][number % 5];
        if number % 7 < 2 {
            world.publish("accounts", &[(key, &format!(r#"{{"tier":{round}}}"#))], round);
        } else {
            world.publish("orders", &[(key, &format!(r#"{{"amount":{}}}"#, number % 4))], round);
        }
        // Now and then everything is processed, so that frontiers differ from commit to commit.
        if let Some(runtime) = &runtime
            && number.is_multiple_of(11)
        {
            world.settle(runtime);
        }
    }
    if let Some(runtime) = runtime {
        world.settle(&runtime);
        runtime.shutdown();
    }
}

#[test]
fn a_replay_gives_the_same_bytes_for_any_number_of_workers() {
    let world = World::new(OnError::DeadLetter);
    publish_mixed(&world, 1, 400, true);
    // An update with an old time, after everything: only the recorded frontier keeps it out of the replay.
    let mut late = Event::new("late", "/test", "test");
    late.key = Some(Key::new("ada").unwrap());
    late.time = Some(Time::parse("2025-01-01T00:03:20Z").unwrap());
    late.data = Some(r#"{"tier":"late"}"#.into());
    world.publish_event("accounts", late);
    world.run(2);
    let first = world.by_key("scored");
    assert!(first.values().map(Vec::len).sum::<usize>() > 150);
    for (to, workers) in [("again-1", 1), ("again-2", 2), ("again-16", 16)] {
        world.replay(to, workers, false);
        assert_eq!(world.by_key(to), first, "{to}");
    }
    world.replay("recomputed", 2, true);
    let recomputed = world.by_key("recomputed");
    assert_ne!(recomputed, first, "recomputing takes the late update");
    assert_eq!(recomputed.len(), first.len());
}

#[test]
fn faults_of_the_log_neither_lose_nor_double_anything() {
    for seed in 0..12 {
        let calm = World::new(OnError::DeadLetter);
        publish_mixed(&calm, seed, 120, false);
        calm.run(1);
        let troubled = World::new(OnError::DeadLetter);
        publish_mixed(&troubled, seed, 120, false);
        let faults = Faults { offset_gaps_per_mille: 0, ..Faults::frequent(seed) };
        let _ = troubled.log.clone().with_faults(faults);
        troubled.run(3);
        let _ = troubled.log.clone().with_faults(Faults::default());
        assert_eq!(troubled.by_key("scored"), calm.by_key("scored"), "seed {seed}");
        troubled.replay("again", 2, false);
        assert_eq!(troubled.by_key("again"), troubled.by_key("scored"), "replay of seed {seed}");
    }
}

#[test]
fn restarts_between_events_change_nothing() {
    let (straight, restarted) = (World::new(OnError::DeadLetter), World::new(OnError::DeadLetter));
    for round in 0..12 {
        for world in [&straight, &restarted] {
            world.publish("orders", &[(["ada", "bob"][round % 2], r#"{"amount":1}"#)], round);
        }
        restarted.run(1 + round % 3);
    }
    straight.run(1);
    assert_eq!(restarted.by_key("scored"), straight.by_key("scored"));
}
