//! The server's routes: those of the doors, and its own beside them.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use riverrun_ingest::http::problem;
use riverrun_ingest::{Doors, http};
use riverrun_log::{Health, Observe};
use riverrun_runtime::PipelineState;

use super::problem::RouteError;
use super::status::Status;
use super::{Parts, dead_letters, replays};

/// Everything that is served. Without `open`, events neither come in nor go out; health, metrics and status are still there.
pub(super) fn router(parts: Arc<Parts>, doors: Doors, open: bool) -> Router {
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/{*position}", get(dead_letters::show))
        .route("/pipelines/{pipeline}/replays", post(replays::start))
        .with_state(Arc::clone(&parts));
    let guarded = http::guard(guarded, Arc::clone(&doors.access), doors.metrics.clone());
    // Health is open: what asks for it (a load balancer, an orchestrator) has no token.
    let health = Router::new().route("/health/live", get(live)).route("/health/ready", get(ready)).with_state(parts);
    let doors = if open { riverrun_ingest::router(doors) } else { Router::new() };
    doors
        .merge(guarded)
        .merge(health)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
}

async fn metrics(State(parts): State<Arc<Parts>>) -> Response {
    let page = parts.metrics.page(&parts.runtime);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page).into_response()
}

async fn status(State(parts): State<Arc<Parts>>) -> Result<Response, RouteError> {
    let status = Status::of(&parts)?;
    Ok(axum::Json(status).into_response())
}

/// The process runs and its log takes writes; otherwise it should be restarted.
async fn live(State(parts): State<Arc<Parts>>) -> Response {
    match parts.log.health() {
        Health::Serving => "serving\n".into_response(),
        Health::Stopped { reason } => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the log stopped: {reason}\n")).into_response()
        }
    }
}

/// Live, and every pipeline runs.
async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    let stopped = parts.runtime.pipelines().unwrap_or_default().into_iter().find_map(|pipeline| match pipeline.state {
        PipelineState::Running => None,
        PipelineState::Stopped { reason } => Some(format!("pipeline {} stopped: {reason}\n", pipeline.name)),
    });
    match stopped {
        None => live(State(parts)).await,
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}
