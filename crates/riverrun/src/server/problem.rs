//! Errors of the server's own routes; those it shares with the doors are the doors'.

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use riverrun_event::PositionError;
use riverrun_ingest::AccessError;
use riverrun_ingest::http::problem::{DoorError, PROBLEM_JSON, problem_response};
use riverrun_log::ReadError;
use riverrun_runtime::ReplayError;
use riverrun_runtime::views::ViewError;

use crate::migrate::MigrateError;

/// Why a request to one of the server's own routes failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RouteError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The caller may not do this.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The path names no dead letter.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// There is no dead letter at the position.
    #[error("there is no dead letter at {0}")]
    NoDeadLetter(String),
    /// The pipeline is not declared.
    #[error("there is no pipeline {asked:?}; there are: {known}")]
    UnknownPipeline {
        /// As asked.
        asked: String,
        /// The declared ones.
        known: String,
    },
    /// The body of a replay request is not as expected.
    #[error(
        "the request for a replay: {0}; send for example {{\"to\":\"departures-2\",\"from\":\"beginning\",\"recompute\":false}}"
    )]
    ReplayRequest(String),
    /// The body of a replay request is not sent as JSON, as any page in a browser could send it.
    #[error("send the request for a replay with `Content-Type: application/json`")]
    ReplayMediaType,
    /// The view is not declared.
    #[error("there is no view {asked:?}; there are: {known}")]
    UnknownView {
        /// As asked.
        asked: String,
        /// The declared ones.
        known: String,
    },
    /// There is no row of this key.
    #[error("the view {view} has no row of the key {key:?}")]
    NoRow {
        /// The view.
        view: String,
        /// The key.
        key: String,
    },
    /// The question to a view is not as expected.
    #[error("the question to the view: {0}")]
    ViewQuery(String),
    /// The view cannot answer.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Another instance, which has a part of the answer, cannot give it now.
    #[error("the view cannot be read whole: the instance at {address}, which has a part of it: {reason}")]
    Instance {
        /// Where the instance is.
        address: String,
        /// What happened.
        reason: String,
    },
    /// Another instance, which has a part of the answer, refuses the question; this is what it says.
    #[error("another instance refuses the question with {0}")]
    Refused(StatusCode, Bytes),
    /// The app is not moved.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The replay cannot start.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl RouteError {
    /// Whether the same question may be answered in a moment.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Instance { .. } | Self::View(ViewError::NotReady { .. }))
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let (code, status, title) = match self {
            Self::Read(error) => return DoorError::from(error).into_response(),
            Self::Access(error) => return DoorError::from(error).into_response(),
            Self::Position(_) => ("RR0171", StatusCode::BAD_REQUEST, "No position"),
            Self::NoDeadLetter(_) => ("RR0172", StatusCode::NOT_FOUND, "No such dead letter"),
            Self::UnknownPipeline { .. } | Self::Replay(ReplayError::UnknownPipeline(_)) => {
                ("RR0170", StatusCode::NOT_FOUND, "No such pipeline")
            }
            Self::ReplayRequest(_) | Self::Replay(ReplayError::TopicName { .. }) => {
                ("RR0173", StatusCode::BAD_REQUEST, "The replay is not described")
            }
            Self::Replay(ReplayError::TopicInUse(_)) => ("RR0174", StatusCode::CONFLICT, "The topic is in use"),
            Self::Replay(ReplayError::TopicHolds { .. }) => {
                ("RR0177", StatusCode::CONFLICT, "The topic holds something else")
            }
            Self::UnknownView { .. } => ("RR0153", StatusCode::NOT_FOUND, "No such view"),
            Self::NoRow { .. } => ("RR0154", StatusCode::NOT_FOUND, "No such row"),
            Self::ViewQuery(_) | Self::View(ViewError::NotAnInput { .. }) => {
                ("RR0155", StatusCode::BAD_REQUEST, "The rows are not described")
            }
            Self::View(ViewError::Behind { .. }) => ("RR0156", StatusCode::CONFLICT, "The view is behind"),
            Self::View(ViewError::NotReady { .. } | ViewError::NotHere(_)) | Self::Instance { .. } => {
                ("RR0157", StatusCode::SERVICE_UNAVAILABLE, "The view is not ready")
            }
            Self::Refused(status, document) => return passed_on(status, document),
            Self::View(ViewError::Read(error)) => return DoorError::from(error).into_response(),
            Self::View(ViewError::State(_) | ViewError::Row(_)) => {
                ("RR0158", StatusCode::INTERNAL_SERVER_ERROR, "The view cannot be read")
            }
            Self::Migrate(error @ MigrateError::NotAsked(_)) => {
                (error.code(), StatusCode::CONFLICT, "There is nothing to move")
            }
            Self::Migrate(error) => (error.code(), StatusCode::SERVICE_UNAVAILABLE, "The app is not moved"),
            Self::ReplayMediaType => ("RR0178", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The request is not sent as JSON"),
            Self::Replay(ReplayError::Start(_)) => {
                ("RR0175", StatusCode::INTERNAL_SERVER_ERROR, "The replay did not start")
            }
        };
        problem_response(code, status, title, detail)
    }
}

/// What another instance has said, with its own code.
fn passed_on(status: StatusCode, document: Bytes) -> Response {
    (status, [(CONTENT_TYPE, PROBLEM_JSON)], Body::from(document)).into_response()
}
