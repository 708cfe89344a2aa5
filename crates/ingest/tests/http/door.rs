//! A door with a log behind it: topics `flights` (4 partitions, keyed by `data.tailnum`), `single` (1 partition) and `_own`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use riverrun_accept::Acceptor;
use riverrun_event::limits::Limits;
use riverrun_event::{AppName, TopicName};
use riverrun_ingest::{Access, Consumers, Doors, Grant, Guarded, Metrics, Token};
use riverrun_log::{MemoryLog, Retention, TopicSpec, Topics as _};
use riverrun_topology::{Expression, Topic, TypePattern};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::staged_log::StagedLog;

pub(crate) struct Door {
    pub(crate) log: Arc<StagedLog>,
    pub(crate) metrics: Metrics,
    pub(crate) closing: watch::Sender<bool>,
    pub(crate) routes: Guarded,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The values of one member of every line.
    pub(crate) fn column(&self, name: &str) -> Vec<String> {
        let lines = self.text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line[name].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::with(Limits { body_bytes_max: 64 * 1024, batch_events_max: 1_000, ..Limits::default() }, &[]).await
    }

    pub(crate) async fn with(limits: Limits, secrets: &[&str]) -> Self {
        let tokens = secrets.iter().map(|secret| Token::new(Grant::everything("test"), secret));
        Self::for_callers(limits, tokens.collect()).await
    }

    /// A door that only those with these tokens may use.
    pub(crate) async fn for_callers(limits: Limits, tokens: Vec<Token>) -> Self {
        let start = riverrun_event::Time::parse("2026-05-01T10:00:00Z").unwrap();
        let memory = MemoryLog::stepping(start, Duration::from_secs(60));
        let log = Arc::new(StagedLog { memory, ..StagedLog::default() });
        let spec = |name: &str, partitions| {
            let name = TopicName::internal(name).unwrap();
            TopicSpec { name, partitions, retention: Retention::default() }
        };
        log.ensure(&[spec("flights", 4), spec("single", 1), spec("_own", 1)]).await.unwrap();
        Self::on(log, limits, tokens)
    }

    /// Another door to the same log, as after a restart.
    pub(crate) fn restarted(&self) -> Self {
        Self::on(Arc::clone(&self.log), Limits::default(), Vec::new())
    }

    fn on(log: Arc<StagedLog>, limits: Limits, tokens: Vec<Token>) -> Self {
        let flights = Topic {
            key: Some(Expression::parse("data.tailnum").unwrap()),
            accept: vec![TypePattern("flight.*".to_owned())],
            ..Topic::new(TopicName::new("flights").unwrap())
        };
        let single = Topic { partitions: 1, ..Topic::new(TopicName::new("single").unwrap()) };
        let metrics = Metrics::default();
        let closing = watch::Sender::new(false);
        let doors = Doors {
            entrances: false,
            log: Arc::clone(&log) as _,
            acceptor: Arc::new(Acceptor::new([flights, single], limits).unwrap()),
            consumers: Consumers::new(Arc::clone(&log) as _, AppName::new("test").unwrap()),
            limits,
            metrics: metrics.clone(),
            access: Arc::new(Access::new("127.0.0.1:8080".parse().unwrap(), &[], tokens)),
            dead_letters: Arc::new([TopicName::internal("_own").unwrap()]),
            closing: closing.subscribe(),
        };
        let access = Arc::clone(&doors.access);
        let routes = riverrun_ingest::http::routes(doors).guarded(access, metrics.clone());
        Self { log, metrics, closing, routes }
    }

    /// Sends a request and gives the answer as it begins.
    pub(crate) async fn begin(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:8080");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.routes.clone().into_router().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let (parts, body) = self.begin(line, headers, body).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], Body::empty()).await
    }

    /// Publishes an event with this id and key to `flights`.
    pub(crate) async fn fly(&self, id: &str, key: &str) {
        let body = format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","partitionkey":"{key}"}}"#);
        let answer = self.ask("POST /topics/flights/events", &[STRUCTURED], body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

pub(crate) const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
pub(crate) const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
pub(crate) const JSON: (&str, &str) = ("content-type", "application/json");

/// An event in structured mode.
pub(crate) fn event(id: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"flight.departed","data":{data}}}"#)
}
