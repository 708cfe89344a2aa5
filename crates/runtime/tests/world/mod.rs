//! A small world for the runtime's tests: an app with orders and accounts on the in-memory log.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::partitioner::partition_of;
use riverrun_event::*;
use riverrun_log::memory::MemoryLog;
use riverrun_log::{AppendBatch, Log, NewRecord, Topics};
use riverrun_runtime::{Metrics, ReplayError, ReplayProgress, ReplayRequest, Runtime, RuntimeOptions, WallClock};
use riverrun_topology::operators::{filter::Filter, snapshot::Snapshot, snapshot::SnapshotModel};
use riverrun_topology::*;

pub const PARTITIONS: u32 = 4;

/// Counts the orders of each account: doubled or lost state shows in its output.
pub struct Count;

impl Transformer for Count {
    fn is_keyed(&self) -> bool {
        true
    }

    fn transform(
        &self,
        input: &Event,
        state: &mut TransformerState<'_>,
        outputs: &mut Vec<Event>,
    ) -> Result<(), TransformError> {
        let data = std::str::from_utf8(input.data.as_deref().unwrap()).unwrap().to_owned();
        assert!(!data.contains("\"panic\""), "the order asks for a panic");
        let seen: u64 = state.get().map_or(0, |bytes| std::str::from_utf8(bytes).unwrap().parse().unwrap());
        state.put(Some((seen + 1).to_string().into()));
        if data.contains("\"refuse\"") {
            return Err(TransformError::Event("the order asks to be refused".to_owned()));
        }
        let counted = format!("{},\"seen\":{}}}", data.strip_suffix('}').unwrap(), seen + 1);
        outputs.push(Event { data: Some(counted.into()), ..input.clone() });
        Ok(())
    }
}

fn topic(name: &str) -> Topic {
    Topic { partitions: PARTITIONS, ..Topic::new(TopicName::new(name).unwrap()) }
}

fn step(name: &str, operator: Operator) -> Step {
    Step { name: OperatorName::new(name).unwrap(), operator }
}

pub fn snapshot(model: &str, key: &str) -> SnapshotModel {
    let place = riverrun_topology::document::Path::parse(&format!("data.{model}")).unwrap();
    SnapshotModel { model: ModelName::new(model).unwrap(), key: Expression::parse(key).unwrap(), place }
}

/// orders -> (drop amount 0) -> snapshot account (broadcast) and last (the account's own last order) -> count -> scored
pub fn topology(on_error: OnError) -> Topology {
    let mut topology = Topology::new(AppName::new("shop").unwrap());
    for declared in ["orders", "accounts", "scored"].map(topic) {
        topology.topics.insert(declared.name.clone(), declared);
    }
    for (name, from) in [("account", "accounts"), ("last", "orders")] {
        let model = Model::new(ModelName::new(name).unwrap(), TopicName::new(from).unwrap());
        topology.models.insert(model.name.clone(), model);
    }
    let transformer: Arc<dyn Transformer> = Arc::new(Count);
    let steps = vec![
        step("filter-1", Operator::Filter(Filter { condition: Expression::parse("data.amount != 0").unwrap() })),
        step(
            "snapshot-1",
            Operator::Snapshot(Snapshot { models: vec![snapshot("account", "key"), snapshot("last", "key")] }),
        ),
        step(
            "count",
            Operator::Transform(Transform { transformer_name: "count".into(), transformer: Some(transformer) }),
        ),
    ];
    let name = PipelineName::new("scored").unwrap();
    let (from, to) = (vec![TopicName::new("orders").unwrap()], TopicName::new("scored").unwrap());
    topology.pipelines.insert(
        name.clone(),
        Pipeline { name, from, steps, to: Some(Sink::Topic(to)), on_error, auto_repartition: false },
    );
    topology
}

/// A replay of the pipeline from its beginning.
pub fn request(to: &str, recompute: bool) -> ReplayRequest {
    let pipeline = PipelineName::new("scored").unwrap();
    ReplayRequest { pipeline, to: TopicName::new(to).unwrap(), from: None, recompute, ask: false }
}

pub struct World {
    pub log: MemoryLog,
    pub topology: Arc<Topology>,
    executor: tokio::runtime::Runtime,
}

impl World {
    pub fn new(on_error: OnError) -> Self {
        Self::of(topology(on_error))
    }

    pub fn of(topology: Topology) -> Self {
        let start = Time::parse("2026-01-01T00:00:00Z").unwrap();
        let log = MemoryLog::stepping(start, Duration::from_millis(1));
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = Self { log, topology: Arc::new(topology), executor };
        world.executor.block_on(world.log.ensure(&riverrun_runtime::runtime::topic_specs(&world.topology))).unwrap();
        world
    }

