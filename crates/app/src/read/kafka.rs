//! Which log the app runs on, and how a Kafka cluster is reached: `log` and `kafka`.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::{Fields, Reader};
use super::unit;
use super::value::{quote, within};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields::{self, REPLICATION_MAX, STANDBYS_MAX};
use crate::settings::{CommitSetting, Kafka, LogSetting, Sasl, SaslMechanism, Tls};
use crate::source::Span;
use crate::yaml::Node;

/// What clusters allow as a rule (`group.min.session.timeout.ms`, `group.max.session.timeout.ms`).
const SESSION_MIN: Duration = Duration::from_secs(6);
const SESSION_MAX: Duration = Duration::from_secs(30 * 60);
/// What comes later than that looks lost to whoever waits for it.
const COMMIT_INTERVAL_MAX: Duration = Duration::from_secs(10);
/// Less makes a transaction of a few records; more takes longer than members may be silent.
const COMMIT_BYTES_MIN: u64 = 64 * 1024;
const COMMIT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// An instance's name is part of names that Kafka bounds to 249 characters.
pub(super) const INSTANCE_CHARACTERS_MAX: usize = 64;

impl LogSetting {
    /// The log that a text names: `local`, or `kafka://` with brokers.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn named(text: &str) -> Result<Self, String> {
        match text.strip_prefix("kafka://") {
            _ if text == "local" => Ok(Self::Local),
            Some(text) => Ok(Self::Kafka { brokers: brokers(text)? }),
            None => Err("unknown".to_owned()),
        }
    }
}

