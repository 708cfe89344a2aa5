//! The scenarios: a pipeline around each keyed step, and the events it is given.

use std::time::Duration;

use riverrun_event::Time;
use riverrun_log::random::Random;

/// When the clock starts; event times lie around it.
pub(crate) const START: &str = "2026-01-01T00:00:00Z";

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// The topics events come to; the pipeline begins with the first.
    pub(crate) topics: &'static [&'static str],
    /// Entries of `models`.
    pub(crate) models: &'static str,
    /// The steps, indented as in a file.
    pub(crate) steps: &'static str,
}

/// An event that comes in.
pub(crate) struct Given {
    pub(crate) topic: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) time: Time,
    pub(crate) data: Option<String>,
}

const ONE: &[&str] = &["a"];
const TWO: &[&str] = &["a", "b"];

const fn one(name: &'static str, steps: &'static str) -> Scenario {
    Scenario { name, topics: ONE, models: "", steps }
}

const fn two(name: &'static str, steps: &'static str) -> Scenario {
    Scenario { name, topics: TWO, models: "", steps }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    one("count", "      - count: { view: counts }"),
    one("count, tumbling", "      - count: { window: { tumbling: 20s, grace: 5s }, late: late, view: counts }"),
    one(
        "count, tumbling, on close",
        "      - count: { window: { tumbling: 20s, grace: 5s }, emit: close, late: late, view: counts }",
    ),
    one("count, at most every 5 s", "      - count: { window: { tumbling: 1m }, emit: { every: 5s }, view: counts }"),
    one(
        "count, by accept time",
        "      - count: { window: { tumbling: 10s, clock: accepted }, emit: close, view: counts }",
    ),
    one(
        "aggregate, hopping",
        "      - aggregate:
          fields: { n: count(), sum: sum(data.n), least: min(data.n), most: max(data.n), mean: avg(data.n) }
          window: { hopping: 30s, every: 10s, grace: 10s }
          late: late
          view: sums",
    ),
    one(
        "aggregate, sliding",
        "      - aggregate: { fields: { n: count(), all: 'collect(data.id, 50)' }, window: { sliding: 20s, grace: 20s }, late: late, view: slides }",
    ),
    one(
        "aggregate, session, on close",
        "      - aggregate: { fields: { kinds: distinct(data.g), top: 'top(data.n, 3)' }, window: { session: 8s, grace: 4s }, emit: close, late: late, view: sessions }",
    ),
    one(
        "count, session, on change",
        "      - count: { window: { session: 8s, grace: 20s }, late: late, view: sessions }",
    ),
    one("reduce", "      - reduce: { with: 'data.n > state.n ? data : state', view: most }"),
    one(
        "fold, tumbling",
        "      - fold: { initial: '{\"n\": 0}', with: '{\"n\": state.n + data.n}', window: { tumbling: 30s, grace: 30s }, late: late, view: folds }",
    ),
    two(
        "cogroup",
        "      - cogroup: { initial: '{\"a\": 0, \"b\": 0}', with: '{\"a\": state.a + 1, \"b\": state.b}', streams: { b: '{\"a\": state.a, \"b\": state.b + 1}' }, view: groups }",
    ),
    one("deduplicate", "      - deduplicate: { by: data.id, window: 30s }"),
    one("sequence", "      - sequence: { first: data.g == 'g0', then: data.g == 'g1', within: 15s, as: data.first }"),
    one("absence", "      - sequence: { first: data.g == 'g0', absent: data.g == 'g1', within: 15s }"),
    two(
        "join of streams",
        "      - join: { stream: b, within: 10s, type: outer, as: data.other, grace: 20s, late: late }",
    ),
    two("join of streams, inner", "      - join: { stream: b, within: 10s, type: inner, as: data.other }"),
    two("join with a table", "      - join: { table: b, type: outer, as: data.other, view: joined }"),
    two("join with a table, left", "      - join: { table: b, type: left, as: data.other, view: joined }"),
    one("table", "      - table: { view: newest }"),
    one("monitor, threshold", "      - monitor: { threshold: { value: data.n, above: 60, clear: 30 } }"),
    one("monitor, rate", "      - monitor: { rate: { more_than: 2, within: 20s } }"),
    one("monitor, absence", "      - monitor: { absence: { of: 20s } }"),
    one("identify", "      - identify: { entity: thing, match: [data.id, data.g], within: key, as: data.thing }"),
    one("lookup", "      - lookup: { call: known, with: data.id, as: data.known }"),
    one(
        "lookup behind a window",
        "      - count: { window: { tumbling: 20s }, emit: close }
      - lookup: { call: known, with: data.count, as: data.known }",
    ),
    one("transform with timers", "      - transform: quiet"),
    Scenario {
        name: "snapshot of the own input",
        topics: ONE,
        models: "last: { from: a }",
        steps: "      - snapshot: { last: { key: data.k } }",
    },
];

impl Scenario {
    /// Events for it: keys and groups that meet often, times that go ahead and back, now and then something that does not fit.
    /// In the end each key gets events that close every window.
    pub(crate) fn events(&self, random: &mut Random) -> Vec<Given> {
        let start: Time = Time::parse(START).unwrap_or(Time::EPOCH);
        let count = 20 + random.below(30);
        let mut events: Vec<Given> = (0..count)
            .map(|number| {
                let topic = self.topics[usize::try_from(random.below(self.topics.len() as u64)).unwrap()];
                let key = format!("k{}", random.below(5));
                // Four seconds for each event, give or take fifteen.
                let time =
                    start.plus(Duration::from_secs(100 + 4 * number)).minus(Duration::from_secs(random.below(16)));
                let n = if random.chance(50) { "\"odd\"".to_owned() } else { random.below(100).to_string() };
                let (id, group) = (random.below(12), random.below(3));
                let data = format!("{{\"k\":\"{key}\",\"g\":\"g{group}\",\"n\":{n},\"id\":\"i{id}\"}}");
                let key = (!random.chance(30)).then_some(key);
                Given { topic, kind: "given", key, time, data: (!random.chance(30)).then_some(data) }
            })
            .collect();
        for topic in self.topics {
            for key in 0..5 {
                let data = Some(format!("{{\"k\":\"k{key}\",\"g\":\"g2\",\"n\":1,\"id\":\"last\"}}"));
                let time = start.plus(Duration::from_secs(100_000));
                events.push(Given { topic, kind: "last", key: Some(format!("k{key}")), time, data });
            }
        }
        events
    }
}