    /// Publishes `(key, JSON)` pairs, numbered for their ids.
    pub fn publish(&self, topic: &str, events: &[(&str, &str)], first: usize) {
        self.publish_to(topic, PARTITIONS, events, first);
    }

    /// The same for a topic with another number of partitions.
    pub fn publish_to(&self, topic: &str, partitions: u32, events: &[(&str, &str)], first: usize) {
        for (number, (key, data)) in (first..).zip(events) {
            let mut event = Event::new(format!("{topic}-{number}"), "/test", "test");
            event.key = (!key.is_empty()).then(|| Key::new(key.as_bytes().to_vec()).unwrap());
            event.data = (!data.is_empty()).then(|| data.as_bytes().to_vec().into());
            event.time = Some(Time::parse("2025-01-01T00:00:00Z").unwrap().plus(Duration::from_secs(number as u64)));
            self.append(topic, partitions, event);
        }
    }

    pub fn publish_event(&self, topic: &str, event: Event) {
        self.append(topic, PARTITIONS, event);
    }

    fn append(&self, topic: &str, partitions: u32, event: Event) {
        let record =
            NewRecord { topic: TopicName::new(topic).unwrap(), partition: partition_of(&event, partitions), event };
        self.executor.block_on(self.log.append(AppendBatch { records: vec![record] })).unwrap();
    }

    pub fn start(&self, workers: usize) -> Runtime {
        self.start_on(Arc::new(self.log.clone()), workers, None)
    }

    /// Runs the pipelines named, all without names, on this view of the world's log.
    pub fn start_on(&self, log: Arc<dyn Log>, workers: usize, pipelines: Option<Vec<PipelineName>>) -> Runtime {
        let options = RuntimeOptions {
            workers,
            pipelines,
            metrics: Metrics::default(),
            clock: WallClock::System,
            drop_state: false,
            entrances: None,
        };
        self.executor.block_on(Runtime::start(Arc::clone(&self.topology), log, options)).unwrap()
    }

    /// Runs until nothing is left to do or the pipeline has stopped.
    pub fn settle(&self, runtime: &Runtime) {
        for _ in 0..20_000 {
            let pipelines = runtime.pipelines().unwrap();
            let models = runtime.models().unwrap();
            let done = |pipeline: &riverrun_runtime::PipelineStatus| {
                pipeline.is_idle() || pipeline.state != riverrun_runtime::PipelineState::Running
            };
            if pipelines.iter().all(done) && models.iter().all(|model| model.next == model.end) {
                return;
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        panic!("not settled: {:?}", runtime.pipelines());
    }

    pub fn run(&self, workers: usize) {
        let runtime = self.start(workers);
        self.settle(&runtime);
        runtime.shutdown();
    }

    pub fn replay(&self, to: &str, workers: usize, recompute: bool) {
        let runtime = self.start(workers);
        self.replay_on(&runtime, &request(to, recompute)).unwrap();
        runtime.shutdown();
    }

    /// Replays to the end.
    pub fn replay_on(&self, runtime: &Runtime, request: &ReplayRequest) -> Result<ReplayProgress, ReplayError> {
        let progress =
            self.block_on(async { Ok::<_, ReplayError>(runtime.replay(request).await?.finished().await) })?;
        assert_eq!(progress.stopped, None);
        Ok(progress)
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.executor.block_on(future)
    }

    pub fn read(&self, topic: &str) -> Vec<Record> {
        let topic = TopicName::internal(topic).unwrap();
        let partitions = self.log.describe(&topic).unwrap().spec.partitions;
        let mut records = Vec::new();
        for partition in (0..partitions).map(|partition| TopicPartition::new(topic.clone(), Partition(partition))) {
            let mut next = Offset(0);
            loop {
                let read = self.log.read(&partition.at(next), 1 << 20).unwrap();
                let Some(last) = read.last() else { break };
                next = last.position.offset.next();
                records.extend(read);
            }
        }
        records
    }

    /// The events of a topic per key, in order.
    pub fn by_key(&self, topic: &str) -> BTreeMap<String, Vec<Event>> {
        let mut events: BTreeMap<String, Vec<Event>> = BTreeMap::new();
        for record in self.read(topic) {
            let key = record.event.key.as_ref().map(ToString::to_string).unwrap_or_default();
            events.entry(key).or_default().push(record.event);
        }
        events
    }
}
