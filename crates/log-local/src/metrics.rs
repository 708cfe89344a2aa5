//! What the log counts and measures.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// Handles of the log's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// From taking work to answering it.
    pub(crate) commit_seconds: Histogram,
    /// Writing and syncing one batch.
    pub(crate) sync_seconds: Histogram,
    /// Bytes of work in one cycle of the committer.
    pub(crate) cycle_bytes: Histogram,
    pub(crate) records: Counter,
    pub(crate) stored_bytes: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) overloaded: Counter,
    pub(crate) fenced: Counter,
    pub(crate) reads: Counter,
    pub(crate) tail_reads: Counter,
    pub(crate) retired_batches: Counter,
    pub(crate) compacted_records: Counter,
    pub(crate) door_queue_bytes: Gauge,
    pub(crate) disk_bytes: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        // 0.1 ms to 3.3 s: from a fast disk's sync to a stall that alarms.
        let seconds = || Histogram::new(exponential_buckets(0.0001, 2.0, 16));
        Self {
            commit_seconds: seconds(),
            sync_seconds: seconds(),
            // 256 bytes to 4 MiB, the most a cycle takes.
            cycle_bytes: Histogram::new(exponential_buckets(256.0, 4.0, 8)),
            records: Counter::default(),
            stored_bytes: Counter::default(),
            duplicates: Counter::default(),
            conflicts: Counter::default(),
            overloaded: Counter::default(),
            fenced: Counter::default(),
            reads: Counter::default(),
            tail_reads: Counter::default(),
            retired_batches: Counter::default(),
            compacted_records: Counter::default(),
            door_queue_bytes: Gauge::default(),
            disk_bytes: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Makes them visible in `registry`, prefixed `riverrun_log_`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("riverrun_log");
        let (seconds, bytes) = (|| Unit::Seconds, || Unit::Bytes);
        registry.register_with_unit(
            "commit",
            "From taking work to answering it",
            seconds(),
            self.commit_seconds.clone(),
        );
        registry.register_with_unit("sync", "Writing and syncing one batch", seconds(), self.sync_seconds.clone());
        registry.register_with_unit("cycle", "Work in one commit cycle", bytes(), self.cycle_bytes.clone());
        registry.register("records", "Records stored", self.records.clone());
        registry.register_with_unit("stored", "Bytes of record batches stored", bytes(), self.stored_bytes.clone());
        registry.register("duplicates", "Events not stored again", self.duplicates.clone());
        registry.register("conflicts", "Batches refused for an id with other content", self.conflicts.clone());
        registry.register("overloaded", "Batches refused for want of room in the queue", self.overloaded.clone());
        registry.register("fenced", "Commits refused from tasks that were taken over", self.fenced.clone());
        registry.register("reads", "Reads of records", self.reads.clone());
        registry.register("tail_reads", "Reads of records that memory answered", self.tail_reads.clone());
        registry.register("retired_batches", "Batches removed by retention", self.retired_batches.clone());
        registry.register("compacted_records", "Records removed by compaction", self.compacted_records.clone());
        registry.register_with_unit("door_queue", "Waiting to be appended", bytes(), self.door_queue_bytes.clone());
        registry.register_with_unit("disk", "Taken on disk, journal included", bytes(), self.disk_bytes.clone());
    }
}
