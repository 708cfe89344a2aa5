//! The app file and the Rust builder give the same graph, and an app built in Rust runs like one from a file.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

mod door;

use std::time::Duration;

use door::{publish, read};
use riverrun::{App, Error, Event, Outputs, ServeOptions, Settings, Topology, Transform, Typed};
use serde::{Deserialize, Serialize};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn the_flights_file_and_the_builder_give_the_same_graph() {
    let file = App::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/flights/riverrun.yaml")).unwrap();
    let built = Topology::builder("flights")
        .topic("flights", |topic| topic.partitions(4).key("data.tailnum"))
        .topic("planes", |topic| topic.key("data.tailnum"))
        .topic("airlines", |topic| topic.key("data.carrier"))
        .topic("airports", |topic| topic.key("data.faa"))
        .topic("weather", |topic| topic.key("data.origin"))
        .model("plane", "planes", |model| model)
        .model("airline", "airlines", |model| model)
        .model("airport", "airports", |model| model)
        .model("weather", "weather", |model| model.history(400 * DAY))
        .pipeline("departures", |pipeline| {
            pipeline
                .from("flights")
                .filter("data.dep_time != null")
                .snapshot_all([
                    ("plane", "data.tailnum"),
                    ("airline", "data.carrier"),
                    ("weather", "data.origin"),
                    ("airport", "data.dest"),
                ])
                .set("data.speed_kmh", "data.air_time == null ? null : data.distance * 1.609344 / (data.air_time / 60)")
                .remove(["data.year", "data.month", "data.day"])
                .to("departures")
        })
        .build()
        .unwrap();
    assert_eq!(*file.topology(), built);
}

#[test]
fn every_step_of_a_file_can_be_built() {
    let file = App::parse(
        r#"
app: shop
topics: { orders: , returns: }
fragments:
  clean: [{ remove: data.card }, { use: paid }]
  paid: [{ filter: data.paid }]
pipelines:
  sorted:
    from: orders
    steps:
      - use: clean
      - flat_map: data.lines
      - flat_map: { each: data.parts, as: data.part }
      - branch:
          default: { steps: [{ rename: { data.a: data.b } }] }
          big: { when: data.total > 1000, steps: [{ peek: data.total }], to: big-orders }
          odd: { when: data.total < 0, to: { route: data.region, topics: [eu, us] } }
        name: by-size
      - merge: { from: returns, steps: [{ set: { data.total: 0 - data.total } }] }
      - map: { total: data.total, customer.name: data.who }
      - select_key: data.customer.name
    to: { route: data.region, topics: [eu, us], default: elsewhere }
"#,
        "riverrun.yaml",
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let built = Topology::builder("shop")
        .topic("orders", |topic| topic)
        .topic("returns", |topic| topic)
        .pipeline("sorted", |pipeline| {
            pipeline
                .from("orders")
                .fragment("clean", |clean| {
                    clean.remove(["data.card"]).fragment("paid", |paid| paid.filter("data.paid"))
                })
                .flat_map("data.lines")
                .flat_map_as("data.parts", "data.part")
                .branch(|branch| {
                    branch
                        .when("big", "data.total > 1000", |big| big.peek("data.total").to("big-orders"))
                        .when("odd", "data.total < 0", |odd| odd.route("data.region", ["eu", "us"]))
                        .default(|rest| rest.rename("data.a", "data.b"))
                })
                .named("by-size")
                .merge("returns", |returns| returns.set("data.total", "0 - data.total"))
                .map([("total", "data.total"), ("customer.name", "data.who")])
                .select_key("data.customer.name")
                .route_or("data.region", ["eu", "us"], "elsewhere")
        })
        .build()
        .unwrap();
    assert_eq!(*file.topology(), built);
}

#[derive(Deserialize, Serialize)]
struct Reading {
    value: f64,
}

/// Gives the sum of a key's readings so far.
struct Sum;

impl Transform for Sum {
    type Input = Reading;
    type Output = Reading;
    type State = f64;

    fn transform(&self, reading: Event<Reading>, sum: &mut f64, out: &mut Outputs<Reading>) -> Result<(), Error> {
        *sum += reading.data.value;
        out.emit(&Reading { value: *sum });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_built_in_rust_runs() {
    let topology = Topology::builder("readings")
        .topic("readings", |topic| topic.key("data.device"))
        .pipeline("sums", |pipeline| pipeline.from("readings").transform("sum", Typed(Sum)).to("totals"))
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let options = ServeOptions { listen: Some("127.0.0.1:0".parse().unwrap()), ..ServeOptions::default() };
    let server = App::built(topology, Settings::new(directory.path())).serve(options).await.unwrap();
    for (id, value) in [("1", "1.5"), ("2", "2")] {
        let data = format!(r#"{{"device":"d","value":{value}}}"#);
        publish(&server, "readings", id, "2026-01-01T00:00:00Z", &data).await;
    }
    let totals = read(&server, "totals").await;
    assert!(totals.last().is_some_and(|total| total.contains(r#""data":{"value":3.5}"#)), "{totals:?}");
    server.shutdown().await.unwrap();
}
