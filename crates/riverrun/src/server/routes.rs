//! The server's routes: those of the doors, and its own beside them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use riverrun_ingest::consumers::ConsumerReport;
use riverrun_ingest::{Doors, Guarded, Needs, Routes, Verb, http};
use riverrun_log::Health;
use riverrun_outbox_relay::{RelayState, StatusHandle};
use riverrun_runtime::PipelineState;

use super::problem::RouteError;
use super::status::Status;
use super::{Parts, dead_letters, migration, replays, views};

/// Everything that is served. Without `open`, events neither come in nor go out; health, metrics and status are still there.
pub(super) fn routes(parts: Arc<Parts>, doors: Doors, open: bool) -> Guarded {
    let (access, measured) = (Arc::clone(&doors.access), doors.metrics.clone());
    let operate = Needs::Caller(Verb::Operate);
    let own = Routes::new()
        // Health is open: what asks for it (a load balancer, an orchestrator) has no token.
        .get("/health/live", Needs::Nothing, live)
        .get("/health/ready", Needs::Nothing, ready)
        .get("/metrics", operate, metrics)
        .get("/status", operate, status)
        .get("/dead-letters", operate, dead_letters::list)
        .get("/dead-letters/{*position}", operate, dead_letters::show)
        .get("/migration", operate, migration::plan)
        .post("/migration", operate, migration::copy)
        .get("/views", Needs::Caller(Verb::Read), views::list)
        .get("/views/{view}", Needs::Topic(Verb::Read), views::rows)
        .get("/views/{view}/{key}", Needs::Topic(Verb::Read), views::of_key)
        .post("/pipelines/{pipeline}/replays", Needs::Topic(Verb::Operate), replays::start)
        .with_state(parts);
    let doors = if open { http::routes(doors) } else { Routes::new() };
    own.merge(doors).guarded(access, measured)
}

async fn metrics(State(parts): State<Arc<Parts>>) -> Response {
    let page = parts.metrics.page(&parts.runtime, &consumers(&parts).await);
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], page).into_response()
}

async fn status(State(parts): State<Arc<Parts>>) -> Result<Response, RouteError> {
    let status = Status::of(&parts, &consumers(&parts).await)?;
    Ok(axum::Json(status).into_response())
}

/// How far the consumers are. What else there is to say must not depend on them: a log that stopped opens none.
async fn consumers(parts: &Parts) -> Vec<ConsumerReport> {
    let report = parts.consumers.report().await;
    report.unwrap_or_else(|error| {
        tracing::warn!(%error, "the consumers cannot be reported");
        Vec::new()
    })
}

/// The process runs and its log takes writes; otherwise it should be restarted.
async fn live(State(parts): State<Arc<Parts>>) -> Response {
    match parts.log.health() {
        // A restart would not bring the log back.
        Health::Serving | Health::Unreachable { .. } => "serving\n".into_response(),
        Health::Stopped { reason } => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("the log stopped: {reason}\n")).into_response()
        }
    }
}

/// Live, with a log that answers, and every pipeline runs. A relay without its database makes an instance not ready that is there for nothing
/// else; one with doors has more to do.
async fn ready(State(parts): State<Arc<Parts>>) -> Response {
    if let Health::Unreachable { reason } = parts.log.health() {
        return (StatusCode::SERVICE_UNAVAILABLE, format!("the log cannot be reached: {reason}\n")).into_response();
    }
    let stopped = parts.runtime.pipelines().unwrap_or_default().into_iter().find_map(|pipeline| match pipeline.state {
        PipelineState::Running => None,
        PipelineState::Stopped { reason } => Some(format!("pipeline {} stopped: {reason}\n", pipeline.name)),
    });
    let relay = parts.relay.as_ref().filter(|_| !parts.doors_open).map(StatusHandle::get);
    let unrelayed = relay.filter(|relay| relay.state == RelayState::Unreachable).map(|relay| {
        let reason = relay.reason.unwrap_or_else(|| "it is being connected to".to_owned());
        format!("the outbox is not relayed: {reason}\n")
    });
    match stopped.or(unrelayed) {
        None => live(State(parts)).await,
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}
