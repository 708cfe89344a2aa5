//! Executes the walk of docs/life-of-an-event.md: one event from the request to the reader, through every stage, and again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so by failing")]

mod door;

use std::path::Path;
use std::sync::{Arc, Mutex};

use door::{publish, read, request, serve};
use tracing::span::Attributes;
use tracing::{Id, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

const APP: &str = "
app: flights
topics:
  flights: { partitions: 1, key: data.tailnum }
  planes: { partitions: 1, key: data.tailnum }
models:
  plane: { from: planes }
pipelines:
  departures:
    from: flights
    steps:
      - filter: data.dep_time != null
      - snapshot: { plane: { key: data.tailnum } }
      - remove: [data.year]
    to: departures
";

/// Notes the names of spans in the order they open.
#[derive(Clone, Default)]
struct Stages(Arc<Mutex<Vec<&'static str>>>);

impl<S: Subscriber> Layer<S> for Stages {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.0.lock().unwrap().push(attributes.metadata().name());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn life_of_an_event() {
    let stages = Stages::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(stages.clone())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let server = serve(APP, directory.path()).await;

    // Received, accepted, logged: the answer comes when it is durable.
    let plane = r#"{"tailnum":"N14228","seats":149}"#;
    let answer = publish(&server, "planes", "p1", "2012-12-01T00:00:00Z", plane).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let flight = r#"{"tailnum":"N14228","year":2013,"dep_time":517}"#;
    for duplicate in ["false", "true"] {
        let answer = publish(&server, "flights", "f1", "2013-01-01T10:15:00Z", flight).await;
        assert!(answer.ends_with(&format!(r#"{{"position":"flights/0@0","duplicate":{duplicate}}}"#)), "{answer}");
    }

    // Stepped and committed.
    let departures = read(&server, "departures").await;
    let [departure] = &departures[..] else { panic!("one departure, not {departures:?}") };
    for part in [
        r#""id":"flights/0@0/to.0""#,
        r#""source":"/flights/departures""#,
        r#""rrcause":"flights/0@0""#,
        r#""rrsnapshot":"plane=planes/0@0""#,
        r#""causationid":"f1""#,
        r#""rrposition":"departures/"#,
        r#""data":{"tailnum":"N14228","dep_time":517,"snapshot":{"plane":{"tailnum":"N14228","seats":149}}}"#,
    ] {
        assert!(departure.contains(part), "{part} is not in {departure}");
    }

    // Again, into another topic: the same bytes.
    let replayed = request(server.url(), "POST /pipelines/departures/replays", r#"{"to":"departures-2"}"#).await;
    assert!(replayed.contains(r#""done":true"#), "{replayed}");
    let again = read(&server, "departures-2").await;
    assert_eq!(again[0].replace("departures-2/", "departures/"), *departure);
    server.shutdown().await.unwrap();

    let opened = stages.0.lock().unwrap().clone();
    let first = |name| opened.iter().position(|opened| *opened == name).unwrap_or_else(|| panic!("no span {name}"));
    let order = ["receive", "accept", "append", "step"].map(first);
    assert!(order.is_sorted(), "the stages open in the order of the page: {opened:?}");
    // The model's task commits too, before the pipeline steps.
    assert!(opened.iter().rposition(|name| *name == "commit") > opened.iter().position(|name| *name == "step"));
}

/// The page names files; they must be there.
#[test]
fn the_page_names_files_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/life-of-an-event.md")).unwrap();
    let named: Vec<&str> = page.split('`').filter(|part| part.starts_with("crates/")).collect();
    assert!(named.len() > 10, "{named:?}");
    let missing: Vec<_> = named.into_iter().filter(|path| !root.join(path).exists()).collect();
    assert!(missing.is_empty(), "not there: {missing:?}");
}
