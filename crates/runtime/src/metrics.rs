//! What the runtime measures, for `/metrics`. Counters move only after the commit that made them true.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The label of everything that belongs to a pipeline, a model (`model:<name>`) or a replay.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PipelineLabel {
    /// Its name.
    pub pipeline: String,
}

/// Handles of the runtime's metrics; cloning shares them.
#[derive(Clone, Debug)]
pub struct Metrics {
    received: Family<PipelineLabel, Counter>,
    emitted: Family<PipelineLabel, Counter>,
    dropped: Family<PipelineLabel, Counter>,
    peeked: Family<PipelineLabel, Counter>,
    skipped: Family<PipelineLabel, Counter>,
    dead_letters: Family<PipelineLabel, Counter>,
    late: Family<PipelineLabel, Counter>,
    parked: Family<PipelineLabel, Gauge>,
    restarts: Family<PipelineLabel, Counter>,
    commit_seconds: Histogram,
    commits_failed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            received: Family::default(),
            emitted: Family::default(),
            dropped: Family::default(),
            peeked: Family::default(),
            skipped: Family::default(),
            dead_letters: Family::default(),
            late: Family::default(),
            parked: Family::default(),
            restarts: Family::default(),
            // 0.25 ms to 8 s: from a fast NVMe sync to a disk in trouble.
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            commits_failed: Counter::default(),
        }
    }
}

/// What one commit did, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events read.
    pub received: u64,
    /// Events written to the output.
    pub emitted: u64,
    /// Events that gave no output and no error.
    pub dropped: u64,
    /// Values that `peek` steps saw.
    pub peeked: u64,
    /// Events that failed and were skipped.
    pub skipped: u64,
    /// Events that failed and were set aside.
    pub dead_letters: u64,
    /// How many times an event came too late for a step.
    pub late: u64,
}

impl Counts {
    /// Adds another commit's counts.
    pub fn add(&mut self, other: Self) {
        self.received += other.received;
        self.emitted += other.emitted;
        self.dropped += other.dropped;
        self.peeked += other.peeked;
        self.skipped += other.skipped;
        self.dead_letters += other.dead_letters;
        self.late += other.late;
    }
}

impl Metrics {
    /// Registers everything under `riverrun_`.
    pub fn register(&self, registry: &mut Registry) {
        let families = [
            ("pipeline_received", "Events a pipeline has processed", &self.received),
            ("pipeline_emitted", "Events a pipeline has written", &self.emitted),
            ("pipeline_dropped", "Events that gave no output", &self.dropped),
            ("pipeline_peeked", "Values that peek steps saw", &self.peeked),
            ("pipeline_skipped", "Events that failed and were skipped", &self.skipped),
            ("dead_letters", "Events that failed and were set aside", &self.dead_letters),
            ("pipeline_late", "Events that came too late for a step", &self.late),
            ("pipeline_restarts", "Times a worker went back to its last commit", &self.restarts),
        ];
        for (name, help, family) in families {
            registry.register(format!("riverrun_{name}"), help, family.clone());
        }
        registry.register("riverrun_parked", "Keys that wait behind a failed event", self.parked.clone());
        registry.register_with_unit(
            "riverrun_commit",
            "From handing a commit over to its durable answer",
            Unit::Seconds,
            self.commit_seconds.clone(),
        );
        registry.register(
            "riverrun_commits_failed",
            "Commits that failed or whose outcome is unknown",
            self.commits_failed.clone(),
        );
    }

    /// Makes a pipeline's rows appear from the start, with zeros.
    pub fn introduce(&self, pipeline: &str) {
        self.count(pipeline, Counts::default());
        self.parked.get_or_create(&label(pipeline)).set(0);
    }

    /// Adds what a commit did.
    pub fn count(&self, pipeline: &str, counts: Counts) {
        let label = label(pipeline);
        self.received.get_or_create(&label).inc_by(counts.received);
        self.emitted.get_or_create(&label).inc_by(counts.emitted);
        self.dropped.get_or_create(&label).inc_by(counts.dropped);
        self.peeked.get_or_create(&label).inc_by(counts.peeked);
        self.skipped.get_or_create(&label).inc_by(counts.skipped);
        self.dead_letters.get_or_create(&label).inc_by(counts.dead_letters);
        self.late.get_or_create(&label).inc_by(counts.late);
    }

    /// A worker of this pipeline went back to its last commit.
    pub fn restarted(&self, pipeline: &str) {
        self.restarts.get_or_create(&label(pipeline)).inc();
    }

    /// A commit was answered.
    pub fn observe_commit(&self, took: Duration, succeeded: bool) {
        self.commit_seconds.observe(took.as_secs_f64());
        if !succeeded {
            self.commits_failed.inc();
        }
    }
}

fn label(pipeline: &str) -> PipelineLabel {
    PipelineLabel { pipeline: pipeline.to_owned() }
}
