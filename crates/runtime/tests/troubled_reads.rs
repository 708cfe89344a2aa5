//! What happens when a topic reads slowly, is damaged, or brings a worker down.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Offset, Position, Record, Time, TopicName, TopicPartition};
use riverrun_log::*;
use riverrun_runtime::PipelineState;
use riverrun_topology::OnError;
use world::{World, request};

/// What is wrong with the topic.
#[derive(Clone, Copy)]
enum Trouble {
    Slow,
    Damaged,
    Panics,
}

/// The log with trouble in one topic.
struct Troubled {
    log: MemoryLog,
    topic: &'static str,
    trouble: Trouble,
}

impl Topics for Troubled {
    fn ensure<'a>(&'a self, topics: &'a [TopicSpec]) -> Answer<'a, Result<(), EnsureError>> {
        self.log.ensure(topics)
    }

    fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        self.log.describe(topic)
    }

    fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        self.log.offset_at(partition, time)
    }
}

impl Observe for Troubled {
    fn moved(&self) -> tokio::sync::watch::Receiver<u64> {
        self.log.moved()
    }

    fn orders(&self, group: &GroupName, task: TaskId, from: u64, limit: usize) -> Result<Vec<(u64, Order)>, ReadError> {
        self.log.orders(group, task, from, limit)
    }

    fn health(&self) -> Health {
        self.log.health()
    }
}

impl Log for Troubled {
    fn append(&self, batch: AppendBatch) -> Answer<'static, Result<Vec<Logged>, AppendError>> {
        self.log.append(batch)
    }

    fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ReadError> {
        let read = self.log.read(from, bytes_max)?;
        if from.topic.as_str() != self.topic || read.is_empty() {
            return Ok(read);
        }
        match self.trouble {
            Trouble::Slow => {
                std::thread::sleep(Duration::from_millis(300));
                Ok(read)
            }
            Trouble::Damaged => Err(ReadError::Damaged { position: from.clone(), detail: "for a test".to_owned() }),
            Trouble::Panics => panic!("for a test"),
        }
    }

    fn join(&self, membership: Membership) -> Result<Box<dyn Member>, JoinError> {
        self.log.join(membership)
    }
}

fn world() -> World {
    let world = World::new(OnError::DeadLetter);
    world.publish("accounts", &[("ada", r#"{"tier":1}"#)], 0);
    world.publish("orders", &[("ada", r#"{"amount":1}"#)], 1);
    world
}

fn troubled(world: &World, topic: &'static str, trouble: Trouble) -> Arc<dyn Log> {
    Arc::new(Troubled { log: world.log.clone(), topic, trouble })
}

#[test]
fn a_recomputation_waits_for_its_models() {
    let world = world();
    world.run(1);
    world.publish("accounts", &[("ada", r#"{"tier":"late"}"#)], 1);
    let log = troubled(&world, "accounts", Trouble::Slow);
    // No pipeline runs, so the models start with the replay.
    let runtime = world.start_on(log, 1, Some(Vec::new()));
    world.replay_on(&runtime, &request("again", true)).unwrap();
    runtime.shutdown();
    let event = &world.by_key("again")["ada"][0];
    let data = std::str::from_utf8(event.data.as_deref().unwrap()).unwrap().to_owned();
    assert!(data.contains("late"), "{data}");
}

#[track_caller]
fn check_stops(topic: &'static str, trouble: Trouble, reason: &str) {
    let world = world();
    let runtime = world.start_on(troubled(&world, topic, trouble), 1, None);
    let stopped = world.block_on(async { tokio::time::timeout(Duration::from_secs(5), runtime.stopped()).await });
    let (pipeline, said) = stopped.unwrap();
    assert_eq!(pipeline.as_str(), "scored");
    assert!(said.contains(reason), "{said}");
    assert!(matches!(runtime.pipelines().unwrap()[0].state, PipelineState::Stopped { .. }));
    runtime.shutdown();
    assert!(world.read("scored").is_empty());
}

#[test]
fn a_worker_that_panics_stops_its_pipeline() {
    check_stops("orders", Trouble::Panics, "panicked");
}

#[test]
fn a_model_that_stops_or_panics_stops_the_pipelines_that_look_it_up() {
    check_stops("accounts", Trouble::Damaged, "model account stopped: the log is damaged at accounts/");
    check_stops("accounts", Trouble::Panics, "model account stopped");
}
