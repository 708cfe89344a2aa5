//! An app on this thread that can be dropped at any moment, on the in-memory log or on Kafka.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use riverrun::lookup::AskError;
use riverrun::{App, Clock, Error, Outputs, Transform, TransformerTimer};
use riverrun_event::partitioner::partition_of;
use riverrun_event::{Event, Key, Offset, Partition, Record, Time, TopicName, TopicPartition};
use riverrun_log::memory::MemoryLog;
use riverrun_log::{AppendBatch, Faults, Log, NewRecord};
use riverrun_log_kafka::{KafkaLog, Options};
use riverrun_runtime::views::{Keys, ViewQuery};
use riverrun_runtime::{Metrics, PipelineState, Runtime, RuntimeOptions, WallClock};
use riverrun_topology::Topology;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::LocalSet;

use super::scenarios::{Given, START, Scenario};

/// Everything that came out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Per topic, what it holds for each key, in order. Tasks that write events of other keys than they read may come in any order
    /// one after the other, so dead letters and events without key are told apart by their partitions.
    pub(crate) topics: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Per view, its rows.
    pub(crate) views: BTreeMap<String, Vec<String>>,
}

pub(crate) struct World {
    topology: Arc<Topology>,
    log: Arc<dyn Log>,
    /// The same, where it is the in-memory one.
    memory: Option<MemoryLog>,
    /// Where the log on Kafka keeps its copy of the state.
    _state: Option<TempDir>,
    clock: watch::Sender<Time>,
    executor: tokio::runtime::Runtime,
    running: Option<(Runtime, LocalSet)>,
    published: u64,
}

impl World {
    /// On the in-memory log.
    pub(crate) fn new(scenario: &Scenario, partitions: u32) -> Self {
        let clock = watch::Sender::new(Time::parse(START).unwrap());
        let accepts = clock.subscribe();
        let log = MemoryLog::with_clock(move || *accepts.borrow());
        let shared = Arc::new(log.clone());
        Self { memory: Some(log), ..Self::over(scenario, partitions, shared, clock) }
    }

