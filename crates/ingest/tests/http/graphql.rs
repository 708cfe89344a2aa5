//! GraphQL over HTTP: what goes in, what comes out, and what is refused before it runs.

use axum::http::StatusCode;
use riverrun_event::Verb;
use riverrun_event::limits::Limits;
use riverrun_ingest::{Grant, Token};
use riverrun_topology::TypePattern;
use serde_json::{Value, json};

use crate::door::{Answer, Door, JSON};

const RESPONSE: (&str, &str) = ("accept", "application/graphql-response+json");
const PUBLISH: &str = "mutation ($events: [PublishInput!]!) { publish(events: $events) { position duplicate } }";

impl Door {
    async fn ask_graphql(&self, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.ask("POST /graphql", &[JSON, RESPONSE], body).await
    }

    /// The answer to whoever shows this token.
    async fn ask_as(&self, token: &str, query: &str) -> Value {
        let authorization = format!("Bearer {token}");
        let headers = [JSON, RESPONSE, ("authorization", authorization.as_str())];
        self.ask("POST /graphql", &headers, json!({ "query": query }).to_string()).await.json()
    }

    async fn publish(&self, events: Value) -> Value {
        self.ask_graphql(PUBLISH, json!({ "events": events })).await.json()
    }
}

fn flight(id: &str, key: &str) -> Value {
    let data = format!(r#"{{"tailnum":"{key}",  "dep":1.10}}"#);
    json!({ "topic": "flights", "id": id, "source": "/s", "type": "flight.departed", "data": data })
}

/// The code, status, index and position of the first error.
fn first_error(answer: &Value) -> (String, u64, Option<u64>, Option<String>) {
    let extensions = &answer["errors"][0]["extensions"];
    let text = |name: &str| extensions[name].as_str().map(ToOwned::to_owned);
    (
        text("code").unwrap_or_default(),
        extensions["status"].as_u64().unwrap_or(0),
        extensions["index"].as_u64(),
        text("position"),
    )
}

#[tokio::test]
async fn what_is_published_is_read_back() {
    let door = Door::open().await;
    let one = door.publish(flight("1", "N1")).await;
    let position = one["data"]["publish"][0]["position"].as_str().unwrap().to_owned();
    assert!(position.starts_with("flights/"), "{one}");
    let again = door.publish(json!([flight("1", "N1"), flight("2", "N1")])).await;
    assert_eq!(again["data"]["publish"][0], json!({ "position": position, "duplicate": true }), "{again}");
    let query = "{ events(topic: \"flights\") { cursor events { id source type key data dataBase64 accepted time } } }";
    let read = door.ask_graphql(query, Value::Null).await.json();
    let events = read["data"]["events"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 2, "{read}");
    assert_eq!(events[0]["data"], r#"{"tailnum":"N1",  "dep":1.10}"#);
    assert_eq!((&events[0]["key"], &events[0]["time"]), (&json!("N1"), &Value::Null));
    let cursor = read["data"]["events"]["cursor"].as_str().unwrap();
    let rest = format!("{{ events(topic: \"flights\", from: \"{cursor}\") {{ events {{ id }} }} }}");
    assert_eq!(door.ask_graphql(&rest, Value::Null).await.json()["data"]["events"]["events"], json!([]));
}

#[tokio::test]
async fn every_kind_of_data_comes_back_as_it_went_in() {
    let door = Door::open().await;
    let event = |id: &str, more: Value| {
        let mut event = json!({ "topic": "single", "id": id, "source": "/s", "type": "t", "key": "k" });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let sent = json!([
        event("json", json!({ "data": "null", "attributes": [{ "name": "tenant", "value": "blue" }] })),
        event("text", json!({ "dataContentType": "text/plain", "data": "1 < 2" })),
        event("bytes", json!({ "dataContentType": "image/png", "dataBase64": "AP8=" })),
        event("none", json!({ "time": "2026-01-01T00:00:00Z", "subject": "s", "dataSchema": "/schema" })),
    ]);
    assert_eq!(door.publish(sent.clone()).await["errors"], Value::Null);
    let query = "{ events(topic: \"single\") { events { id source type key data dataBase64 dataContentType \
        dataSchema time subject attributes { name value } } } }";
    let read = door.ask_graphql(query, Value::Null).await.json();
    let found = read["data"]["events"]["events"].as_array().unwrap();
    for (sent, found) in sent.as_array().unwrap().iter().zip(found) {
        for (name, value) in sent.as_object().unwrap().iter().filter(|(name, _)| *name != "topic") {
            assert_eq!(&found[name], value, "{name} of {found}");
        }
    }
    assert_eq!(found.len(), 4, "{read}");
    assert_eq!((&found[3]["data"], &found[3]["dataBase64"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_list_is_stored_whole_or_not_at_all() {
    let door = Door::open().await;
    let refused = door
        .publish(
            json!([flight("1", "N1"), { "topic": "flights", "id": "2", "source": "/s", "type": "t", "data": "{" }]),
        )
        .await;
    assert_eq!(first_error(&refused), ("RR0120".to_owned(), 400, Some(1), None), "{refused}");
    assert_eq!((&refused["data"], &refused["errors"][0]["path"]), (&json!({ "publish": null }), &json!(["publish"])));
    let stored = door.publish(flight("3", "N1")).await;
    let position = stored["data"]["publish"][0]["position"].as_str().unwrap().to_owned();
    let mut changed = flight("3", "N1");
    changed["data"] = json!("{\"tailnum\":\"N1\",\"other\":1}");
    let conflict = door.publish(json!([flight("4", "N1"), changed])).await;
    assert_eq!(first_error(&conflict), ("RR0142".to_owned(), 409, Some(1), Some(position)), "{conflict}");
    let query = "{ events(topic: \"flights\") { events { id } } }";
    let read = door.ask_graphql(query, Value::Null).await.json();
    assert_eq!(read["data"]["events"]["events"], json!([{ "id": "3" }]));
}

#[tokio::test]
async fn events_go_where_they_are_sent_or_where_their_type_leads() {
    let door = Door::open().await;
    let by_type =
        door.publish(json!({ "id": "1", "source": "/s", "type": "flight.x", "data": "{\"tailnum\":\"a\"}" })).await;
    assert_eq!(by_type["errors"], Value::Null, "{by_type}");
    let bare = door.publish(json!({ "topic": "single", "data": "{}" })).await;
    assert_eq!(bare["data"]["publish"][0]["position"], "single/0@0", "{bare}");
    for (event, code) in [
        (json!({ "id": "1", "source": "/s", "type": "unknown" }), "RR0141"),
        (json!({ "source": "/s", "type": "flight.x" }), "RR0130"),
        (json!({ "topic": "nowhere" }), "RR0140"),
        (json!({ "topic": "_own" }), "RR0143"),
        (json!({ "topic": "single", "data": "1", "dataBase64": "AA==" }), "RR0131"),
        (json!({ "topic": "single", "time": "yesterday" }), "RR0131"),
        (json!({ "topic": "single", "attributes": [{ "name": "No", "value": "" }] }), "RR0132"),
    ] {
        let refused = door.publish(event.clone()).await;
        assert_eq!(first_error(&refused).0, code, "{event}: {refused}");
    }
}

#[tokio::test]
async fn after_a_failed_write_nobody_knows_and_the_answer_says_so() {
    let door = Door::open().await;
    *door.log.refusal.lock().unwrap() = Some(riverrun_log::AppendError::Failed("the disk is gone".to_owned()));
    let failed = door.publish(flight("1", "N1")).await;
    assert_eq!(first_error(&failed).0, "RR0151", "{failed}");
    assert!(failed["errors"][0]["message"].as_str().unwrap().contains("unknown"), "{failed}");
}

#[tokio::test]
async fn topics_and_dead_letters_are_listed() {
    let door = Door::open().await;
    door.fly("1", "a").await;
    let topics = "{ topics { name accept key partitions { partition first next } } deadLetters { code event { id } } }";
    let answer = door.ask_graphql(topics, Value::Null).await.json();
    let flights = &answer["data"]["topics"][0];
    assert_eq!(
        (&flights["name"], &flights["accept"], &flights["key"]),
        (&json!("flights"), &json!(["flight.*"]), &json!("data.tailnum"))
    );
    let next: u64 = flights["partitions"].as_array().unwrap().iter().map(|one| one["next"].as_u64().unwrap()).sum();
    assert_eq!((next, &answer["data"]["deadLetters"]), (1, &json!([])), "{answer}");
    let unknown = door.ask_graphql("{ deadLetters(pipeline: \"p\") { code } }", Value::Null).await.json();
    assert_eq!(first_error(&unknown).0, "RR0170", "{unknown}");
}

#[tokio::test]
async fn a_read_that_cannot_be_is_refused_and_leaves_the_others() {
    let door = Door::open().await;
    let answer = door
        .ask_graphql(
            "{ a: events(topic: \"nowhere\") { cursor } b: events(topic: \"single\") { cursor } \
             c: events(topic: \"single\", limit: 0) { cursor } d: events(topic: \"single\", from: \"never\") { cursor } }",
            Value::Null,
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK, "data is there, so the request was answered");
    let answer = answer.json();
    assert_eq!(answer["data"], json!({ "a": null, "b": { "cursor": "0@0" }, "c": null, "d": null }));
    let mut codes: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|error| error["extensions"]["code"].clone()).collect();
    codes.sort_by_key(ToString::to_string);
    assert_eq!(codes, ["RR0140", "RR0160", "RR0160"], "{answer}");
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_with_a_status_and_without_data() {
    let door = Door::open().await;
    let text = ("content-type", "text/plain");
    let plain = ("accept", "application/json");
    for (line, headers, body, status, code) in [
        ("POST /graphql", &[text][..], r#"{"query":"{__typename}"}"#, 415, "RR0180"),
        ("POST /graphql", &[JSON], r#"[{"query":"{__typename}"}]"#, 400, "RR0180"),
        ("POST /graphql", &[JSON], "", 400, "RR0180"),
        ("POST /graphql", &[JSON, ("accept", "text/html")], r#"{"query":"{__typename}"}"#, 406, "RR0184"),
        ("POST /graphql", &[JSON, RESPONSE], r#"{"query":"{"}"#, 400, "RR0181"),
        ("POST /graphql", &[JSON, RESPONSE], r#"{"query":"{nothing}"}"#, 400, "RR0181"),
        ("POST /graphql", &[JSON, plain], r#"{"query":"{nothing}"}"#, 200, "RR0181"),
        (
            "POST /graphql",
            &[JSON, RESPONSE],
            r#"{"query":"{topics{name}topics{name}topics{name}topics{name}topics{name}topics{name}topics{name}topics{name}topics{name}topics{name}}"}"#,
            400,
            "RR0182",
        ),
        (
            "POST /graphql",
            &[JSON, RESPONSE],
            r#"{"query":"subscription{events(topic:\"single\"){cursor}}"}"#,
            405,
            "RR0183",
        ),
        ("GET /graphql?query=mutation%7B__typename%7D", &[plain], "", 405, "RR0183"),
        ("GET /graphql", &[], "", 400, "RR0180"),
    ] {
        let answer = door.ask(line, headers, body).await;
        let found = answer.json();
        assert_eq!((answer.status.as_u16(), &*first_error(&found).0), (status, code), "{line} {body}: {answer:?}");
        assert_eq!(found.get("data"), None, "{line} {body}");
    }
    let large = format!(r#"{{"query":"{{__typename}}{}"}}"#, " ".repeat(Limits::default().body_bytes_max));
    assert_eq!(door.ask("POST /graphql", &[JSON], large).await.status, 413);
}

#[tokio::test]
async fn answers_that_nobody_takes_keep_their_room() {
    let door = Door::open().await;
    let reads: String = (0..9).map(|n| format!("r{n}:events(topic:\"single\"){{cursor}}")).collect();
    let nine_reads = format!("{{{reads}}}");
    let body = json!({ "query": nine_reads }).to_string();
    // Room for 64 MiB of answers, and 2 MiB for each read.
    let mut untaken = Vec::new();
    for _ in 0..3 {
        untaken.push(door.begin("POST /graphql", &[JSON, RESPONSE], body.clone()).await);
    }
    let refused = door.ask_graphql(&nine_reads, Value::Null).await.json();
    assert_eq!(first_error(&refused), ("RR0185".to_owned(), 429, None, None), "{refused}");
    assert_eq!(refused["errors"][0]["extensions"]["retryAfter"], 1);
    drop(untaken);
    assert_eq!(door.ask_graphql(&nine_reads, Value::Null).await.json()["errors"], Value::Null);
}

#[tokio::test]
async fn fields_are_answered_in_the_order_asked_for() {
    let door = Door::open().await;
    let (read, listed) = ("events(topic:\"single\"){cursor}", "topics{name}");
    let query = format!("{{e:{read} d:{listed} c:deadLetters{{code}} b:{read} a:{listed}}}");
    let answer = door.ask_graphql(&query, Value::Null).await.text;
    let mut rest = answer.as_str();
    for name in ["e", "d", "c", "b", "a"] {
        rest = rest.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("{name} in {answer}")).1;
    }
}

#[tokio::test]
async fn queries_go_by_get_too() {
    let door = Door::open().await;
    let query =
        "/graphql?query=query(%24t:String!)%7Bevents(topic:%24t)%7Bcursor%7D%7D&variables=%7B%22t%22:%22single%22%7D";
    let answer = door.get(query).await;
    assert_eq!((answer.status.as_u16(), &answer.json()), (200, &json!({ "data": { "events": { "cursor": "0@0" } } })));
    assert_eq!(answer.headers["content-type"], "application/json; charset=utf-8");
}

#[tokio::test]
async fn a_token_is_needed_where_tokens_are_declared() {
    let door = Door::with(Limits::default(), &["secret"]).await;
    let body = r#"{"query":"{topics{name}}"}"#;
    assert_eq!(door.ask("POST /graphql", &[JSON], body).await.status, 401);
    let answer = door.ask("POST /graphql", &[JSON, ("authorization", "Bearer secret")], body).await;
    assert_eq!(answer.json()["data"]["topics"][0]["name"], "flights");
}

#[tokio::test]
async fn a_token_touches_only_what_it_may() {
    let grant = |name: &str, verbs: &[Verb], topic: &str| {
        let topics = Some(vec![TypePattern(topic.to_owned())]);
        Token::new(Grant { name: name.to_owned(), verbs: verbs.to_vec(), topics }, name)
    };
    let tokens = vec![
        grant("publishes-flights", &[Verb::Publish], "flights"),
        grant("reads-single", &[Verb::Read], "single"),
        grant("operates", &[Verb::Operate], "single"),
    ];
    let door = Door::for_callers(Limits::default(), tokens).await;
    let publish = |topic: &str| format!("mutation{{publish(events:{{{topic},key:\"k\"}}){{position}}}}");
    let (to_flights, to_single, to_nowhere) =
        (publish("topic:\"flights\""), publish("topic:\"single\""), publish("topic:\"nowhere\""));
    let by_type = publish("id:\"1\",source:\"/s\",type:\"flight.x\"");
    let read = |topic: &str| format!("{{events(topic:\"{topic}\"){{cursor}}}}");
    let dead_letters = "{deadLetters{code}}";
    for (token, query, code) in [
        ("publishes-flights", &*to_flights, ""),
        ("publishes-flights", &*by_type, ""),
        ("publishes-flights", &*to_single, "RR0197"),
        ("publishes-flights", &*to_nowhere, "RR0197"),
        ("publishes-flights", &*read("flights"), "RR0196"),
        ("reads-single", &*read("single"), ""),
        ("reads-single", &*read("flights"), "RR0197"),
        ("reads-single", &*read("nowhere"), "RR0197"),
        ("reads-single", &*read("_own"), "RR0196"),
        ("reads-single", &*by_type, "RR0196"),
        ("reads-single", dead_letters, "RR0196"),
        ("operates", dead_letters, ""),
        ("operates", &*read("_own"), ""),
        ("operates", &*read("single"), "RR0196"),
    ] {
        let answer = door.ask_as(token, query).await;
        assert_eq!(first_error(&answer).0, code, "{token}: {query}: {answer}");
    }
    let listed = door.ask_as("reads-single", "{topics{name}}").await;
    assert_eq!(listed["data"], json!({ "topics": [{ "name": "single" }] }));
}

#[test]
fn the_schema_is_the_one_in_the_documents() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema.graphql");
    let built = riverrun_ingest::graphql::sdl();
    if std::env::var_os("RIVERRUN_BLESS").is_some() {
        std::fs::write(file, &built).unwrap();
    }
    let written = std::fs::read_to_string(file).unwrap_or_default();
    assert!(written == built, "docs/schema.graphql is not the schema; RIVERRUN_BLESS=1 writes it anew");
}
