//! `POST /pipelines/{pipeline}/replays`: starts a replay and tells how far it is, line by line, until it ends.
//!
//! The replay goes on when the caller hangs up; asked for again, it goes on where it is. When the server stops, the answer ends
//! without a last line.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use riverrun_event::event::is_json_media_type;
use riverrun_event::{PipelineName, Time, TopicName};
use riverrun_ingest::{Caller, Verb};
use riverrun_runtime::{Replay, ReplayProgress, ReplayRequest};
use serde::{Deserialize, Serialize};

use super::Parts;
use super::problem::RouteError;

/// How often a line is sent.
const LINE_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    to: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    recompute: bool,
    #[serde(default)]
    ask: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Progress { processed: u64, total: u64 },
    Done { done: bool, processed: u64, emitted: u64, dropped: u64, failed: u64, topics: Vec<String> },
    Stopped { error: Stopped },
}

#[derive(Serialize)]
struct Stopped {
    code: &'static str,
    detail: String,
}

pub(super) async fn start(
    State(parts): State<Arc<Parts>>,
    Extension(caller): Extension<Caller>,
    Path(pipeline): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, RouteError> {
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media_type.is_some_and(is_json_media_type) {
        return Err(RouteError::ReplayMediaType);
    }
    let request = request(&parts, &pipeline, &body)?;
    caller.permit(Verb::Operate, &request.to)?;
    let replay = parts.runtime.replay(&request).await?;
    let lines = stream::unfold((Some(replay), parts.closing.clone()), |(replay, mut closing)| async {
        let replay = replay?;
        // A line at the latest after the interval, and the last one at once.
        tokio::select! {
            _ = tokio::time::timeout(LINE_INTERVAL, replay.finished()) => {}
            _ = closing.wait_for(|closing| *closing) => return None,
        }
        let (line, replay) = line(replay);
        Some((line, (replay, closing)))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn line(replay: Replay) -> (Result<Bytes, serde_json::Error>, Option<Replay>) {
    let ReplayProgress { processed, total, counts, finished, stopped } = replay.progress();
    let (line, next) = match stopped {
        Some(detail) => (Line::Stopped { error: Stopped { code: "RR0176", detail } }, None),
        None if finished => {
            let failed = counts.dead_letters + counts.skipped;
            let topics = replay.topics().iter().map(ToString::to_string).collect();
            let (emitted, dropped) = (counts.emitted, counts.dropped);
            (Line::Done { done: true, processed, emitted, dropped, failed, topics }, None)
        }
        None => (Line::Progress { processed, total }, Some(replay)),
    };
    let written = serde_json::to_vec(&line).map(|mut text| {
        text.push(b'\n');
        Bytes::from(text)
    });
    (written, next)
}

fn request(parts: &Parts, pipeline: &str, body: &[u8]) -> Result<ReplayRequest, RouteError> {
    let known = || parts.topology.pipelines.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let unknown = || RouteError::UnknownPipeline { asked: pipeline.to_owned(), known: known() };
    let pipeline = PipelineName::new(pipeline).ok().filter(|name| parts.topology.pipelines.contains_key(name));
    let refused = |detail: String| RouteError::ReplayRequest(detail);
    let asked: Asked = serde_json::from_slice(body).map_err(|error| refused(error.to_string()))?;
    let from = match asked.from.as_deref() {
        None | Some("beginning") => None,
        Some(time) => Some(Time::parse(time).map_err(|error| refused(format!("from: {error}, or beginning")))?),
    };
    Ok(ReplayRequest {
        pipeline: pipeline.ok_or_else(unknown)?,
        to: TopicName::new(&asked.to).map_err(|error| refused(format!("to: {error}")))?,
        from,
        recompute: asked.recompute,
        ask: asked.ask,
    })
}
