//! The three renderings of one topology.

use std::time::Duration;

use super::{DescribeFormat, duration, size};
use crate::{OnError, Topology, Window};

fn topology() -> Topology {
    Topology::builder("flights")
        .topic("flights", |topic| topic.partitions(4).key("data.tailnum").accept("flight.*"))
        .topic("planes", |topic| {
            topic.partitions(1).key("data.tailnum").time("data.since").retention_age(Duration::from_secs(86_400 * 30))
        })
        .model("plane", "planes", |model| model.history(Duration::from_secs(86_400 * 400)).when("data.seats > 0"))
        .pipeline("departures", |pipeline| {
            pipeline
                .from("flights")
                .filter("data.dep_time\n  != null")
                .snapshot("plane", "data.tailnum")
                .set_all([("data.hours", "data.air_time / 60"), ("data.note", "'a \"b\"'")])
                .remove(["data.year"])
                .to("departures")
                .on_error(OnError::Skip)
        })
        .build()
        .unwrap()
}

#[test]
fn text_is_aligned() {
    assert_eq!(
        topology().describe(DescribeFormat::Text),
        "\
app flights

topics
  departures  4 partitions                                     kept for ever
  flights     4 partitions  key data.tailnum                   kept for ever  accepts flight.*
  planes      1 partition   key data.tailnum, time data.since  kept 30d

models
  plane  from planes  history 400d  when data.seats > 0

pipeline departures: flights -> departures  (4 tasks, on error skip)
  filter-1    filter    data.dep_time != null
  snapshot-1  snapshot  plane by data.tailnum as data.snapshot.plane
  set-1       set       data.hours = data.air_time / 60
                        data.note = 'a \"b\"'
  remove-1    remove    data.year
"
    );
}

#[test]
fn dot_is_quoted() {
    let dot = topology().describe(DescribeFormat::Dot);
    assert!(dot.starts_with("digraph \"flights\" {\n") && dot.ends_with("}\n"), "{dot}");
    for line in [
        "  \"topic flights\" [shape=box, label=\"flights\\l4 x\"];",
        "  \"topic planes\" -> \"model plane\";",
        "  \"model plane\" -> \"pipeline departures\" [style=dashed];",
        "  \"pipeline departures\" -> \"topic departures\";",
    ] {
        assert!(dot.lines().any(|found| found == line), "{line} in\n{dot}");
    }
    assert!(dot.contains("data.note = 'a \\\"b\\\"'\\l"), "{dot}");
}

#[test]
fn json_can_be_read() {
    let json: serde_json::Value = serde_json::from_str(&topology().describe(DescribeFormat::Json)).unwrap();
    assert_eq!(json["pipelines"][0]["tasks"], 4);
    assert_eq!(json["pipelines"][0]["steps"][0]["does"][0], "data.dep_time\n  != null");
    assert_eq!(json["pipelines"][0]["steps"][1]["snapshot"][0]["as"], "data.snapshot.plane");
    assert_eq!(json["models"][0]["history_seconds"], 400 * 86_400);
    assert_eq!(json["topics"][1]["accept"][0], "flight.*");
}

#[test]
fn units_are_the_largest_whole_ones() {
    let shown = [0, 90, 120, 7_200, 129_600, 864_000].map(|seconds| duration(Duration::from_secs(seconds)));
    assert_eq!(shown, ["0s", "90s", "2m", "2h", "36h", "10d"]);
    assert_eq!(duration(Duration::from_millis(1_500)), "1500ms");
    assert_eq!([1, 1_024, 3 << 20, 5 << 30].map(size), ["1B", "1KiB", "3MiB", "5GiB"]);
}

fn branching() -> Topology {
    Topology::builder("shop")
        .topic("orders", |topic| topic.partitions(2))
        .topic("returns", |topic| topic.partitions(1))
        .pipeline("sorted", |pipeline| {
            pipeline
                .from("orders")
                .filter("data.paid")
                .branch(|branch| {
                    branch
                        .when("big", "data.total > 1000", |big| big.peek("id").to("big-orders"))
                        .default(|rest| rest.map([("total", "data.total")]))
                })
                .merge("returns", |returns| returns.flat_map_as("data.items", "data.item"))
                .select_key("data.customer")
                .route_or("data.region", ["eu", "us"], "elsewhere")
        })
        .build()
        .unwrap()
}

#[test]
fn branches_are_set_to_the_right() {
    let text = branching().describe(DescribeFormat::Text);
    let (_, pipeline) = text.split_once("\n\npipeline ").unwrap();
    assert_eq!(
        pipeline,
        "\
sorted: orders, returns -> big-orders, eu, us, elsewhere  (2 tasks, on error dead_letter)
  filter-1            filter      data.paid
  branch-1            branch
    big               when        data.total > 1000
      peek-1          peek        id
      ->              to          big-orders
    branch-1.default  otherwise
      map-1           map         total = data.total
  merge-1             merge       from returns
    flat_map-1        flat_map    each of data.items as data.item
  select_key-1        select_key  data.customer
  ->                  route       data.region of eu, us, else elsewhere
"
    );
}

