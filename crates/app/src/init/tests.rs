use std::io::Read;

use bytes::Bytes;
use riverrun_event::{Event, ModelName, OperatorName, Time};
use riverrun_topology::{Draft, Flow, KeyedState, ModelVersion, Models, StepContext, StepError};

use super::*;
use crate::app::App;

/// Neither models nor state: the proposed steps need none.
struct Nothing;

impl Models for Nothing {
    fn version(&mut self, _: &ModelName, _: &[u8], _: Time) -> Result<Option<ModelVersion>, StepError> {
        Ok(None)
    }
}

impl KeyedState for Nothing {
    fn get(&mut self, _: &OperatorName, _: &[u8]) -> Result<Option<Bytes>, StepError> {
        Ok(None)
    }

    fn put(&mut self, _: &OperatorName, _: &[u8], _: Option<Bytes>) {}
}

/// Runs the proposed pipeline over data and gives what passes.
fn run(app: &App, data: impl Iterator<Item = String>) -> Vec<String> {
    let pipeline = app.topology.pipelines.values().next().unwrap();
    let outcome = |data: String| {
        let mut event = Event::new("1", "/test", "test");
        event.data = Some(Bytes::from(data));
        let mut draft = Draft::new(event, Time::EPOCH);
        for step in &pipeline.steps {
            let mut context = StepContext { models: &mut Nothing, state: &mut Nothing };
            match step.operator.apply(&step.name, &mut draft, &mut context).unwrap() {
                Flow::Pass => {}
                Flow::Drop => return None,
                Flow::Replace(_) => panic!("the proposed steps replace nothing"),
            }
        }
        let data = draft.into_event().data.unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    };
    data.filter_map(outcome).collect()
}

fn check(name: &str, sample: Option<&str>, contains: &[&str]) -> String {
    let text = init(name, sample).unwrap();
    match App::parse(&text, "riverrun.yaml") {
        Ok(app) => assert!(app.warnings.is_empty(), "{text}\n{}", app.warnings),
        Err(error) => panic!("{text}\n{error}"),
    }
    for part in contains {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    text
}

#[test]
fn the_minimal_file_loads() {
    let text = check("hello", None, &["app: hello", "greetings"]);
    let app = App::parse(&text, "riverrun.yaml").unwrap();
    let passed = run(&app, [r#"{"name":"Ada"}"#.to_owned(), "{}".to_owned()].into_iter());
    assert_eq!(passed, [r#"{"name":"Ada","text":"Hello, Ada!"}"#]);
    check("null", None, &["app: \"null\""]);
    check("0", None, &["app: \"0\""]);
}

#[test]
fn cloudevents_give_topics_by_type() {
    let sample = r#"
        {"specversion":"1.0","id":"1","source":"/s","type":"order.placed","data":{"customer_id":"a","amount":5,"at":"2024-01-01T00:00:00Z"}}
        {"specversion":"1.0","id":"2","source":"/s","type":"order.paid","data":{"customer_id":"b","amount":7,"coupon":"x"}}
        {"specversion":"1.0","id":"3","source":"/s","type":"order.paid","data":{"customer_id":"a","amount":9,"coupon":"y"}}
        {"specversion":"1.0","id":"4","source":"/s","type":"Odd: ${type}"}
    "#;
    check(
        "shop",
        Some(sample),
        &[
            "orders: { key: data.customer_id, accept: [order.*] }",
            "events: { accept: [\"Odd: $${type}\"] }",
            "filter: data.coupon != null",
            "data.high_amount: data.amount > 7.0",
        ],
    );
}

#[test]
fn bare_data_gives_key_id_and_time() {
    let sample = r#"
        {"id":"o-1","device":"d1","created":"2024-01-01T00:00:00Z","hour":"2024-01-01T00:00:00Z","temp":3.5,"odd name":1}
        {"id":"o-2","device":"d2","created":"2024-01-01T00:10:00Z","hour":"2024-01-01T00:00:00Z","temp":4.5,"in":null}
        {"id":"o-3","device":"d1","created":"2024-01-01T00:20:00Z","hour":"2024-01-01T00:00:00Z","temp":5.5}
    "#;
    let text = check(
        "plant",
        Some(sample),
        &["records: { key: data.device, id: data.id, time: data.created }", "data.high_temp"],
    );
    let app = App::parse(&text, "riverrun.yaml").unwrap();
    let passed = run(&app, sample.lines().filter(|line| line.contains('{')).map(str::to_owned));
    assert_eq!(passed.iter().filter(|data| data.contains("\"high_temp\":true")).count(), 1, "{passed:?}");
    assert_eq!(passed.len(), 3);
}

#[test]
fn the_flights_sample_gives_its_tail_number_as_key() {
    let packed = include_bytes!("../../../../examples/flights/data/flights.ndjson.gz");
    let mut sample = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut sample).unwrap();
    let text = check("flights", Some(&sample), &["flights: { key: data.tailnum, accept: [flight.*] }"]);
    let app = App::parse(&text, "riverrun.yaml").unwrap();
    let data = sample.lines().take(2_000).map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["data"].to_string()
    });
    let passed = run(&app, data);
    assert!(passed.len() > 1_000 && passed.len() < 2_000, "{} passed with\n{text}", passed.len());
}

#[test]
fn odd_samples_still_give_a_file_that_loads() {
    check("a", Some("{}"), &["records: {}"]);
    check("a", Some(r#"{"x":[1],"y":{"z":1}}"#), &[]);
    check("a", Some(r#"{"n":1e300,"é":2}"#), &[]);
    check("a", Some("{\"n\":-1.5}\n{\"n\":-2.5}\n{\"n\":1e300}"), &[]);
}

#[test]
fn what_is_no_sample_is_refused() {
    assert_eq!(init("a", Some(" \n")), Err(InitError::Empty));
    assert!(matches!(init("a", Some("{}\n[1]")), Err(InitError::Sample { line: 2, .. })));
    assert!(matches!(init("a", Some("{}\n\nx")), Err(InitError::Sample { line: 3, .. })));
    assert!(matches!(init("A", None), Err(InitError::Name { .. })));
}
