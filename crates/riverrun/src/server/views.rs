//! `GET /views`, `GET /views/{view}` and `GET /views/{view}/{key}`: the keyed state of steps, as it was at the last commit.
//!
//! With `min_position` an answer waits until the view holds what came of that event, or says that it does not: it is never
//! stale without a word. With `follow` an answer goes on with the rows that change.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use riverrun_event::{Position, Time, TopicName, ViewName};
use riverrun_ingest::{Caller, Verb};
use riverrun_runtime::views::{Keys, View, ViewChange, ViewPage, ViewQuery};
use riverrun_topology::view::ViewRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::broadcast::error::RecvError;

use super::Parts;
use super::problem::RouteError;

/// Rows of an answer where the question does not say.
const LIMIT_DEFAULT: usize = 100;
/// Most rows of one answer.
const LIMIT_MAX: usize = 10_000;
/// How long an answer waits for a position where the question does not say.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(5);
/// How long it waits at most.
const PATIENCE_MAX: Duration = Duration::from_secs(60);
/// How often a stream shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    prefix: Option<String>,
    from: Option<String>,
    to: Option<String>,
    window_from: Option<String>,
    window_to: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    min_position: String,
    wait_ms: Option<u64>,
    #[serde(default)]
    follow: bool,
}

#[derive(Serialize)]
struct Listed {
    name: String,
    pipeline: String,
    step: String,
    tasks: usize,
}

