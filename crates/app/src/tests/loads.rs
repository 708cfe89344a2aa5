//! Files that load, and what they give.

use std::path::{Path, PathBuf};
use std::time::Duration;

use riverrun_event::Verb;
use riverrun_topology::{OnError, Operator, Topology, Window};

use super::load;
use crate::app::App;
use crate::settings::{AssignorSetting, InstanceLabel};

#[test]
fn the_smallest_file_is_an_app_with_the_defaults() {
    let app = load("app: a").unwrap();
    assert_eq!(app.name.as_str(), "a");
    assert_eq!(app.settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(app.settings.data_dir, PathBuf::from("./data"));
    assert_eq!(app.settings.limits, Default::default());
    assert!(app.topology.topics.is_empty() && app.warnings.is_empty());
}

#[test]
fn the_flights_example_loads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights/riverrun.yaml");
    let app = App::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert!(app.warnings.is_empty(), "{}", app.warnings);
    assert!(app.settings.data_dir.starts_with(path.parent().unwrap()));
    let topics: Vec<&str> = app.topology.topics.keys().map(|name| name.as_str()).collect();
    assert_eq!(topics, ["airlines", "airports", "departures", "flights", "planes", "weather"]);
    let pipeline = app.topology.pipelines.values().next().unwrap();
    let names: Vec<&str> = pipeline.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["filter-1", "snapshot-1", "set-1", "remove-1"]);
    let Operator::Snapshot(snapshot) = &pipeline.steps[1].operator else { panic!("{pipeline:?}") };
    assert_eq!(snapshot.models[3].place.to_string(), "data.snapshot.airport");
    assert_eq!(app.topology.models.values().last().unwrap().history, Some(Duration::from_secs(400 * 86_400)));
}

pub(super) const EVERY_FIELD: &str = r#"
app: shop
log: ${env:SHOP_LOG:-local}
data_dir: /var/lib/shop
cache: 64MiB
listen: 127.0.0.1:${env:PORT}
topics:
  orders: { partitions: 8, key: data.customer, id: data.id, time: data.at, accept: [order.*, cart.paid], retention: { age: 7d, size: 10GiB } }
  customers: { key: data.id }
models:
  customer: { from: customers, when: type != 'x', key: data.id, merge: data.changes, history: 400d }
pipelines:
  priced:
    from: [orders, customers]
    steps:
      - { name: paid, filter: data.paid }
      - rename: { data.a: data.b.c }
      - snapshot: { customer: { key: data.customer, as: data.buyer } }
      - transform: risk
      - { transform: { name: risk }, name: again }
      - remove: data.card
      - remove: [data.x, data.y]
    to: priced
limits: { body: 4MiB, batch_events: 10, json_depth: 32, time_ahead: 5m, deduplication: 14d }
access: { tokens: [{ name: web, secret: "${file:/run/secrets/shop}", verbs: [read], topics: device.* }], hosts: Events.example.com }
defaults: { partitions: 2, retention: { age: 1h }, on_error: stop }
"#;

#[test]
fn every_field_is_taken() {
    let app = load(EVERY_FIELD).unwrap_or_else(|all| panic!("{all}"));
    assert!(app.warnings.is_empty(), "{}", app.warnings);
    assert_eq!(app.settings.listen.port(), 9000);
    assert_eq!(app.settings.cache_bytes, 64 << 20);
    assert_eq!(app.settings.limits.body_bytes_max, 4 << 20);
    assert_eq!((app.settings.limits.time_ahead_seconds_max, app.settings.limits.deduplication_days), (300, 14));
    assert_eq!(app.settings.tokens[0].secret.reveal(), "swordfish");
    assert_eq!(app.settings.tokens[0].verbs, [Verb::Read]);
    assert!(app.settings.tokens[0].topics.as_ref().is_some_and(|topics| topics[0].matches("device.7")));
    assert_eq!(app.settings.allowed_hosts, ["events.example.com"]);
    let topics: Vec<_> = app.topology.topics.values().collect();
    assert_eq!((topics[0].partitions, topics[0].retention_age), (2, Some(Duration::from_secs(3600))));
    assert_eq!((topics[1].partitions, topics[1].retention_bytes), (8, Some(10 << 30)));
    assert_eq!((topics[2].name.as_str(), topics[2].partitions), ("priced", 2));
    let pipeline = app.topology.pipelines.values().next().unwrap();
    assert_eq!(pipeline.on_error, OnError::Stop);
    let names: Vec<&str> = pipeline.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["paid", "rename-1", "snapshot-1", "risk", "again", "remove-1", "remove-2"]);
}

