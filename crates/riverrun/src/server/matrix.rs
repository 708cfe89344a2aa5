//! Who may do what, for every route of a running server: the cases come from the table the server itself is guarded by, so a
//! route that is added is tested too, and one without an example here fails.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use riverrun_ingest::{Guarded, Needs, Route, Verb};
use tower::ServiceExt as _;

use super::{ServeOptions, Server};

const APP: &str = "\
app: shop
listen: 127.0.0.1:0
access:
  hosts: [shop.example]
  tokens:
    - { name: admin, secret: 'admin-secret' }
    - { name: publishes, secret: 'publish-secret', verbs: [publish] }
    - { name: reads, secret: 'read-secret', verbs: [read] }
    - { name: operates, secret: 'operate-secret', verbs: [operate] }
    - { name: orders-only, secret: 'orders-secret', topics: orders* }
topics:
  orders: { accept: orders.* }
  flights: { accept: flights.* }
pipelines:
  checked: { from: orders, to: orders-checked }
  orders-counted: { from: orders, steps: [count: { view: orders }], to: orders-counts }
  flights-counted: { from: flights, steps: [count: { view: flights }], to: flights-counts }
";

/// What a request to a route looks like when it is about `topic`. A new route needs a line here.
fn example(route: &Route, topic: &str) -> (String, &'static str, String) {
    let event = format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"{topic}.a"}}"#);
    const EVENT: &str = "application/cloudevents+json";
    const JSON: &str = "application/json";
    let (media_type, body) = match (route.method, route.path) {
        ("GET" | "DELETE", _) => ("", String::new()),
        ("POST", "/topics/{topic}/events" | "/events") => (EVENT, event),
        ("POST", "/pipelines/{pipeline}/replays") => (JSON, format!(r#"{{"to":"{topic}-again"}}"#)),
        ("POST", "/consumers/{consumer}/commit") => (JSON, format!(r#"{{"cursor":"{topic}/0@0~1.1"}}"#)),
        ("POST", "/consumers/{consumer}/reset") => (JSON, r#"{"to":"beginning"}"#.to_owned()),
        ("POST", "/migration") => ("", String::new()),
        ("POST", "/graphql") => (JSON, r#"{"query":"{__typename}"}"#.to_owned()),
        (method, path) => panic!("{method} {path} needs an example of a request in this test"),
    };
    let consumer = consumer_of(topic);
    let parameters = [
        ("{topic}", topic),
        ("{pipeline}", "checked"),
        ("{*position}", "_dead-letters.checked/0@0"),
        ("{consumer}", &consumer),
        ("{reader}", "first"),
        ("{view}", topic),
        ("{key}", "ada"),
    ];
    let mut path = parameters.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!path.contains('{'), "{path} needs a value in this test");
    if route.path == READ_AS_CONSUMER {
        path.push_str(&format!("?topic={topic}&wait=0"));
    }
    (path, media_type, body)
}

/// Reading as a consumer is also how one comes to be.
const READ_AS_CONSUMER: &str = "/consumers/{consumer}/events";

/// The consumer that reads this topic.
fn consumer_of(topic: &str) -> String {
    format!("of-{topic}")
}

/// Sees to it that the consumer is there that the route is about; an earlier case may have removed it.
async fn prepare(router: &Router, topic: &str) {
    let read = Route { method: "GET", path: READ_AS_CONSUMER, needs: Needs::Topic(Verb::Read) };
    let asked = Asked { host: "localhost", authorization: Some("Bearer admin-secret"), topic };
    assert_eq!(ask(router, &read, &asked).await, Outcome::LetIn);
}

/// What comes back, as far as access goes.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    LetIn,
    Unknown,
    Foreign,
    NoVerb,
    NoTopic,
}

struct Asked<'a> {
    host: &'a str,
    authorization: Option<&'a str>,
    topic: &'a str,
}

async fn ask(router: &Router, route: &Route, asked: &Asked<'_>) -> Outcome {
    let (path, media_type, body) = example(route, asked.topic);
    let method = Method::from_bytes(route.method.as_bytes()).unwrap();
    let mut request = Request::builder().method(method).uri(path).header("host", asked.host);
    if let Some(authorization) = asked.authorization {
        request = request.header("authorization", authorization);
    }
    if !media_type.is_empty() {
        request = request.header("content-type", media_type);
    }
    let response = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let status = response.status();
    if !status.is_client_error() {
        assert!(!status.is_server_error(), "{} {}: {status}", route.method, route.path);
        return Outcome::LetIn;
    }
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    match (status, problem["code"].as_str().unwrap_or_default()) {
        (StatusCode::UNAUTHORIZED, "RR0101") => Outcome::Unknown,
        (StatusCode::FORBIDDEN, "RR0102") => Outcome::Foreign,
        (StatusCode::FORBIDDEN, "RR0196") => Outcome::NoVerb,
        (StatusCode::FORBIDDEN, "RR0197") => Outcome::NoTopic,
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, code) => panic!("{status} {code}"),
        // There is no dead letter at the example's place; being told so is being let in.
        _ => Outcome::LetIn,
    }
}

/// What each route has to answer, from its entry alone.
fn cases(needs: Needs) -> Vec<(Asked<'static>, Outcome)> {
    let case = |host, authorization, topic, outcome| (Asked { host, authorization, topic }, outcome);
    let known = |authorization, topic, outcome| case("localhost", Some(authorization), topic, outcome);
    let verb = match needs {
        Needs::Nothing => {
            return vec![
                case("localhost", None, "orders", Outcome::LetIn),
                case("evil.example", Some("Bearer wrong"), "orders", Outcome::LetIn),
            ];
        }
        // Without an upgrade, `KnownInTime` is the same; what a socket needs is tested where it is served.
        Needs::Known | Needs::KnownInTime => None,
        Needs::Caller(verb) | Needs::Topic(verb) => Some(verb),
    };
    let mut cases = vec![
        case("localhost", None, "orders", Outcome::Unknown),
        known("Bearer wrong", "orders", Outcome::Unknown),
        known("Basic orders-secret", "orders", Outcome::Unknown),
        case("evil.example", Some("Bearer orders-secret"), "orders", Outcome::Foreign),
        case("shop.example", Some("Bearer orders-secret"), "orders", Outcome::LetIn),
    ];
    let tokens = [
        (Verb::Publish, "Bearer publish-secret"),
        (Verb::Read, "Bearer read-secret"),
        (Verb::Operate, "Bearer operate-secret"),
    ];
    if let Some(verb) = verb {
        let outcome = |has| if has == verb { Outcome::LetIn } else { Outcome::NoVerb };
        cases.extend(tokens.map(|(has, token)| known(token, "orders", outcome(has))));
    }
    if matches!(needs, Needs::Topic(_)) {
        cases.push(known("Bearer orders-secret", "flights", Outcome::NoTopic));
    }
    cases
}

async fn start(directory: &std::path::Path) -> (Server, Guarded) {
    let app = crate::App::parse(APP, directory.join("riverrun.yaml")).unwrap();
    let settings = app.settings().clone();
    let server = app.serve(ServeOptions::default()).await.unwrap();
    let routes = server.routes(settings.listen, &settings, true);
    (server, routes)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_lets_in_whom_its_entry_says_and_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let (server, routes) = start(directory.path()).await;
    assert!(routes.table().len() >= 10, "{:?}", routes.table());
    let router = routes.clone().into_router();
    for route in routes.table() {
        for (asked, expected) in cases(route.needs) {
            if route.path.contains("{consumer}") {
                prepare(&router, asked.topic).await;
            }
            let outcome = ask(&router, route, &asked).await;
            let Asked { host, authorization, topic } = asked;
            let what = format!("{} {} for {topic} at {host} with {authorization:?}", route.method, route.path);
            assert_eq!(outcome, expected, "{what}");
        }
    }
    drop(router);
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_touches_a_foreign_topic_is_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let (server, routes) = start(directory.path()).await;
    let event = |id: u32, kind: &str| format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"{kind}"}}"#);
    let body = format!("[{},{}]", event(1, "orders.a"), event(2, "flights.a"));
    let request = Request::post("/events").header("host", "localhost").header("authorization", "Bearer orders-secret");
    let request = request.header("content-type", "application/cloudevents-batch+json").body(Body::from(body)).unwrap();
    let response = routes.into_router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let problem: serde_json::Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!((&problem["code"], &problem["index"]), (&"RR0197".into(), &1.into()), "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("orders-only") && detail.contains("publish") && detail.contains("flights"), "{detail}");
    let status = super::status::Status::of(&server.parts, &[]).unwrap();
    let status = serde_json::to_value(status).unwrap();
    let ends = status["topics"].as_array().unwrap().iter().flat_map(|topic| topic["partitions"].as_array().unwrap());
    assert!(ends.clone().all(|bounds| bounds["end"] == 0), "{status}");
    server.shutdown().await.unwrap();
}
