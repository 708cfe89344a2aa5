//! The database whose outbox is relayed: `outbox`.

use std::time::Duration;

use super::reader::Reader;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields::{self, OUTBOX_ATTEMPTS_MAX};
use crate::settings::{OnDead, Outbox, Secret};
use crate::source::Span;
use crate::yaml::Node;

/// What a schema may be called: PostgreSQL cuts longer names.
const SCHEMA_BYTES_MAX: usize = 63;
/// Less would be no pause for a server; more looks like nothing happening.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
const POLL_MAX: Duration = Duration::from_secs(3_600);

impl Reader<'_> {
    pub(super) fn outbox(&mut self, node: &Node, place: Span) -> Option<Outbox> {
        let fields = self.fields(node, place, &fields::OUTBOX)?;
        let url = fields.require(self, "url").and_then(|node| self.url(node));
        let mut outbox = Outbox::new(Secret::new(""));
        if let Some(schema) = fields.get("schema").and_then(|node| {
            self.parsed(node, "the name of a schema", |text| match text.len() {
                1..=SCHEMA_BYTES_MAX => Ok(text.to_owned()),
                bytes => Err(format!("it has {bytes} bytes, and may have 1 to {SCHEMA_BYTES_MAX}")),
            })
        }) {
            outbox.schema = schema;
        }
        if let Some(attempts) = fields.get("attempts").and_then(|node| self.number(node, 1, OUTBOX_ATTEMPTS_MAX)) {
            outbox.attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        }
        if let Some(backoff) = fields
            .get("backoff")
            .and_then(|node| self.duration_within(node, "a duration from 10ms to 1m", PAUSE_MIN, BACKOFF_MAX))
        {
            outbox.backoff = backoff;
        }
        if let Some(poll) = fields
            .get("poll")
            .and_then(|node| self.duration_within(node, "a duration from 10ms to 1h", PAUSE_MIN, POLL_MAX))
        {
            outbox.poll = poll;
        }
        if let Some(on_dead) = fields.get("on_dead").and_then(|node| {
            self.parsed(node, "park or skip", |text| match text {
                "park" => Ok(OnDead::Park),
                "skip" => Ok(OnDead::Skip),
                _ => Err("unknown".to_owned()),
            })
        }) {
            outbox.on_dead = on_dead;
        }
        if let Some(notify) = fields
            .get("notify")
            .and_then(|node| self.parsed(node, "true or false", |text| text.parse().map_err(|_| "unknown".to_owned())))
        {
            outbox.notify = notify;
        }
        Some(Outbox { url: url?, ..outbox })
    }

    fn url(&mut self, node: &Node) -> Option<Secret> {
        let text = self.text(node, "an address such as postgres://shop@localhost/shop")?;
        let has_password = password(&text.value).is_some();
        if has_password {
            self.secrets.push(node.span);
        }
        if !text.value.starts_with("postgres://") && !text.value.starts_with("postgresql://") {
            // What stands there may be a password.
            let message = "the address of the outbox does not begin with postgres://";
            let help = "write an address such as postgres://shop@localhost:5432/shop";
            self.report(Diagnostic::error(codes::VALUE, node.span, message).note("this one").help(help));
            return None;
        }
        if has_password && password(&text.written).is_some_and(|written| !written.contains("${")) {
            self.report(
                Diagnostic::warning(codes::PLAIN_SECRET, node.span, "the password is written into the app file")
                    .note("readable by everyone who can read the file")
                    .help("take the address from outside: `${env:DATABASE_URL}` or `${file:/run/secrets/name}`"),
            );
        }
        Some(Secret::new(text.value))
    }
}

/// The password in an address.
fn password(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password).filter(|password| !password.is_empty())
}
