//! The file as a whole.

use std::net::SocketAddr;
use std::path::PathBuf;

use riverrun_event::AppName;
use riverrun_event::limits::Limits;

use super::At;
use super::fragment::Fragments;
use super::model::ModelPart;
use super::pipeline::PipelinePart;
use super::reader::Reader;
use super::settings::Defaults;
use super::topic::TopicPart;
use crate::fields;
use crate::settings::{Compression, Durability, Kafka, LogSetting, Outbox, Token};
use crate::source::Span;
use crate::yaml::Node;

/// Everything the file says, as far as it could be read.
pub(crate) struct Parts {
    pub(crate) app: Option<AppName>,
    pub(crate) log: LogSetting,
    pub(crate) kafka: Kafka,
    pub(crate) outbox: Option<Outbox>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) durability: Durability,
    pub(crate) compression: Compression,
    pub(crate) cache_bytes: Option<u64>,
    pub(crate) listen: Option<At<SocketAddr>>,
    pub(crate) limits: Limits,
    pub(crate) tokens: Vec<Token>,
    pub(crate) hosts: Vec<String>,
    pub(crate) defaults: Defaults,
    pub(crate) topics: Vec<TopicPart>,
    pub(crate) models: Vec<ModelPart>,
    pub(crate) fragments: Fragments,
    pub(crate) pipelines: Vec<PipelinePart>,
}

/// Reads the file; `None` when it is no mapping at all.
pub(crate) fn app(reader: &mut Reader<'_>, node: &Node) -> Option<Parts> {
    let first_line = reader.sources.first().text().lines().next().map_or(0, str::len);
    let fields = reader.fields(node, Span::new(0, first_line), &fields::APP)?;
    if let Some(node) = fields.get("include") {
        reader.patterns_of_files(node);
    }
    let defaults =
        fields.entry("defaults").map(|entry| reader.defaults(&entry.node, entry.name_span)).unwrap_or_default();
    let app = fields.require(reader, "app").and_then(|node| reader.name(node, "an app", AppName::new));
    let log = fields.get("log").map(|node| reader.log(node)).unwrap_or_default();
    let kafka = fields.entry("kafka").map(|entry| reader.kafka(&entry.node, entry.name_span)).unwrap_or_default();
    let outbox = fields.entry("outbox").and_then(|entry| reader.outbox(&entry.node, entry.name_span));
    let data_dir = fields.get("data_dir").and_then(|node| reader.data_dir(node));
    let durability = fields.get("durability").and_then(|node| reader.durability(node)).unwrap_or_default();
    let compression = fields.get("compression").and_then(|node| reader.compression(node)).unwrap_or_default();
    let cache_bytes = fields.get("cache").and_then(|node| reader.cache(node));
    let listen = fields.get("listen").and_then(|node| reader.listen(node));
    let limits = fields.entry("limits").map(|entry| reader.limits(&entry.node, entry.name_span)).unwrap_or_default();
    let access = fields.entry("access").map(|entry| reader.access(&entry.node, entry.name_span));
    let (tokens, hosts) = access.unwrap_or_default();
    let topics = fields.get("topics").map(|node| reader.topics(node, &defaults)).unwrap_or_default();
    let models = fields.get("models").map(|node| reader.models(node)).unwrap_or_default();
    let fragments = fields.get("fragments").map(|node| reader.fragments(node)).unwrap_or_default();
    let pipelines = fields.get("pipelines").map(|node| reader.pipelines(node, &fragments, defaults.on_error));
    let pipelines = pipelines.unwrap_or_default();
    let app = app.map(|name| name.value);
    Some(Parts {
        app,
        log,
        kafka,
        outbox,
        data_dir,
        durability,
        compression,
        cache_bytes,
        listen,
        limits,
        tokens,
        hosts,
        defaults,
        topics,
        models,
        fragments,
        pipelines,
    })
}
