//! Steps that bring events of a key together: the file and the builder give the same graph, and mistakes are found.

use std::time::Duration;

use riverrun_topology::operators::join::JoinType;
use riverrun_topology::operators::monitor::Direction;
use riverrun_topology::{DescribeFormat, Topology};

use super::{check, load};

const FILE: &str = "
app: shop
topics:
  orders: { key: data.order }
  payments: { key: data.order }
  customers: { key: data.order }
  shops: { key: data.id, partitions: 2 }
models: { customer: { from: customers } }
pipelines:
  all:
    from: orders
    steps:
      - deduplicate: data.id
      - deduplicate: { by: data.id, window: 1h, late: late }
      - sequence: { first: data.a, then: data.b, within: 10m, as: data.one, grace: 5s, late: late }
      - sequence: { first: data.a, absent: data.b, within: 10m }
      - join: { stream: payments, before: 1m, after: 10m, type: outer, grace: 5s, late: late }
      - join: { model: customer, by: data.customer, as: data.known, type: left }
      - join: { table: customers, view: joined }
      - join: { table: shops, by: data.shop, type: left }
      - monitor: { threshold: { value: data.v, below: 10, clear: 20 }, view: low }
      - monitor: { rate: { more_than: 5, within: 1m }, as: data.rate, late: late }
      - monitor: { absence: 5m }
      - table: newest
      - identify: { entity: device, match: [data.serial, data.mac], within: data.tenant }
    to: out
";

fn built() -> Topology {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let seconds = Duration::from_secs;
    Topology::builder("shop")
        .topic("orders", |topic| topic.key("data.order"))
        .topic("payments", |topic| topic.key("data.order"))
        .topic("customers", |topic| topic.key("data.order"))
        .topic("shops", |topic| topic.key("data.id").partitions(2))
        .model("customer", "customers", |model| model)
        .pipeline("all", |pipeline| {
            pipeline
                .from("orders")
                .deduplicate("data.id")
                .deduplicate_within("data.id", minutes(60), |step| step.late("late"))
                .sequence("data.a", "data.b", minutes(10), |step| step.place("data.one").grace(seconds(5)).late("late"))
                .sequence_absent("data.a", "data.b", minutes(10), |step| step)
                .join_stream_between("payments", JoinType::Outer, (minutes(1), minutes(10)), |step| {
                    step.grace(seconds(5)).late("late")
                })
                .join_model("customer", "data.customer", JoinType::Left, |step| step.place("data.known"))
                .join_table("customers", JoinType::Inner, |step| step.view("joined"))
                .join_table_by("shops", "data.shop", JoinType::Left, |step| step)
                .monitor_threshold("data.v", Direction::Below, "10", Some("20"), |step| step.view("low"))
                .monitor_rate(5, minutes(1), |step| step.place("data.rate").late("late"))
                .monitor_absence(minutes(5), |step| step)
                .table("newest")
                .identify("device", ["data.serial", "data.mac"], Some("data.tenant"), |step| step)
                .to("out")
        })
        .build()
        .unwrap()
}

#[test]
fn the_file_and_the_builder_give_the_same_graph() {
    let app = load(FILE).unwrap();
    let built = built();
    assert_eq!(app.topology, built);
    for format in [DescribeFormat::Text, DescribeFormat::Dot, DescribeFormat::Json] {
        assert_eq!(app.topology.describe(format), built.describe(format));
    }
    let text = built.describe(DescribeFormat::Text);
    for part in [
        "data.id within 1h",
        "first data.a",
        "then data.b",
        "absent data.b",
        "outer payments from 1m before to 10m after, grace 5s as data.payments",
        "left model customer by data.customer as data.known",
        "inner table customers as data.customers",
        "join-4.left",
        "join-4.repartition",
        "left table shops by data.shop, right side as data.shops",
        "join-4.result.repartition",
        "left table shops by data.shop, result as data.shops",
        "data.v below 10, clear at 20 as data.monitor",
        "more than 5 within 1m as data.rate",
        "no event for 5m as data.monitor",
        "device by data.serial, data.mac within data.tenant as data.device",
        "identify-1.repartition",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

/// The one mistake that is found in a step of a pipeline: at `place`, where that last stands in the step.
#[track_caller]
fn check_step(step: &str, place: &str, expected: &str) {
    let topics = "topics: { t: { key: data.k }, u: { key: data.k } }\nmodels: { m: { from: u } }";
    let using = "- snapshot: { m: { key: data.k } }";
    let file = format!("app: a\n{topics}\npipelines:\n p:\n  from: t\n  steps:\n   {using}\n   - {step}\n  to: out\n");
    let column = 6 + step.rfind(place).unwrap();
    check(&file, &[&format!("9:{column} {expected}")]);
}

#[test]
fn a_time_has_a_length() {
    check_step("deduplicate: { by: data.id, window: 0s }", "0s", "RR0014 a time of no length");
    check_step("sequence: { first: data.a, then: data.b, within: 0s }", "0s", "RR0014 a time of no length");
    check_step("join: { stream: u, within: 0s }", "0s", "RR0014 a window of no length");
    check_step("monitor: { rate: { more_than: 1, within: 0s } }", "0s", "RR0014 a time of no length");
    check_step("monitor: { absence: { of: 0s } }", "0s", "RR0014 a time of no length");
}

#[test]
fn fields_go_together() {
    check_step("join: { stream: u }", "join", "RR0035 for ever => within: 10m");
    check_step("join: { as: data.x }", "join", "RR0036 one of `stream`, `table`, `model` is missing");
    check_step("join: { stream: u, table: u, within: 1m }", "table", "RR0036 both `stream` and `table`");
    check_step("join: { stream: u, within: 1m, after: 1m }", "after", "RR0036 `after` means nothing beside `within`");
    check_step("join: { stream: u, within: 1m, by: data.x }", "by", "RR0036 `by` means nothing beside `stream`");
    check_step("join: { model: m }", "join", "RR0005 `by` is missing");
    check_step("join: { model: m, by: data.x, type: outer }", "outer", "RR0014 `inner` or `left`");
    check_step("join: { table: u, by: data.x, type: outer }", "outer", "RR0014 `inner` or `left`");
    check_step("join: { table: u, by: data.x, view: v }", "view", "RR0036 `view` means nothing beside `by`");
    check_step("join: { table: u, type: full }", "full", "RR0008 inner, left and outer");
    check_step("join: { table: v }", "v", "RR0011 there is no topic `v`");
    check_step("join: { table: t }", "join", "RR0014 t is named twice");
    check_step("sequence: { first: data.a, within: 1m }", "sequence", "RR0036 one of `then`, `absent` is missing");
    check_step("monitor: { threshold: { value: data.v } }", "threshold", "RR0036 one of `above`, `below`");
    let upside_down = "monitor: { threshold: { value: data.v, above: 80, clear: 90 } }";
    check_step(upside_down, "90", "RR0014 other side");
    check_step("monitor: { absence: 1m, late: t }", "t ", "RR0014 feed itself");
    check_step("identify: { entity: device, match: [] }", "match", "RR0014 nothing identifies");
}
