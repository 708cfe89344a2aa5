//! What a relay measures.

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use riverrun_event::TopicName;

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicLabels(pub TopicName);

impl EncodeLabelSet for TopicLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("topic", self.0.as_str())].encode(encoder)
    }
}

/// Handles of a relay's metrics; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Rows that are in the log.
    pub published: Family<TopicLabels, Counter>,
    /// Of these, how many the log had already.
    pub duplicates: Counter,
    /// Attempts at a row that failed.
    pub failed: Counter,
    /// Rows marked not to be processed any more.
    pub marked: Counter,
    /// Seconds from storing a row until it is durable in the log.
    pub seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            published: Family::default(),
            duplicates: Counter::default(),
            failed: Counter::default(),
            marked: Counter::default(),
            // 1 ms to 9 hours in 25 doublings: from a row that is read at once to one that waited for somebody.
            seconds: Histogram::new(exponential_buckets(0.001, 2.0, 25)),
        }
    }
}

impl Metrics {
    /// Makes the numbers visible in `registry`, under `riverrun_outbox_`.
    pub fn register(&self, registry: &mut Registry) {
        let Self { published, duplicates, failed, marked, seconds } = self.clone();
        registry.register("riverrun_outbox_published", "Rows of the outbox that are in the log", published);
        registry.register("riverrun_outbox_duplicate", "Rows of the outbox that the log had already", duplicates);
        registry.register("riverrun_outbox_failed", "Attempts at a row of the outbox that failed", failed);
        registry.register("riverrun_outbox_marked", "Rows of the outbox that are not processed any more", marked);
        let help = "Time from storing a row in the outbox until it is durable in the log";
        registry.register_with_unit("riverrun_outbox_row", help, Unit::Seconds, seconds);
    }
}
