//! The parts of the file that say where and how the app runs: `data_dir`, `listen`, `limits`, `access`, `defaults`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use riverrun_event::limits::Limits;
use riverrun_event::{OperatorName, TopicName, Verb};
use riverrun_topology::{OnError, Topic, TypePattern};

use super::reader::{Fields, Reader};
use super::topic::Retention;
use super::value::within;
use super::{At, unit};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::fields::{self, BATCH_EVENTS_MAX, JSON_DEPTH_MAX};
use crate::settings::{Compression, Durability, Secret, Token};
use crate::source::Span;
use crate::yaml::{Node, Value};

/// What topics and pipelines get that do not say.
#[derive(Default)]
pub(crate) struct Defaults {
    pub(crate) partitions: Option<u32>,
    pub(crate) retention: Retention,
    pub(crate) on_error: Option<OnError>,
}

impl Defaults {
    /// A topic that says nothing itself.
    pub(crate) fn topic(&self, name: TopicName) -> Topic {
        let mut topic = Topic::new(name);
        topic.partitions = self.partitions.unwrap_or(topic.partitions);
        topic.retention_age = self.retention.age;
        topic.retention_bytes = self.retention.bytes;
        topic
    }
}

/// Syncs more often than this would be one per commit; more rarely, more would be lost than anyone means to.
const INTERVAL_MIN: Duration = Duration::from_millis(1);
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Below this every read would go to disk; above it a typing mistake is likelier than such a machine.
const CACHE_BYTES_MIN: u64 = 1 << 20;
const CACHE_BYTES_MAX: u64 = 1 << 40;
/// Most bytes, events or levels a limit may be set to; a typing mistake should not switch a limit off.
const BODY_BYTES_MAX: u64 = 1 << 30;