pub(super) const EVERY_AGGREGATE: &str = r#"
app: shop
topics: { orders: { partitions: 4, key: data.customer }, returns: { partitions: 4, key: data.customer }, late: { partitions: 4 } }
pipelines:
  counted:
    from: orders
    steps:
      - count: { as: n, window: { hopping: 1h, every: 10m, grace: 5m, clock: accepted }, emit: { every: 10s }, late: late, view: counts, keep: 7d }
      - count:
      - aggregate: { fields: { n: count(), worst: "top(data.delay, 3)" }, window: { tumbling: 1h }, emit: close }
      - reduce: { with: "data.n > state.n ? data : state", window: { session: 30m } }
      - fold: { initial: '0', with: state + 1, merge: state + data, window: { sliding: 1m }, emit: change }
      - cogroup: { initial: '{"n": 0}', with: "{'n': state.n + 1}", streams: { returns: state } }
    to: counts
"#;

#[test]
fn aggregates_of_a_file_are_those_of_the_builder() {
    let app = load(EVERY_AGGREGATE).unwrap_or_else(|all| panic!("{all}"));
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let declared = Topology::builder("shop")
        .topic("orders", |topic| topic.partitions(4).key("data.customer"))
        .topic("returns", |topic| topic.partitions(4).key("data.customer"))
        .topic("late", |topic| topic.partitions(4))
        .topic("counts", |topic| topic)
        .pipeline("counted", |pipeline| {
            let window = Window::hopping(minutes(60), minutes(10)).grace(minutes(5)).by_accept_time();
            let counted = pipeline.from("orders").count(|count| {
                let count = count.field("n").window(window).emit_every(Duration::from_secs(10));
                count.late("late").view("counts").keep(minutes(7 * 1_440))
            });
            let hourly = Window::tumbling(minutes(60));
            let fields = [("n", "count()"), ("worst", "top(data.delay, 3)")];
            let summed = counted.count(|count| count).aggregate(fields, |all| all.window(hourly).emit_on_close());
            let with = "data.n > state.n ? data : state";
            let reduced = summed.reduce(with, |all| all.window(Window::session(minutes(30))));
            let sliding = Window::sliding(minutes(1));
            let folded = reduced.fold("0", "state + 1", |all| all.merge("state + data").window(sliding));
            folded.cogroup("{\"n\": 0}", "{'n': state.n + 1}", [("returns", "state")], |all| all).to("counts")
        })
        .build()
        .unwrap();
    assert_eq!(app.topology, declared);
}

#[test]
fn fragments_are_put_where_they_are_used() {
    let app = load(
        r#"
app: shop
topics: { orders: , returns: }
fragments:
  clean: [{ remove: data.card }, { use: priced }, { remove: data.note }]
  priced:
    - set: { data.total: data.price * data.count }
    - branch: { big: { when: data.total > 1000, steps: [{ filter: data.paid }] } }
pipelines:
  p:
    from: orders
    steps:
      - use: clean
      - branch:
          default: { steps: [use: priced] }
          odd: { when: data.total < 0, steps: [{ name: mine, use: priced }, filter: data.x], to: odd }
      - { use: priced }
      - merge: { from: returns, steps: [use: priced] }
    to: { route: data.region, topics: [eu, us], default: rest }
"#,
    )
    .unwrap_or_else(|all| panic!("{all}"));
    assert!(app.warnings.is_empty(), "{}", app.warnings);
    let pipeline = app.topology.pipelines.values().next().unwrap();
    let names: Vec<&str> = pipeline.all_steps().into_iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names.join(" "),
        "clean.remove-1 clean.priced.set-1 clean.priced.branch-1 clean.priced.filter-1 clean.remove-2 branch-1 mine.set-1 \
         mine.branch-1 mine.filter-1 filter-1 priced-2.set-1 priced-2.branch-1 priced-2.filter-1 priced-3.set-1 \
         priced-3.branch-1 priced-3.filter-1 merge-1 priced-4.set-1 priced-4.branch-1 priced-4.filter-1"
    );
    let topics: Vec<&str> = app.topology.topics.keys().map(|name| name.as_str()).collect();
    assert_eq!(topics, ["eu", "odd", "orders", "rest", "returns", "us"]);
    let ways = pipeline.all_steps().into_iter().flat_map(|step| step.operator.arms());
    let ways: Vec<&str> = ways.map(|arm| arm.name.as_str()).collect();
    assert_eq!(
        ways,
        ["clean.priced.big", "odd", "branch-1.default", "mine.big", "priced-2.big", "priced-3.big", "priced-4.big"]
    );
}

#[test]
fn what_comes_from_outside_is_never_printed() {
    let app =
        load("app: a\ndata_dir: /x/${env:HIDDEN}\naccess: { tokens: [{ name: t, secret: '${env:HIDDEN}' }] }").unwrap();
    assert_eq!(app.settings.tokens[0].secret.reveal(), "hunter2-from-outside");
    let printed = format!("{app:?} {:?} {:#?}", app.settings, app.settings.tokens);
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("/x/${env:HIDDEN}"), "{printed}");
}

