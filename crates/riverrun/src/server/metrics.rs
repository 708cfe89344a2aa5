//! `GET /metrics`: everything the parts measure, and the lag of every task as of the question.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use riverrun_ingest::consumers::ConsumerReport;
use riverrun_runtime::Runtime;

use super::log::Opened;

/// The parts' metrics and the registry that prints them.
pub(super) struct Registered {
    pub(super) runtime: riverrun_runtime::Metrics,
    pub(super) doors: riverrun_ingest::Metrics,
    pub(super) relay: riverrun_outbox_relay::Metrics,
    registry: Registry,
    lag_events: Family<TaskLabels, Gauge>,
    lag_seconds: Family<TaskLabels, Gauge<f64, std::sync::atomic::AtomicU64>>,
    door_waiting: Family<DoorLabels, Gauge>,
    consumer_lag: Family<ConsumerLabels, Gauge>,
    consumer_committed: Family<ConsumerLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TaskLabels {
    pipeline: String,
    task: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DoorLabels {
    topic: String,
    partition: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConsumerLabels {
    consumer: String,
    topic: String,
    partition: u32,
}

impl Registered {
    pub(super) fn new(log: &Opened, has_outbox: bool) -> Self {
        let mut registered = Self {
            runtime: riverrun_runtime::Metrics::default(),
            doors: riverrun_ingest::Metrics::default(),
            relay: riverrun_outbox_relay::Metrics::default(),
            registry: Registry::default(),
            lag_events: Family::default(),
            lag_seconds: Family::default(),
            door_waiting: Family::default(),
            consumer_lag: Family::default(),
            consumer_committed: Family::default(),
        };
        let registry = &mut registered.registry;
        registered.runtime.register(registry);
        registered.doors.register(registry);
        if has_outbox {
            registered.relay.register(registry);
        }
        log.register(registry);
        registry.register(
            "riverrun_task_lag_events",
            "Records a task has not processed yet",
            registered.lag_events.clone(),
        );
        registry.register(
            "riverrun_task_lag_seconds",
            "How long ago the last record a task processed was accepted, while others wait",
            registered.lag_seconds.clone(),
        );
        registry.register(
            "riverrun_door_waiting",
            "Events that doors have stored and that are not in their topic yet",
            registered.door_waiting.clone(),
        );
        registry.register(
            "riverrun_consumer_lag",
            "Events a consumer has not committed yet",
            registered.consumer_lag.clone(),
        );
        registry.register(
            "riverrun_consumer_committed",
            "The offset of the next event a consumer has to read",
            registered.consumer_committed.clone(),
        );
        registered
    }

    /// The page, in the OpenMetrics text format.
    pub(super) fn page(&self, runtime: &Runtime, consumers: &[ConsumerReport]) -> String {
        self.measure(consumers);
        for pipeline in runtime.pipelines().unwrap_or_default() {
            for task in pipeline.tasks {
                let labels = TaskLabels { pipeline: pipeline.name.to_string(), task: task.task.0 };
                let lag = i64::try_from(task.lag_events).unwrap_or(i64::MAX);
                self.lag_events.get_or_create(&labels).set(lag);
                self.lag_seconds.get_or_create(&labels).set(task.lag_seconds);
            }
        }
        for door in runtime.doors().unwrap_or_default() {
            for (partition, waiting) in (0..).zip(door.waiting) {
                let labels = DoorLabels { topic: door.topic.to_string(), partition };
                self.door_waiting.get_or_create(&labels).set(i64::try_from(waiting).unwrap_or(i64::MAX));
            }
        }
        let mut page = String::new();
        // Writing into a string cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut page, &self.registry);
        page
    }

    /// Consumers may be removed: only those that are there are shown.
    fn measure(&self, consumers: &[ConsumerReport]) {
        self.consumer_lag.clear();
        self.consumer_committed.clear();
        for consumer in consumers {
            for held in &consumer.partitions {
                let (name, place) = (consumer.name.to_string(), &held.partition);
                let (topic, partition) = (place.topic.to_string(), place.partition.0);
                let labels = ConsumerLabels { consumer: name, topic, partition };
                self.consumer_lag.get_or_create(&labels).set(i64::try_from(held.lag()).unwrap_or(i64::MAX));
                let committed = i64::try_from(held.committed.0).unwrap_or(i64::MAX);
                self.consumer_committed.get_or_create(&labels).set(committed);
            }
        }
    }
}