impl Reader<'_> {
    pub(super) fn defaults(&mut self, node: &Node, place: Span) -> Defaults {
        let Some(fields) = self.fields(node, place, &fields::DEFAULTS) else { return Defaults::default() };
        Defaults {
            partitions: fields.get("partitions").and_then(|node| self.partitions(node)),
            retention: fields
                .entry("retention")
                .map(|entry| self.retention(&entry.node, entry.name_span))
                .unwrap_or_default(),
            on_error: fields.get("on_error").and_then(|node| self.on_error(node)),
        }
    }

    /// `include` was resolved before anything is read; what is no text there is left to be told.
    pub(super) fn patterns_of_files(&mut self, node: &Node) {
        for item in node.one_or_many().iter().filter(|item| !matches!(item.value, Value::Scalar(_))) {
            self.wrong_kind(item, "a file or a pattern of files such as pipelines/*.yaml");
        }
    }

    pub(super) fn durability(&mut self, node: &Node) -> Option<Durability> {
        let expected = "`commit`, or how often to sync, from 1ms to 1m, such as 100ms";
        self.parsed(node, expected, |text| match text {
            "commit" => Ok(Durability::Commit),
            text => Ok(Durability::Interval(within(unit::duration(text)?, INTERVAL_MIN, INTERVAL_MAX)?)),
        })
    }

    pub(super) fn compression(&mut self, node: &Node) -> Option<Compression> {
        self.parsed(node, "`lz4` or `none`", |text| match text {
            "lz4" => Ok(Compression::Lz4),
            "none" => Ok(Compression::None),
            _ => Err("unknown".to_owned()),
        })
    }

    pub(super) fn cache(&mut self, node: &Node) -> Option<u64> {
        let expected = "a size from 1MiB to 1TiB, such as 256MiB";
        self.parsed(node, expected, |text| within(unit::size(text)?, CACHE_BYTES_MIN, CACHE_BYTES_MAX))
    }

    pub(super) fn data_dir(&mut self, node: &Node) -> Option<PathBuf> {
        self.note_substitution("data_dir", node);
        self.parsed(node, "a folder", |text| {
            if text.trim().is_empty() || text.contains('\0') {
                Err("it is empty".to_owned())
            } else {
                Ok(PathBuf::from(text))
            }
        })
    }

    pub(super) fn listen(&mut self, node: &Node) -> Option<At<SocketAddr>> {
        self.note_substitution("listen", node);
        let value = self.parsed(node, "an address and port such as 127.0.0.1:8080", |text| {
            let text = text.trim();
            let named = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
            named.as_deref().unwrap_or(text).parse::<SocketAddr>().map_err(|error| error.to_string())
        })?;
        Some(At { value, span: node.span })
    }

    pub(super) fn limits(&mut self, node: &Node, place: Span) -> Limits {
        let mut limits = Limits::default();
        let Some(fields) = self.fields(node, place, &fields::LIMITS) else { return limits };
        if let Some(bytes) = fields.get("body").and_then(|node| {
            let expected = "a size from 1 to 1GiB, such as 4MiB";
            self.parsed(node, expected, |text| within(unit::size(text)?, 1, BODY_BYTES_MAX))
        }) {
            limits.body_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(events) = fields.get("batch_events").and_then(|node| self.number(node, 1, BATCH_EVENTS_MAX)) {
            limits.batch_events_max = usize::try_from(events).unwrap_or(usize::MAX);
        }
        if let Some(depth) = fields.get("json_depth").and_then(|node| self.number(node, 1, JSON_DEPTH_MAX)) {
            limits.json_depth_max = usize::try_from(depth).unwrap_or(usize::MAX);
        }
        self.limit_times(&fields, &mut limits);
        limits
    }

    fn limit_times(&mut self, fields: &Fields<'_>, limits: &mut Limits) {
        let seconds = "a duration of whole seconds such as 90s, 5m or 1h";
        if let Some(ahead) = fields.get("time_ahead").and_then(|node| self.parsed(node, seconds, |text| whole(text, 1)))
        {
            limits.time_ahead_seconds_max = i64::try_from(ahead).unwrap_or(i64::MAX);
        }
        let days = "a duration of whole days from 1d to 365d";
        let window = fields
            .get("deduplication")
            .and_then(|node| self.parsed(node, days, |text| within(whole(text, 86_400)?, 1, 365)));
        if let Some(days) = window {
            limits.deduplication_days = u32::try_from(days).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn access(&mut self, node: &Node, place: Span) -> (Vec<Token>, Vec<String>) {
        let Some(fields) = self.fields(node, place, &fields::ACCESS) else { return Default::default() };
        let tokens = fields.get("tokens").map(|node| self.tokens(node)).unwrap_or_default();
        let hosts = fields.get("hosts").map(|node| self.hosts(node)).unwrap_or_default();
        (tokens, hosts)
    }

    fn hosts(&mut self, node: &Node) -> Vec<String> {
        let expected = "a host name such as events.example.com, without scheme and path";
        let mut hosts = Vec::new();
        for item in node.one_or_many() {
            self.note_substitution("hosts", item);
            hosts.extend(self.parsed(item, expected, |text| {
                let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
                if !text.is_empty() && text.chars().all(good) {
                    Ok(text.to_ascii_lowercase())
                } else {
                    Err("not a host name".to_owned())
                }
            }));
        }
        hosts
    }

    fn tokens(&mut self, node: &Node) -> Vec<Token> {
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Null => &[],
            _ => {
                self.wrong_kind(node, "a list of tokens, each with `name` and `secret`");
                &[]
            }
        };
        let mut tokens: Vec<(At<OperatorName>, Token)> = Vec::new();
        for item in items {
            let Some((name, token)) = self.token(item) else { continue };
            if let Some((first, _)) = tokens.iter().find(|(earlier, _)| earlier.value == name.value) {
                let message = format!("two tokens are named `{}`", name.value);
                self.report(
                    Diagnostic::error(codes::DUPLICATE, name.span, message)
                        .note("the second one")
                        .label(first.span, "the first one")
                        .help("give each its own name; logs tell callers apart by it"),
                );
            }
            if tokens.iter().any(|(_, earlier)| earlier.secret == token.secret) {
                let message = format!("the token `{}` has the secret of another", name.value);
                let help = "give each a secret of its own; who calls is known by it alone";
                self.report(Diagnostic::error(codes::DUPLICATE, name.span, message).note("this one").help(help));
            }
            tokens.push((name, token));
        }
        tokens.into_iter().map(|(_, token)| token).collect()
    }

    fn token(&mut self, node: &Node) -> Option<(At<OperatorName>, Token)> {
        let place = node.entries().first().map_or(node.span, |entry| entry.name_span);
        if let Some(secret) = node.entries().iter().find(|entry| entry.name == "secret") {
            self.secrets.push(secret.node.span);
        } else {
            // A misspelled field may hold the secret as well.
            self.secrets
                .extend(node.entries().iter().filter(|entry| entry.name != "name").map(|entry| entry.node.span));
        }
        let fields = self.fields(node, place, &fields::TOKEN)?;
        let name = fields.require(self, "name").and_then(|node| self.name(node, "a token", OperatorName::new));
        let secret = fields.require(self, "secret").and_then(|node| self.secret(node));
        let verbs = fields.get("verbs").map_or_else(|| Verb::ALL.to_vec(), |node| self.verbs(node));
        let topics = fields.get("topics").map(|node| self.topic_patterns(node));
        let (name, secret) = name.zip(secret)?;
        let token = Token { name: name.value.to_string(), secret, verbs, topics };
        Some((name, token))
    }

    fn verbs(&mut self, node: &Node) -> Vec<Verb> {
        let verb = |text: &str| Verb::named(text).ok_or_else(|| "no such verb".to_owned());
        node.one_or_many().iter().filter_map(|item| self.parsed(item, "publish, read or operate", verb)).collect()
    }

    fn topic_patterns(&mut self, node: &Node) -> Vec<TypePattern> {
        let expected = "a topic such as orders, or device.* for all that begin so";
        let pattern = |text: &str| {
            let name = text.strip_suffix('*').unwrap_or(text);
            // What stands before the star is the beginning of a name, and may be nothing: `*` is every topic.
            let fits = name.is_empty() && text == "*" || TopicName::new(name).is_ok();
            if fits { Ok(TypePattern(text.to_owned())) } else { Err("no topic has such a name".to_owned()) }
        };
        node.one_or_many().iter().filter_map(|item| self.parsed(item, expected, pattern)).collect()
    }

    pub(super) fn secret(&mut self, node: &Node) -> Option<Secret> {
        let text = self.text(node, "a secret")?;
        let problem = if text.value.is_empty() {
            Some("the secret is empty")
        } else if !text.value.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("the secret has characters that a header cannot carry")
        } else {
            None
        };
        if let Some(message) = problem {
            let help = "use printable ASCII without spaces, for example what `openssl rand -hex 32` prints";
            self.report(Diagnostic::error(codes::VALUE, node.span, message).note("this one").help(help));
            return None;
        }
        if !text.from_outside {
            self.report(
                Diagnostic::warning(codes::PLAIN_SECRET, node.span, "the secret is written into the app file")
                    .note("readable by everyone who can read the file")
                    .help("take it from outside: `${file:/run/secrets/name}` or `${env:NAME}`"),
            );
        }
        Some(Secret::new(text.value))
    }

    pub(super) fn note_substitution(&mut self, field: &'static str, node: &Node) {
        if let Value::Scalar(scalar) = &node.value
            && scalar.text.contains("${")
        {
            self.substituted.insert(field, scalar.text.clone());
        }
    }
}

fn whole(text: &str, unit_seconds: u64) -> Result<u64, String> {
    let duration = unit::duration(text)?;
    if duration.subsec_nanos() != 0 || duration.as_secs() % unit_seconds != 0 {
        return Err("not a whole number of them".to_owned());
    }
    Ok(duration.as_secs() / unit_seconds)
}
