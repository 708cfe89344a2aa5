//! `/migration`: what is to be moved to the cluster that the data directory names, and the copy of it while the app runs.
//!
//! `POST` copies and compares what there is and tells how far it is, line by line; asked for again, it goes on with what has come in
//! since. One copy runs at a time. It ends when the server does.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use riverrun_log_local::LocalLog;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Parts;
use super::problem::RouteError;
use crate::migrate::{Compared, MigrateError, Mover, Phase, Plan, Progress, announced};

/// How often a line is sent.
const LINE_INTERVAL: Duration = Duration::from_millis(200);

/// What was compared so far, and of which move.
#[derive(Default)]
pub(super) struct Copied {
    to: String,
    compared: Compared,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Progress(Progress),
    Done { copied: u64, compared: Compared },
    Failed { error: Failed },
}

#[derive(Serialize)]
struct Failed {
    code: &'static str,
    detail: String,
}

type Copying = JoinHandle<Result<(u64, Compared), MigrateError>>;

pub(super) async fn plan(State(parts): State<Arc<Parts>>) -> Result<Json<Plan>, RouteError> {
    let (log, to) = asked(&parts)?;
    // Whoever connects ends what a copy has open.
    let alone = Arc::clone(&parts.copied).lock_owned().await;
    let planning = tokio::task::spawn_blocking(move || {
        let _alone = alone;
        let mover = Mover::connect(&log, &parts.topology, &parts.settings, &to)?;
        let plan = mover.plan()?;
        mover.import.close();
        Ok::<_, MigrateError>(plan)
    });
    Ok(Json(planning.await.unwrap_or(Err(MigrateError::Stopped))?))
}

pub(super) async fn copy(State(parts): State<Arc<Parts>>) -> Result<Response, RouteError> {
    let (log, to) = asked(&parts)?;
    let begun = Progress { phase: Phase::Copying, done: 0, total: 0 };
    let (told, progress) = watch::channel(begun);
    let copied = Arc::clone(&parts.copied).lock_owned().await;
    let closing = parts.closing.clone();
    let copying: Copying = tokio::task::spawn_blocking(move || {
        let mut copied = copied;
        if copied.to != to {
            *copied = Copied { to, compared: Compared::default() };
        }
        let mut mover = Mover::connect(&log, &parts.topology, &parts.settings, &copied.to)?;
        mover.compared = copied.compared.clone();
        let records = mover.copy(&|progress| {
            told.send_replace(progress);
            if *closing.borrow() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        copied.compared = mover.compared.clone();
        mover.import.close();
        Ok((records, copied.compared.clone()))
    });
    let lines = stream::unfold(Some((copying, progress)), |copying| async {
        let (mut copying, progress) = copying?;
        // A line at the latest after the interval, and the last one at once.
        let ended = tokio::time::timeout(LINE_INTERVAL, &mut copying).await;
        let reached = *progress.borrow();
        let (line, next) = match ended {
            Err(_) => (Line::Progress(reached), Some((copying, progress))),
            Ok(ended) => (last_line(ended.unwrap_or(Err(MigrateError::Stopped))), None),
        };
        let written = serde_json::to_vec(&line).map(|mut text| {
            text.push(b'\n');
            Bytes::from(text)
        });
        Some((written, next))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// The log that is to be moved, and where to.
fn asked(parts: &Parts) -> Result<(Arc<LocalLog>, String), MigrateError> {
    let log = parts.opened.local().ok_or(MigrateError::NotAsked("the app runs on Kafka; there is nothing to move"))?;
    Ok((log, announced(&parts.settings.data_dir)?))
}

fn last_line(ended: Result<(u64, Compared), MigrateError>) -> Line {
    match ended {
        Ok((copied, compared)) => Line::Done { copied, compared },
        Err(error) => Line::Failed { error: Failed { code: error.code(), detail: error.to_string() } },
    }
}