#[test]
fn branches_are_drawn() {
    let dot = branching().describe(DescribeFormat::Dot);
    let edges: Vec<&str> = dot.lines().filter(|line| line.contains(" -> ")).map(str::trim).collect();
    assert_eq!(
        edges,
        [
            r#""topic orders" -> "pipeline sorted";"#,
            r#""pipeline sorted" -> "pipeline sorted branch-1";"#,
            r#""pipeline sorted branch-1" -> "pipeline sorted peek-1" [label="big\ldata.total > 1000\l"];"#,
            r#""pipeline sorted peek-1" -> "topic big-orders";"#,
            r#""pipeline sorted branch-1" -> "pipeline sorted map-1" [label="branch-1.default\lotherwise\l"];"#,
            r#""topic returns" -> "pipeline sorted flat_map-1";"#,
            r#""pipeline sorted map-1" -> "pipeline sorted select_key-1";"#,
            r#""pipeline sorted flat_map-1" -> "pipeline sorted select_key-1";"#,
            r#""pipeline sorted select_key-1" -> "topic eu";"#,
            r#""pipeline sorted select_key-1" -> "topic us";"#,
            r#""pipeline sorted select_key-1" -> "topic elsewhere";"#,
        ]
    );
}

#[test]
fn branches_are_trees_in_json() {
    let json: serde_json::Value = serde_json::from_str(&branching().describe(DescribeFormat::Json)).unwrap();
    let pipeline = &json["pipelines"][0];
    assert_eq!(pipeline["steps"][1]["branch"][0]["steps"][0]["peek"], "id");
    assert_eq!(pipeline["steps"][1]["branch"][0]["to"], "big-orders");
    assert_eq!(pipeline["steps"][1]["branch"][1]["when"], serde_json::Value::Null);
    assert_eq!(pipeline["steps"][2]["merge"]["steps"][0]["flat_map"]["as"], "data.item");
    assert_eq!(pipeline["to"]["default"], "elsewhere");
    assert_eq!(pipeline["inputs"][1], "returns");
}

fn aggregating() -> Topology {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    Topology::builder("airport")
        .topic("flights", |topic| topic.partitions(2).key("data.carrier"))
        .topic("delays", |topic| topic.partitions(2).key("data.carrier"))
        .topic("late", |topic| topic.partitions(2))
        .pipeline("hourly", |pipeline| {
            let fields = [("flights", "count()"), ("worst", "top(data.delay,\n 3)")];
            let window = Window::hopping(minutes(60), minutes(10)).grace(minutes(5)).by_accept_time();
            let hourly = pipeline.from("flights").aggregate(fields, |hourly| {
                hourly.window(window).emit_every(minutes(1)).late("late").view("hourly").keep(minutes(1_440))
            });
            let reduced = hourly.reduce("data", |last| last.window(Window::session(minutes(30))).emit_on_close());
            let streams = [("delays", "state - data.minutes")];
            reduced.cogroup("0", "state + 1", streams, |balance| balance.merge("state + data")).to("hourly")
        })
        .build()
        .unwrap()
}

#[test]
fn aggregates_say_what_they_make_and_when() {
    let text = aggregating().describe(DescribeFormat::Text);
    let (_, pipeline) = text.split_once("\n\npipeline ").unwrap();
    assert_eq!(
        pipeline,
        "\
hourly: flights, delays -> late, hourly  (2 tasks, on error dead_letter)
  aggregate-1  aggregate  flights = count()
                          worst = top(data.delay, 3)
                          window hopping 1h every 10m, grace 5m, by accept time
                          emits at most every 1m
                          late events to late
                          view hourly
                          kept for 1d
  reduce-1     reduce     with data
                          window session 30m
                          emits when a window closes
  cogroup-1    cogroup    begins with 0
                          with state + 1
                          with delays: state - data.minutes
                          merges by state + data
  ->           to         hourly
"
    );
    let json: serde_json::Value = serde_json::from_str(&aggregating().describe(DescribeFormat::Json)).unwrap();
    let steps = &json["pipelines"][0]["steps"];
    assert_eq!(
        steps[0]["aggregate"],
        serde_json::json!({
            "fields": [{ "field": "flights", "value": "count()" }, { "field": "worst", "value": "top(data.delay,\n 3)" }],
            "window": {
                "kind": "hopping", "seconds": 3_600, "every_seconds": 600, "grace_seconds": 300, "clock": "accepted",
            },
            "emit": { "every_seconds": 60 },
            "late": "late",
            "view": "hourly",
            "keep_seconds": 86_400,
        })
    );
    assert_eq!(steps[1]["reduce"]["emit"], "close");
    assert_eq!(steps[2]["cogroup"]["streams"][0]["topic"], "delays");
    assert_eq!(steps[2]["cogroup"]["merge"], "state + data");
}
