//! The relay of the app's outbox, beside the doors.

use std::sync::Arc;

use riverrun_accept::Acceptor;
use riverrun_app::Settings;
use riverrun_log::Log;
use riverrun_outbox::{Database, SchemaName};
use riverrun_outbox_relay::{Metrics, OnDead, ROTATE_BYTES_DEFAULT, Relay, RelayOptions, RelayStatus};
use serde::Serialize;
use tokio::sync::watch;

use super::ServeError;

/// The relay that the settings ask for, ready to run. Whether PostgreSQL is there is no condition for a start.
pub(super) fn relay(
    settings: &Settings,
    entrances: bool,
    acceptor: Arc<Acceptor>,
    log: Arc<dyn Log>,
    metrics: Metrics,
    closing: watch::Receiver<bool>,
) -> Result<Option<Relay>, ServeError> {
    let Some(outbox) = &settings.outbox else { return Ok(None) };
    let options = RelayOptions {
        database: Database::new(outbox.url.reveal()).map_err(|error| ServeError::Outbox(error.to_string()))?,
        schema: SchemaName::new(&outbox.schema).map_err(|error| ServeError::Outbox(error.to_string()))?,
        attempts: outbox.attempts,
        backoff: outbox.backoff,
        on_dead: match outbox.on_dead {
            riverrun_app::OnDead::Park => OnDead::Park,
            riverrun_app::OnDead::Skip => OnDead::Skip,
        },
        notify: outbox.notify,
        poll: outbox.poll,
        rotate_bytes: ROTATE_BYTES_DEFAULT,
        limits: settings.limits,
        entrances,
    };
    Ok(Some(Relay::new(options, acceptor, log, metrics, closing)))
}

/// The relay in `GET /status`.
#[derive(Serialize)]
pub(super) struct OutboxStatus {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    shards: usize,
    relays: usize,
    published: u64,
    duplicates: u64,
    marked: u64,
}

impl From<RelayStatus> for OutboxStatus {
    fn from(status: RelayStatus) -> Self {
        let RelayStatus { state, reason, shards, relays, published, duplicates, marked, idle: _ } = status;
        Self { state: state.as_str(), reason, shards, relays, published, duplicates, marked }
    }
}