    /// On Kafka; what is there begins with `prefix`.
    pub(crate) fn on_kafka(scenario: &Scenario, partitions: u32, brokers: &str, prefix: String) -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut options = Options::new(brokers, "one", state.path().join("state"));
        (options.prefix, options.replication) = (prefix, Some(1));
        (options.session, options.rebalance) = (Duration::from_secs(6), Duration::from_secs(6));
        let log = Arc::new(KafkaLog::connect(options).unwrap());
        let clock = watch::Sender::new(Time::parse(START).unwrap());
        Self { _state: Some(state), ..Self::over(scenario, partitions, log, clock) }
    }

    fn over(scenario: &Scenario, partitions: u32, log: Arc<dyn Log>, clock: watch::Sender<Time>) -> Self {
        let topics: String = scenario
            .topics
            .iter()
            .chain(&["out", "late"])
            .map(|topic| format!("  {topic}: {{ partitions: {partitions}, key: data.k }}\n"))
            .collect();
        let text = format!(
            "app: equivalence\ntopics:\n{topics}models: {{ {} }}\npipelines:\n  p:\n    from: {}\n    steps:\n{}\n    to: out\n",
            scenario.models, scenario.topics[0], scenario.steps
        );
        let app = App::parse(&text, "riverrun.yaml").unwrap_or_else(|error| panic!("{text}\n{error}"));
        let app = app.transform("quiet", Quiet).lookup("known", |asked: Bytes| async move {
            // Some questions take longer than those behind them, and some have no answer.
            for _ in 0..asked.last().copied().unwrap_or_default() % 4 {
                tokio::task::yield_now().await;
            }
            if asked.ends_with(b"7") {
                return Err(AskError::Refused("nobody knows".to_owned()));
            }
            Ok(Bytes::from(format!("{{\"asked\":{}}}", asked.len())))
        });
        let world = Self {
            topology: Arc::new(app.topology().clone()),
            log,
            memory: None,
            _state: None,
            clock,
            executor: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            running: None,
            published: 0,
        };
        world.executor.block_on(world.log.ensure(&riverrun_runtime::runtime::topic_specs(&world.topology))).unwrap();
        world
    }

    pub(crate) fn declare(&self, faults: Faults) {
        let _same = self.memory.clone().map(|log| log.with_faults(faults));
    }

    pub(crate) fn start(&mut self, workers: usize) {
        let options = RuntimeOptions {
            workers,
            pipelines: None,
            metrics: Metrics::default(),
            clock: WallClock::Manual(self.clock.subscribe()),
            drop_state: false,
            entrances: None,
        };
        let tasks = LocalSet::new();
        let starting = Runtime::start_local(Arc::clone(&self.topology), Arc::clone(&self.log), options);
        let runtime = tasks.block_on(&self.executor, starting).unwrap();
        self.running = Some((runtime, tasks));
    }

    /// All that was not committed is gone.
    pub(crate) fn crash(&mut self) {
        self.running = None;
    }

    /// A second passes, and an event comes in.
    pub(crate) fn publish(&mut self, given: &Given) {
        self.clock.send_modify(|now| *now = now.plus(Duration::from_secs(1)));
        let mut event = Event::new(format!("e{}", self.published), "/given", given.kind);
        event.key = given.key.as_ref().map(|key| Key::new(key.as_bytes().to_vec()).unwrap());
        event.time = Some(given.time);
        event.data = given.data.clone().map(Into::into);
        event.attributes.set("traceparent", format!("trace-{}", self.published));
        self.published += 1;
        let topic = TopicName::new(given.topic).unwrap();
        let partitions = self.topology.topics[&topic].partitions;
        let record = NewRecord { partition: partition_of(&event, partitions), topic, event };
        self.executor.block_on(self.log.append(AppendBatch { records: vec![record] })).unwrap();
    }

    /// Lets every worker go on so many times.
    pub(crate) fn work(&self, times: u64) {
        let Some((_, tasks)) = &self.running else { return };
        (0..times).for_each(|_| tasks.block_on(&self.executor, tokio::task::yield_now()));
    }

    /// Works until nothing is left to do.
    pub(crate) fn settle(&self) {
        let Some((runtime, _)) = &self.running else { return };
        for _ in 0..1_000_000 {
            let now = *self.clock.borrow();
            let pipelines = runtime.pipelines().unwrap();
            let stopped = pipelines.iter().find(|pipeline| pipeline.state != PipelineState::Running);
            assert!(stopped.is_none(), "{stopped:?}");
            let is_idle = pipelines.iter().all(|pipeline| pipeline.is_idle() && !pipeline.is_due(now));
            if is_idle && runtime.models().unwrap().iter().all(|model| model.next == model.end) {
                return;
            }
            self.work(1);
        }
        panic!("it never comes to an end");
    }

    /// A day passes without events, so that every timer of the wall clock is due.
    pub(crate) fn end(&mut self) {
        self.clock.send_modify(|now| *now = now.plus(Duration::from_secs(86_400)));
        self.settle();
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let names = ["out", "late", "_dead-letters.p"];
        let ordinals = self.ordinals();
        let topics = names.map(|name| (name.to_owned(), self.records(&TopicName::internal(name).unwrap(), &ordinals)));
        let (runtime, _) = self.running.as_ref().unwrap();
        let views = runtime.views().iter().map(|view| {
            let page = view.read(&ViewQuery::of(Keys::All, usize::MAX)).unwrap();
            let rows = page.entries.into_iter().map(|entry| with_ordinals(&format!("{:?}", entry.row), &ordinals));
            (view.name.to_string(), rows.collect())
        });
        Outcome { topics: topics.into(), views: views.collect() }
    }

    /// What a topic holds, key by key.
    fn records(&self, topic: &TopicName, ordinals: &HashMap<String, String>) -> BTreeMap<String, Vec<String>> {
        let mut records: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in self.partitions(topic).into_iter().flatten() {
            let key = record.event.key.as_ref().filter(|_| !topic.is_internal());
            let key = key.map_or_else(|| format!("partition {}", record.position.partition), ToString::to_string);
            let key = with_ordinals(&key, ordinals);
            records.entry(key).or_default().push(with_ordinals(&shown(&record.event), ordinals));
        }
        records
    }

    /// Which record of its partition is at a position: on Kafka, marks of transactions use up offsets.
    fn ordinals(&self) -> HashMap<String, String> {
        let mut ordinals = HashMap::new();
        for spec in riverrun_runtime::runtime::topic_specs(&self.topology) {
            for partition in self.partitions(&spec.name) {
                for (ordinal, record) in (0..).zip(partition) {
                    let numbered = record.position.topic_partition().at(Offset(ordinal));
                    let (found, numbered) = (record.position.to_string(), numbered.to_string());
                    // An entity is named after the event that it was first seen in.
                    let entity = |position: &str| format!("thing-{}", position.replace(['/', '@'], "."));
                    ordinals.insert(entity(&found), entity(&numbered));
                    ordinals.insert(found, numbered);
                }
            }
        }
        ordinals
    }

    /// All records of a topic.
    fn partitions(&self, topic: &TopicName) -> Vec<Vec<Record>> {
        let described = self.log.describe(topic).unwrap();
        let partition = |(number, offsets): (u32, std::ops::Range<Offset>)| {
            let partition = TopicPartition::new(topic.clone(), Partition(number));
            let (mut records, mut next) = (Vec::new(), offsets.start);
            while next < offsets.end {
                let read = self.log.read(&partition.at(next), usize::MAX).unwrap();
                let Some(last) = read.last() else { break };
                next = last.position.offset.next();
                records.extend(read);
            }
            records
        };
        (0..).zip(described.offsets).map(partition).collect()
    }
}

