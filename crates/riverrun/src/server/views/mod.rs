//! `GET /views`, `GET /views/{view}` and `GET /views/{view}/{key}`: the keyed state of steps, as it was at the last commit.
//!
//! With `min_position` an answer waits until the view holds what came of that event, or says that it does not: it is never
//! stale without a word. With `follow` an answer goes on with the rows that change.
//!
//! Where several instances share the tasks of a view, each answers for all of them: it asks the [`others`] for what they have. An
//! answer that lacks a task is not given. Tasks that are on their way are waited for, as long as the question allows.

mod follow;
mod gather;
pub(super) mod others;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use riverrun_event::{Position, Time, TopicName, ViewName};
use riverrun_ingest::{Caller, Verb};
use riverrun_runtime::views::{Keys, View, ViewQuery};
use serde::{Deserialize, Serialize};

use self::gather::Question;
use self::others::{PART, Part, Way};
use self::wire::{Page, unhex};
use super::Parts;
use super::problem::RouteError;

/// Rows of an answer where the question does not say.
const LIMIT_DEFAULT: usize = 100;
/// Most rows of one answer.
const LIMIT_MAX: usize = 10_000;
/// How long an answer waits, for a position or for tasks on their way, where the question does not say.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(5);
/// How long it waits at most.
const PATIENCE_MAX: Duration = Duration::from_secs(60);

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
    uri: Uri,
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
    let question = question(view, keys, &asked, &uri, &headers)?;
    match part(&headers)? {
        Some(part) if part.changes => follow::changes_of(&parts, question, &part),
        Some(part) => of_part(&parts, question, &part).await,
        None if asked.follow => follow::follow(&parts, question, &headers).await,
        None => Ok(axum::Json(Page::from(question.answer(&parts).await?)).into_response()),
    }
}

/// The row of a key, or its rows where the view has windows.
pub(super) async fn of_key(
    State(parts): State<Arc<Parts>>,
    Extension(caller): Extension<Caller>,
    Path((name, key)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, RouteError> {
    let Query(asked) = asked.map_err(|error| RouteError::ViewQuery(error.body_text()))?;
    let view = find(&parts, &caller, &name)?;
    let question = question(view, Keys::One(key.clone().into_bytes()), &asked, &uri, &headers)?;
    if let Some(part) = part(&headers)? {
        return of_part(&parts, question, &part).await;
    }
    let mut answer = question.answer(&parts).await?;
    match answer.entries.pop() {
        None => Err(RouteError::NoRow { view: name, key }),
        Some(entry) if answer.entries.is_empty() && !entry.row.has_window() => {
            Ok(axum::Json(entry.row).into_response())
        }
        Some(entry) => {
            answer.entries.push(entry);
            Ok(axum::Json(Page::from(answer)).into_response())
        }
    }
}

/// What this instance has of an answer that another puts together.
async fn of_part(parts: &Parts, question: Question, part: &Part) -> Result<Response, RouteError> {
    let answer = question.continued(part)?.read_here(parts, &part.tasks()).await?;
    Ok(axum::Json(Page::of_part(answer)).into_response())
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

fn question(
    view: Arc<View>,
    keys: Keys,
    asked: &Asked,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Question, RouteError> {
    let texts = asked.min_position.split(',').filter(|text| !text.is_empty());
    let positions: Vec<Position> = texts.map(|text| text.trim().parse()).collect::<Result<_, _>>()?;
    let path = uri.path_and_query().map_or_else(|| uri.path().to_owned(), ToString::to_string);
    Ok(Question {
        view,
        query: query(keys, asked)?,
        positions,
        patience: asked.wait_ms.map_or(PATIENCE_DEFAULT, Duration::from_millis).min(PATIENCE_MAX),
        way: Way { path, authorization: headers.get(AUTHORIZATION).cloned() },
    })
}

/// What another instance wants of this one, if it is one that asks.
fn part(headers: &HeaderMap) -> Result<Option<Part>, RouteError> {
    let refused = |_| RouteError::ViewQuery(format!("the header `{PART}` is not what an instance sends"));
    headers.get(PART).map(|value| serde_json::from_slice(value.as_bytes()).map_err(refused)).transpose()
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
        after,
        limit,
    })
}