#[test]
fn transformers_are_missed_until_they_are_registered() {
    let app = load("app: a\ntopics: { t: }\npipelines: { p: { from: t, steps: [transform: risk], to: u } }").unwrap();
    let missing = app.unregistered_transformers();
    assert_eq!((missing[0].name.as_str(), missing[0].pipeline.as_str()), ("risk", "p"));
    let all = app.unregistered_diagnostics();
    assert!(all.has_errors() && all.to_string().contains("`risk` is not compiled into this binary"), "{all}");
    assert_eq!(app.source().place(missing[0].span.start).to_string(), "3:47");
}

#[test]
fn instances_and_assignors_are_read() {
    let kafka = |text: &str| {
        let app = load(&format!("app: a\nkafka: {text}")).unwrap_or_else(|all| panic!("{all}"));
        app.settings.kafka
    };
    let labels = kafka("{ labels: { rack: a, capacity: 2, version: '2', port: '${env:PORT}' } }").labels;
    let labels: Vec<(&str, &InstanceLabel)> = labels.iter().map(|(name, label)| (name.as_str(), label)).collect();
    let text = |text: &str| InstanceLabel::Text(text.to_owned());
    let expected = [
        ("capacity", &InstanceLabel::Number(2.0)),
        ("port", &InstanceLabel::Number(9000.0)),
        ("rack", &text("a")),
        ("version", &text("2")),
    ];
    assert_eq!(labels, expected);
    for address in ["shop-1.internal:8080", "http://shop-1.internal:8080"] {
        let address = kafka(&format!("{{ address: {address} }}")).address;
        assert_eq!(address.as_deref(), Some("shop-1.internal:8080"));
    }
    assert_eq!([kafka("{ standbys: 2 }"), kafka("{}")].map(|kafka| kafka.standbys), [2, 0]);
    assert_eq!(kafka("{ assignor: round_robin }").assignor, AssignorSetting::RoundRobin);
    let instances = [("shop-1", vec![0, 1]), ("shop-2", vec![2])];
    let instances = instances.map(|(name, own)| (name.to_owned(), own.into_iter().collect())).into();
    let reassign_after = Some(Duration::from_secs(300));
    assert_eq!(
        kafka("{ assignor: { static: { shop-1: [0, 1], shop-2: 2 }, reassign_after: 5m } }").assignor,
        AssignorSetting::Static { instances, reassign_after }
    );
    let AssignorSetting::Score(score) = kafka("{ assignor: { score: '-member.tasks' } }").assignor else { panic!() };
    assert_eq!(score.source(), "-member.tasks");
}

#[test]
fn an_assignor_is_missed_until_it_is_registered() {
    let mut app = load("app: a\nkafka: { assignor: { custom: by-load } }").unwrap();
    let all = app.unregistered_diagnostics().to_string();
    assert!(all.contains("`by-load` is not compiled into this binary") && all.contains("2:30"), "{all}");
    assert!(!app.register_assignor("other") && app.unregistered_diagnostics().has_errors());
    assert!(app.register_assignor("by-load") && app.unregistered_diagnostics().is_empty());
}

#[test]
fn aliases_stand_for_what_they_name() {
    let app = load("app: a\ntopics:\n  x: &t { key: data.k }\n  y: *t\n").unwrap();
    let topics: Vec<_> = app.topology.topics.values().collect();
    assert_eq!(topics[0].key, topics[1].key);
}

#[test]
fn a_file_that_is_not_there_says_what_to_do() {
    let error = App::load("/nowhere/riverrun.yaml").unwrap_err().to_string();
    assert!(error.starts_with("RR0017: the app file /nowhere/riverrun.yaml cannot be read: "), "{error}");
    assert!(error.ends_with("or write one with `riverrun init`"), "{error}");
}

#[test]
fn an_outbox_is_taken_with_its_defaults() {
    let outbox =
        |fields: &str| load(&format!("app: a\noutbox: {{ url: 'postgres://x@y/z'{fields} }}")).unwrap().settings.outbox;
    let default = crate::Outbox::new(crate::Secret::new("postgres://x@y/z"));
    assert_eq!(outbox(""), Some(default.clone()));
    let declared = outbox(", schema: Shop, attempts: 9, backoff: 20ms, on_dead: skip, notify: false, poll: 2s");
    let expected = crate::Outbox {
        schema: "Shop".to_owned(),
        attempts: 9,
        backoff: Duration::from_millis(20),
        on_dead: crate::OnDead::Skip,
        notify: false,
        poll: Duration::from_secs(2),
        ..default
    };
    assert_eq!(declared, Some(expected));
    assert_eq!(load("app: a").unwrap().settings.outbox, None);
}