impl Reader<'_> {
    pub(super) fn log(&mut self, node: &Node) -> LogSetting {
        self.note_substitution("log", node);
        let Some(text) = self.text(node, "`local`, or kafka:// with brokers") else { return LogSetting::Local };
        let note = match LogSetting::named(&text.value) {
            Ok(named) => return named,
            Err(reason) => reason,
        };
        let what = if text.value.starts_with("kafka://") { "names no brokers" } else { "is no log" };
        let message = format!("{} {what}", quote(&text.written));
        let help = "write `log: local`, or brokers as in `log: kafka://broker-1:9092,broker-2:9092`";
        self.report(Diagnostic::error(codes::LOG, node.span, message).note(note).help(help));
        LogSetting::Local
    }

    pub(super) fn kafka(&mut self, node: &Node, place: Span) -> Kafka {
        let mut kafka = Kafka::default();
        let Some(fields) = self.fields(node, place, &fields::KAFKA) else { return kafka };
        kafka.instance = fields.get("instance").and_then(|node| {
            let expected = "a name of at most 64 letters, digits, `.`, `_` and `-`";
            self.parsed(node, expected, |text| named(text, INSTANCE_CHARACTERS_MAX))
        });
        kafka.address = fields.get("address").and_then(|node| {
            let expected = "`host:port`, where other instances reach this one by HTTP";
            self.parsed(node, expected, |text| authority(text.strip_prefix("http://").unwrap_or(text)))
        });
        if let Some(prefix) = fields.get("prefix").and_then(|node| {
            let expected = "the beginning of a name, of letters, digits, `.`, `_` and `-`";
            self.parsed(node, expected, |text| named(text, INSTANCE_CHARACTERS_MAX))
        }) {
            kafka.prefix = prefix;
        }
        let replication = fields.get("replication").and_then(|node| self.number(node, 1, REPLICATION_MAX));
        kafka.replication = replication.and_then(|copies| u8::try_from(copies).ok());
        if let Some(session) = fields
            .get("session")
            .and_then(|node| self.duration_within(node, "a duration from 6s to 30m", SESSION_MIN, SESSION_MAX))
        {
            kafka.session = session;
        }
        if let Some(entry) = fields.entry("commit") {
            kafka.commit = self.commit(&entry.node, entry.name_span);
        }
        let standbys = fields.get("standbys").and_then(|node| self.number(node, 0, STANDBYS_MAX));
        kafka.standbys = standbys.and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
        kafka.labels = fields.get("labels").map(|node| self.labels(node)).unwrap_or_default();
        kafka.assignor = fields.entry("assignor").and_then(|entry| self.assignor(entry)).unwrap_or_default();
        kafka.tls = fields.entry("tls").map(|entry| self.tls(&entry.node, entry.name_span));
        kafka.sasl = fields.entry("sasl").and_then(|entry| self.sasl(&entry.node, entry.name_span));
        kafka
    }

    fn commit(&mut self, node: &Node, place: Span) -> CommitSetting {
        let mut commit = CommitSetting::default();
        let Some(fields) = self.fields(node, place, &fields::KAFKA_COMMIT) else { return commit };
        if let Some(interval) = fields.get("interval").and_then(|node| {
            self.duration_within(node, "a duration from 0s to 10s", Duration::ZERO, COMMIT_INTERVAL_MAX)
        }) {
            commit.interval = interval;
        }
        if let Some(bytes) = fields.get("bytes").and_then(|node| {
            let expected = "a size from 64KiB to 16MiB, such as 4MiB";
            self.parsed(node, expected, |text| within(unit::size(text)?, COMMIT_BYTES_MIN, COMMIT_BYTES_MAX))
        }) {
            commit.bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        commit
    }

    fn tls(&mut self, node: &Node, place: Span) -> Tls {
        let Some(fields) = self.fields(node, place, &fields::KAFKA_TLS) else { return Tls::default() };
        let tls = Tls {
            ca: self.file_named(&fields, "ca"),
            certificate: self.file_named(&fields, "certificate"),
            key: self.file_named(&fields, "key"),
        };
        if tls.certificate.is_some() != tls.key.is_some() {
            let message = "a client certificate needs both `certificate` and `key`";
            self.report(Diagnostic::error(codes::MISSING_FIELD, place, message).note("one of them is missing"));
        }
        tls
    }

    fn file_named(&mut self, fields: &Fields<'_>, name: &'static str) -> Option<PathBuf> {
        let text = fields.get(name).and_then(|node| self.text(node, "the path of a file"))?;
        Some(PathBuf::from(text.value))
    }

    fn sasl(&mut self, node: &Node, place: Span) -> Option<Sasl> {
        let fields = self.fields(node, place, &fields::KAFKA_SASL)?;
        let expected = "plain, scram-sha-256, scram-sha-512 or oauthbearer";
        let mechanism = fields.require(self, "mechanism").and_then(|node| {
            self.parsed(node, expected, |text| match text {
                "plain" => Ok(Some(SaslMechanism::Plain)),
                "scram-sha-256" => Ok(Some(SaslMechanism::ScramSha256)),
                "scram-sha-512" => Ok(Some(SaslMechanism::ScramSha512)),
                "oauthbearer" => Ok(None),
                _ => Err("unknown".to_owned()),
            })
        })?;
        let Some(mechanism) = mechanism else {
            fields.require(self, "token_file")?;
            return Some(Sasl::Token { file: self.file_named(&fields, "token_file")? });
        };
        let user = fields.require(self, "user").and_then(|node| self.text(node, "a user's name"));
        let secret = fields.require(self, "secret").and_then(|node| self.secret(node));
        let (user, secret) = user.zip(secret)?;
        Some(Sasl::Password { mechanism, user: user.value, secret })
    }
}

/// `host:port,host:port`, each with both.
fn brokers(text: &str) -> Result<String, String> {
    text.split(',').try_for_each(has_host_and_port)?;
    Ok(text.to_owned())
}

/// `host:port`, of a URL.
fn authority(text: &str) -> Result<String, String> {
    has_host_and_port(text)?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    if text.chars().all(good) { Ok(text.to_owned()) } else { Err(format!("{} is not host:port", quote(text))) }
}

fn has_host_and_port(text: &str) -> Result<(), String> {
    let port = text.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    if matches!(port, Some(Ok(1..))) { Ok(()) } else { Err(format!("{} is not host:port", quote(text))) }
}

pub(super) fn named(text: &str, characters_max: usize) -> Result<String, String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > characters_max {
        Err(format!("it has {} characters", text.len()))
    } else if !text.chars().all(good) {
        Err("it has characters that Kafka's names cannot have".to_owned())
    } else {
        Ok(text.to_owned())
    }
}
