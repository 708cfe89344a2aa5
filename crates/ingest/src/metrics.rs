//! What the doors measure.
//!
//! Label values come from closed sets (routes, statuses, codes, declared topics), so no sender can make the number of series
//! grow.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use riverrun_event::TopicName;

/// A route and the status it answered with.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Method and path template.
    pub route: String,
    /// HTTP status.
    pub status: u16,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    /// Method and path template.
    pub route: String,
}

/// An error code.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CodeLabels {
    /// For example `RR0142`.
    pub code: &'static str,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TopicLabels {
    /// Its name; shared, so a label costs no copy.
    pub topic: TopicName,
}

impl EncodeLabelSet for TopicLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("topic", self.topic.as_str())].encode(encoder)
    }
}

/// Makes the latency histograms: 0.1 ms to about 6.5 s in 17 doublings, from a cached duplicate to a stalled disk.
#[derive(Clone, Copy, Debug)]
pub struct LatencyBuckets;

impl MetricConstructor<Histogram> for LatencyBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.000_1, 2.0, 17))
    }
}

/// Handles of the doors' metrics; clones share the numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Requests answered.
    pub requests: Family<RequestLabels, Counter>,
    /// Seconds until an answer began.
    pub request_seconds: Family<RouteLabels, Histogram, LatencyBuckets>,
    /// Requests refused.
    pub refused: Family<CodeLabels, Counter>,
    /// Body bytes received, as sent.
    pub bytes_in: Counter,
    /// Events stored.
    pub events_in: Family<TopicLabels, Counter>,
    /// Events that were stored before.
    pub duplicates: Family<TopicLabels, Counter>,
    /// Batches refused because an id was used for other content.
    pub conflicts: Counter,
    /// Events given to readers.
    pub events_out: Family<TopicLabels, Counter>,
    /// Readers connected.
    pub readers: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(LatencyBuckets),
            refused: Family::default(),
            bytes_in: Counter::default(),
            events_in: Family::default(),
            duplicates: Family::default(),
            conflicts: Counter::default(),
            events_out: Family::default(),
            readers: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Makes the numbers visible in `registry`, under `riverrun_`.
    pub fn register(&self, registry: &mut Registry) {
        let Self {
            requests,
            request_seconds,
            refused,
            bytes_in,
            events_in,
            duplicates,
            conflicts,
            events_out,
            readers,
        } = self.clone();
        registry.register("riverrun_http_requests", "Requests answered, by route and status", requests);
        let help = "Time until the answer to a request began";
        registry.register_with_unit("riverrun_http_request", help, Unit::Seconds, request_seconds);
        registry.register("riverrun_http_refused", "Requests refused, by error code", refused);
        registry.register_with_unit("riverrun_http_in", "Bytes of request bodies as sent", Unit::Bytes, bytes_in);
        registry.register("riverrun_events_in", "Events stored by the doors", events_in);
        registry.register("riverrun_events_duplicate", "Events received again and not stored again", duplicates);
        registry.register("riverrun_conflicts", "Batches refused: an id was used for other content", conflicts);
        registry.register("riverrun_events_out", "Events given to readers over HTTP", events_out);
        registry.register("riverrun_http_readers", "Readers connected", readers);
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: String, status: u16, code: Option<&'static str>, took: Duration) {
        self.request_seconds.get_or_create(&RouteLabels { route: route.clone() }).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
        if let Some(code) = code {
            self.refused.get_or_create(&CodeLabels { code }).inc();
        }
    }
}
