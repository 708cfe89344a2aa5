//! A step's name owns its state: what may change around it, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod world;

use std::sync::Arc;

use riverrun_log::memory::MemoryLog;
use riverrun_runtime::{Metrics, Runtime, RuntimeOptions, WallClock};
use riverrun_topology::Topology;
use riverrun_topology::builder::PipelineBuilder;
use world::{Count, World};

fn topology(declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>) -> Topology {
    let builder = Topology::builder("shop").topic("orders", |topic| topic.key("data.customer"));
    builder.pipeline("p", |pipeline| declare(pipeline.from("orders")).to("out")).build().unwrap()
}

fn start(world: &World, log: &MemoryLog, topology: Topology, drop_state: bool) -> Result<Runtime, String> {
    let options = RuntimeOptions {
        workers: 1,
        pipelines: None,
        metrics: Metrics::default(),
        clock: WallClock::System,
        drop_state,
        entrances: None,
    };
    let started = world.block_on(Runtime::start(Arc::new(topology), Arc::new(log.clone()), options));
    started.map_err(|error| error.to_string())
}

/// Counts an order, changes the pipeline, and gives the count after another order; or why it does not start.
fn after_change(
    change: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>,
    drop_state: bool,
) -> Result<String, String> {
    let world = World::of(topology(|pipeline| pipeline.filter("true").transform("count", Count)));
    world.publish("orders", &[("ada", "{\"n\":1}")], 0);
    world.run(1);
    let runtime = start(&world, &world.log, topology(change), drop_state)?;
    world.publish("orders", &[("ada", "{\"n\":2}")], 1);
    world.settle(&runtime);
    runtime.shutdown();
    let last = world.by_key("out").remove("ada").unwrap().pop().unwrap();
    Ok(String::from_utf8(last.data.unwrap().to_vec()).unwrap())
}

#[track_caller]
fn check_refused(change: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>, why: &str) {
    let refused = after_change(change, false).unwrap_err();
    assert!(refused.contains(&format!("\n  count of pipeline p: {why}\n")), "{refused}");
}

#[test]
fn steps_around_it_come_and_go() {
    let kept = Ok("{\"n\":2,\"seen\":2}".to_owned());
    assert_eq!(after_change(|pipeline| pipeline.transform("count", Count), false), kept);
    let more = after_change(
        |pipeline| pipeline.filter("true").transform("before", Count).filter("true").transform("count", Count),
        false,
    );
    assert_eq!(more, Ok("{\"n\":2,\"seen\":1,\"seen\":2}".to_owned()));
}

#[test]
fn state_without_its_step_is_refused_or_deleted() {
    check_refused(|pipeline| pipeline.filter("true"), "there is no such step any more");
    check_refused(|pipeline| pipeline.transform("counted", Count), "there is no such step any more");
    check_refused(
        |pipeline| pipeline.group_by("'ada'").transform("count", Count),
        "it stood before any repartition, and stands behind count.repartition now",
    );
    let anew = after_change(|pipeline| pipeline.transform("counted", Count), true);
    assert_eq!(anew, Ok("{\"n\":2,\"seen\":1}".to_owned()));
}

#[test]
fn deleted_state_does_not_come_back() {
    let world = World::of(topology(|pipeline| pipeline.transform("count", Count)));
    world.publish("orders", &[("ada", "{\"n\":1}")], 0);
    world.run(1);
    start(&world, &world.log, topology(|pipeline| pipeline.filter("true")), true).unwrap().shutdown();
    let runtime = start(&world, &world.log, topology(|pipeline| pipeline.transform("count", Count)), false).unwrap();
    world.publish("orders", &[("ada", "{\"n\":2}")], 1);
    world.settle(&runtime);
    runtime.shutdown();
    let last = world.by_key("out").remove("ada").unwrap().pop().unwrap();
    assert_eq!(last.data.as_deref(), Some(&b"{\"n\":2,\"seen\":1}"[..]));
}