/// Says how many events a key had once it has been quiet for a while, by either clock.
struct Quiet;

#[derive(Default, Deserialize, Serialize)]
struct Seen {
    count: u64,
    due: Option<String>,
}

impl Transform for Quiet {
    type Input = serde_json::Value;
    type Output = u64;
    type State = Seen;

    fn transform(
        &self,
        event: riverrun::Event<serde_json::Value>,
        seen: &mut Seen,
        outputs: &mut Outputs<u64>,
    ) -> Result<(), Error> {
        if let Some(due) = seen.due.take() {
            outputs.cancel_timer(Clock::Event, Time::parse(&due)?);
        }
        let due = event.time().ok_or("no time")?.plus(Duration::from_secs(12));
        outputs.set_timer(Clock::Event, due);
        (seen.count, seen.due) = (seen.count + 1, Some(due.to_string()));
        Ok(())
    }

    fn timer(&self, _: &TransformerTimer, seen: &mut Seen, outputs: &mut Outputs<u64>) -> Result<(), Error> {
        outputs.emit(&seen.count);
        *seen = Seen::default();
        Ok(())
    }
}

/// The text with each position in it as that of a log without gaps.
fn with_ordinals(text: &str, ordinals: &HashMap<String, String>) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@');
    let mut numbered = String::with_capacity(text.len());
    for word in text.split_inclusive(|c| !is_part(c)) {
        let end = word.len() - word.chars().last().filter(|c| !is_part(*c)).map_or(0, char::len_utf8);
        let (word, rest) = word.split_at(end);
        // An id is a position with the step behind it.
        let position = word.match_indices('/').map(|(at, _)| &word[..at]).chain([word]);
        let known = position.filter_map(|position| Some((position, ordinals.get(position)?))).next_back();
        match known {
            Some((position, ordinal)) => numbered.extend([ordinal, &word[position.len()..]]),
            None => numbered.push_str(word),
        }
        numbered.push_str(rest);
    }
    numbered
}

/// Everything about an event, as text.
fn shown(event: &Event) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let attributes: Vec<String> = event.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "{} {} {} {} key {:?} {} [{}]",
        event.id,
        event.source,
        event.kind,
        event.time.map(|time| time.to_string()).unwrap_or_default(),
        event.key.as_ref().map(ToString::to_string),
        event.data.as_deref().map_or_else(|| "-".to_owned(), text),
        attributes.join(" ")
    )
}
