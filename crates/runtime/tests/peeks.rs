//! What `peek` steps show: once the event is committed, and never in a replay.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use std::fmt::{Debug, Write};
use std::sync::Mutex;

use riverrun_event::PipelineName;
use riverrun_runtime::ReplayRequest;
use riverrun_topology::Topology;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use world::{PARTITIONS, World, request};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps what `riverrun::peek` is told.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "riverrun::peek"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        LINES.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

fn lines() -> Vec<String> {
    std::mem::take(&mut *LINES.lock().unwrap())
}

#[test]
fn peeks_are_logged_after_the_commit_and_bounded() {
    tracing::subscriber::set_global_default(Listener).unwrap();
    let topology = Topology::builder("shop")
        .topic("orders", |topic| topic.partitions(PARTITIONS))
        .pipeline("scored", |pipeline| pipeline.from("orders").peek("'amount ' + string(data.amount)").to("out"))
        .build()
        .unwrap();
    let world = World::of(topology);
    world.publish("orders", &[("ada", r#"{"amount":3}"#)], 0);
    world.run(1);
    let position = world.read("orders")[0].position.to_string();
    let line = format!("message=peek pipeline=\"scored\" step=peek-1 position={position} value=amount 3 ");
    assert_eq!(lines(), [line]);

    world.replay("again", 1, false);
    assert_eq!(lines(), [] as [&str; 0], "the live run has shown it");
    assert_eq!(world.read("again").len(), 1);

    let many: Vec<(&str, &str)> = vec![("ada", r#"{"amount":1}"#); 500];
    world.publish("orders", &many, 1);
    let runtime = world.start(1);
    world.settle(&runtime);
    let status = runtime.pipelines().unwrap();
    assert_eq!(status[0].counts.peeked, 500);
    let replay = ReplayRequest { pipeline: PipelineName::new("scored").unwrap(), ..request("more", false) };
    world.replay_on(&runtime, &replay).unwrap();
    runtime.shutdown();
    let shown = lines();
    let peeks = shown.iter().filter(|line| line.starts_with("message=peek ")).count();
    // How many seconds the 500 took is not known, but not nearly 25.
    assert!((20..250).contains(&peeks), "{peeks} lines");
    assert!(shown.iter().any(|line| line.contains("only counted")), "{shown:?}");
}