#[derive(Serialize)]
struct Row {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Window>,
    /// `null` for a row that is gone.
    data: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Window {
    start: String,
    end: String,
}

#[derive(Serialize)]
struct Page {
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The views there are.
pub(super) async fn list(State(parts): State<Arc<Parts>>) -> Response {
    let listed = parts.runtime.views().iter().map(|view| Listed {
        name: view.name.to_string(),
        pipeline: view.stage.pipeline.to_string(),
        step: view.operator.to_string(),
        tasks: view.task_count(),
    });
    axum::Json(listed.collect::<Vec<_>>()).into_response()
}

/// Rows of a view, in the order of their keys.
pub(super) async fn rows(
    State(parts): State<Arc<Parts>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, RouteError> {
    let Query(asked) = asked.map_err(|error| RouteError::ViewQuery(error.body_text()))?;
    let view = find(&parts, &caller, &name)?;
    let keys = match (&asked.prefix, &asked.from, &asked.to) {
        (Some(prefix), None, None) => Keys::Prefix(prefix.clone().into_bytes()),
        (None, None, None) => Keys::All,
        (None, from, Some(to)) => Keys::Range(from.clone().unwrap_or_default().into_bytes(), to.clone().into_bytes()),
        _ => {
            return Err(RouteError::ViewQuery(
                "name keys either by `prefix`, or by `from` and `to` (up to but without `to`)".to_owned(),
            ));
        }
    };
    let query = query(keys, &asked)?;
    wait(&parts, &view, &asked).await?;
    if asked.follow {
        return follow(&parts, view, query, &headers).await;
    }
    let page = read(view, query).await?;
    Ok(axum::Json(Page::from(page)).into_response())
}

/// The row of a key, or its rows where the view has windows.
pub(super) async fn of_key(
    State(parts): State<Arc<Parts>>,
    Extension(caller): Extension<Caller>,
    Path((name, key)): Path<(String, String)>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, RouteError> {
    let Query(asked) = asked.map_err(|error| RouteError::ViewQuery(error.body_text()))?;
    let view = find(&parts, &caller, &name)?;
    let query = query(Keys::One(key.clone().into_bytes()), &asked)?;
    wait(&parts, &view, &asked).await?;
    let page = read(view, query).await?;
    match page.entries.as_slice() {
        [] => Err(RouteError::NoRow { view: name, key }),
        [entry] if entry.row.window.is_none() => Ok(axum::Json(Row::from(&entry.row)).into_response()),
        _ => Ok(axum::Json(Page::from(page)).into_response()),
    }
}

/// A view shows what the topics it is made from say, so whoever reads it needs to read all of them.
fn find(parts: &Parts, caller: &Caller, name: &str) -> Result<Arc<View>, RouteError> {
    let view = ViewName::new(name).ok().and_then(|name| parts.runtime.views().get(&name).cloned());
    let Some(view) = view else {
        let known: Vec<&str> = parts.runtime.views().iter().map(|view| view.name.as_str()).collect();
        caller.permit_verb(Verb::Read)?;
        return Err(RouteError::UnknownView { asked: name.to_owned(), known: known.join(", ") });
    };
    let inputs = parts.topology.pipelines.get(&view.stage.pipeline).map(|pipeline| pipeline.inputs());
    let permit = |topic: &TopicName| caller.permit(Verb::Read, topic);
    inputs.unwrap_or_default().into_iter().try_for_each(permit)?;
    Ok(view)
}

fn query(keys: Keys, asked: &Asked) -> Result<ViewQuery, RouteError> {
    let time = |name: &str, text: &Option<String>| {
        let refused = |error| RouteError::ViewQuery(format!("`{name}`: {error}; write it as 2026-03-01T12:00:00Z"));
        text.as_deref().map(Time::parse).transpose().map_err(refused)
    };
    let after = asked.after.as_deref().map(unhex).transpose()?;
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(RouteError::ViewQuery(format!("`limit` is {limit}; it is 1 to {LIMIT_MAX}")));
    }
    Ok(ViewQuery {
        keys,
        window_from: time("window_from", &asked.window_from)?,
        window_to: time("window_to", &asked.window_to)?,
        after: after.map(Into::into),
        limit,
    })
}

async fn wait(parts: &Parts, view: &View, asked: &Asked) -> Result<(), RouteError> {
    let texts = asked.min_position.split(',').filter(|text| !text.is_empty());
    let positions: Vec<Position> = texts.map(|text| text.trim().parse()).collect::<Result<_, _>>()?;
    let patience = asked.wait_ms.map_or(PATIENCE_DEFAULT, Duration::from_millis).min(PATIENCE_MAX);
    if positions.is_empty() { Ok(()) } else { Ok(parts.runtime.view_holds(view, &positions, patience).await?) }
}

async fn read(view: Arc<View>, query: ViewQuery) -> Result<ViewPage, RouteError> {
    // One row takes microseconds; to hand it to another thread and back takes ten times as long.
    if view.reads_one_row(&query) {
        return Ok(view.read(&query)?);
    }
    let read = tokio::task::spawn_blocking(move || view.read(&query)).await;
    Ok(read.map_err(|error| riverrun_log::ReadError::Failed(error.to_string()))??)
}

/// Every row asked for, then every row that changes.
async fn follow(parts: &Parts, view: Arc<View>, query: ViewQuery, headers: &HeaderMap) -> Result<Response, RouteError> {
    let server_sent = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes() == b"text/event-stream");
    // What changes while the rows are read comes twice rather than not at all.
    let changes = view.follow();
    let mut first = Vec::new();
    let mut next = query.clone();
    loop {
        let page = read(Arc::clone(&view), next.clone()).await?;
        page.entries.iter().for_each(|entry| write(&Row::from(&entry.row), server_sent, &mut first));
        match page.next {
            Some(after) => next.after = Some(after),
            None => break,
        }
    }
    let following = Following { changes, keys: query.keys, closing: parts.closing.clone(), server_sent };
    let lines = stream::unfold((Some(following), Some(first)), |(following, first)| async move {
        if let Some(first) = first {
            return Some((Ok::<_, std::io::Error>(first), (following, None)));
        }
        let mut following = following?;
        let piece = following.next().await?;
        Some(match piece {
            Ok(text) => (Ok(text), (Some(following), None)),
            Err(error) => (Err(error), (None, None)),
        })
    });
    let kind = if server_sent { "text/event-stream" } else { "application/x-ndjson" };
    Ok(([(CONTENT_TYPE, kind)], Body::from_stream(lines)).into_response())
}

struct Following {
    changes: tokio::sync::broadcast::Receiver<ViewChange>,
    keys: Keys,
    closing: tokio::sync::watch::Receiver<bool>,
    server_sent: bool,
}

impl Following {
    /// The next change as text; an error breaks the answer off, so that a reader that was too slow does not take it for whole.
    async fn next(&mut self) -> Option<std::io::Result<Vec<u8>>> {
        loop {
            tokio::select! {
                change = self.changes.recv() => match change {
                    Ok(change) if is_among(&self.keys, &change.key) => {
                        let gone = || Row { key: text_of(&change.key), window: None, data: None };
                        let row = change.row.as_ref().map_or_else(gone, Row::from);
                        let mut text = Vec::new();
                        write(&row, self.server_sent, &mut text);
                        return Some(Ok(text));
                    }
                    Ok(_) => {}
                    Err(RecvError::Closed) => return None,
                    Err(RecvError::Lagged(missed)) => {
                        return Some(Err(std::io::Error::other(format!("{missed} changes were missed; read the view anew"))));
                    }
                },
                _ = self.closing.wait_for(|closing| *closing) => return None,
                () = tokio::time::sleep(KEEP_ALIVE), if self.server_sent => {
                    return Some(Ok(b": keep-alive\n\n".to_vec()));
                }
            }
        }
    }
}

fn is_among(keys: &Keys, key: &[u8]) -> bool {
    match keys {
        Keys::All => true,
        Keys::One(one) => one == key,
        Keys::Prefix(prefix) => key.starts_with(prefix),
        Keys::Range(from, to) => key >= from.as_slice() && key < to.as_slice(),
    }
}

fn write(row: &Row, server_sent: bool, out: &mut Vec<u8>) {
    // Rows hold texts and JSON that was checked, which always can be written.
    let json = serde_json::to_vec(row).unwrap_or_default();
    if server_sent {
        out.extend_from_slice(b"data: ");
    }
    out.extend_from_slice(&json);
    out.extend_from_slice(if server_sent { b"\n\n" } else { b"\n" });
}

impl From<&ViewRow> for Row {
    fn from(row: &ViewRow) -> Self {
        let text = String::from_utf8_lossy(&row.data).into_owned();
        let window = row.window.map(|(start, end)| Window { start: start.to_string(), end: end.to_string() });
        Self { key: text_of(&row.key), window, data: RawValue::from_string(text).ok() }
    }
}

impl From<ViewPage> for Page {
    fn from(page: ViewPage) -> Self {
        let rows = page.entries.iter().map(|entry| Row::from(&entry.row)).collect();
        Self { rows, next: page.next.map(|place| hex(&place)) }
    }
}

/// Keys are text nearly always; what is none is shown as far as it is.
fn text_of(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Result<Vec<u8>, RouteError> {
    let refused = || RouteError::ViewQuery("`after` is not what an answer gave as `next`".to_owned());
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    digits.collect::<Option<Vec<u8>>>().ok_or_else(refused)
}
