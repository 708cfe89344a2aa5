//! What `init` writes: every file loads without a diagnostic, and its pipeline runs on the sample it was made from.

use std::io::Read;

use bytes::Bytes;
use riverrun_event::{Event, ModelName, OperatorName, Time};
use riverrun_topology::{
    Clocks, Draft, Flow, KeyedState, ModelVersion, Models, NoAnswers, StepContext, StepError, Timers,
};

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

    fn scan(&mut self, _: &OperatorName, _: &[u8], _: &[u8], _: usize) -> Result<Vec<(Bytes, Bytes)>, StepError> {
        Ok(Vec::new())
    }
}

/// Runs the proposed pipeline over data and gives what passes.
fn run(app: &App, data: impl Iterator<Item = String>) -> Vec<String> {
    let pipeline = app.topology.pipelines.values().next().unwrap();
    let outcome = |data: String| {
        let mut event = Event::new("1", "/test", "test");
        event.data = Some(Bytes::from(data));
        let mut draft = Draft::new(event, Time::EPOCH);
        for step in &pipeline.steps {
            let mut context = StepContext {
                models: &mut Nothing,
                state: &mut Nothing,
                answers: &mut NoAnswers,
                timers: &mut Timers::default(),
                clocks: Clocks::START,
                port: 0,
                record: None,
                peeked: &mut Vec::new(),
                late: &mut Vec::new(),
                late_count: 0,
            };
            match step.operator.apply(&step.name, &mut draft, &mut context).unwrap() {
                Flow::Pass => {}
                Flow::Drop => return None,
                Flow::Replace(_) | Flow::Enter(_) => panic!("the proposed steps replace nothing"),
            }
        }
        let data = draft.into_event().data.unwrap();
        Some(String::from_utf8(data.to_vec()).unwrap())
    };
    data.filter_map(outcome).collect()
}

fn check(name: &str, sample: Option<&str>, contains: &[&str]) -> String {
    let text = init(name, sample.map(|text| Sample { file: "sample.ndjson", text })).unwrap();
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
            "  orders:\n    key: data.customer_id ",
            "    accept: [order.*] ",
            "  events:\n    accept: [\"Odd: $${type}\"] ",
            "filter: data.coupon != null  # drops events that have none, 1 in the sample",
            "data.high_amount: data.amount > 7 ",
            "customers: { key: data.customer_id }",
            "POST /events finds",
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
        &["records:\n    key: data.device ", "    id: data.id ", "    time: data.created ", "data.temp > 4.5 "],
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
    let text = check("flights", Some(&sample), &["flights:\n    key: data.tailnum ", "accept: [flight.*]"]);
    assert!(!text.contains("data.flight >"), "a flight number is no measure\n{text}");
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
    check("a", Some("{}"), &["records:\n", "data.event_type: type "]);
    check("a", Some(r#"{"x":[1],"y":{"z":1}}"#), &[]);
    check("a", Some(r#"{"n":1e300,"é":2}"#), &[]);
    check("a", Some("{\"n\":-1.5}\n{\"n\":-2.5}\n{\"n\":1e300}"), &[]);
}

#[test]
fn fields_within_fields_are_seen() {
    let sample = r#"
        {"id":1,"user":{"id":"u1"},"items":[{"sku":"a"}],"cart":{"total":20},"meta":{"ts":"2024-01-01T00:00:00Z"}}
        {"id":2,"user":{"id":"u2"},"items":[],"cart":{"total":35.5},"meta":{"ts":"2024-01-01T00:00:01Z"}}
        {"id":3,"user":{"id":"u1"},"items":[],"cart":{"total":4},"meta":{"ts":"2024-01-01T00:00:02Z"}}
    "#;
    let text = check(
        "shop",
        Some(sample),
        &[
            "key: data.user.id ",
            "    id: data.id ",
            "time: data.meta.ts ",
            "data.high_total: data.cart.total > 20 ",
            "users: { key: data.user.id }",
        ],
    );
    let app = App::parse(&text, "riverrun.yaml").unwrap();
    let passed = run(&app, sample.lines().filter(|line| line.contains('{')).map(str::to_owned));
    assert_eq!(passed.iter().filter(|data| data.contains("\"high_total\":true")).count(), 1, "{passed:?}");
}

#[test]
fn types_with_a_domain_in_front_name_their_entity() {
    let event = |kind: &str| format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"{kind}","data":{{}}}}"#);
    for (kind, topic, accept) in [
        ("com.example.order.placed", "orders", "com.example.order.*"),
        ("order.item.added", "orders", "order.*"),
        ("weather.observed", "weather", "weather.*"),
        ("com.example.placed", "events", "com.example.placed"),
        ("ping", "events", "ping"),
    ] {
        check("a", Some(&event(kind)), &[&format!("  {topic}:\n"), &format!("accept: [{accept}]")]);
    }
}

#[test]
fn bare_data_goes_to_a_topic_named_for_its_file() {
    for (file, topic) in [
        ("in/Sensor readings.ndjson.gz", "sensor-readings"),
        ("orders.ndjson", "orders"),
        ("sample.json", "records"),
        ("_x.json", "records"),
        ("-", "records"),
        ("a\nb: .json", "records"),
    ] {
        let text = init("a", Some(Sample { file, text: r#"{"n":1}"# })).unwrap();
        assert!(text.contains(&format!("topics:\n  {topic}:\n")), "{file}: {text}");
        assert!(App::parse(&text, "riverrun.yaml").is_ok(), "{file}: {text}");
    }
}

#[test]
fn what_is_no_sample_is_refused() {
    let check = |text: &str, line: usize, says: &str| {
        let error = init("a", Some(Sample { file: "a.json", text })).unwrap_err();
        let InitError::Sample { line: found, reason } = &error else { panic!("{text}: {error}") };
        assert!(*found == line && reason.contains(says), "{text}: {error}");
    };
    check("{}\n[1]", 2, "jq -c '.[]'");
    check("{\n  \"a\": 1\n}", 1, "does not end on this line");
    check("{}\n\nx", 3, "no valid JSON: expected value at column 1");
    check(r#"{"specversion":"1.0","id":"1","type":"a.b"}"#, 1, "need a text as `source`");
    assert_eq!(init("a", Some(Sample { file: "a.json", text: " \n" })), Err(InitError::Empty));
    assert!(matches!(init("A", None), Err(InitError::Name { .. })));
}
