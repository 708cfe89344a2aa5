//! The table of every field of the app file. The reader opens each mapping with its section of this table and reports what
//! is not in it; the reference in docs/app-file.md and the JSON Schema are printed from it. A field exists in all or in none.

mod aggregates;
mod entities;
mod joins;
mod kafka;
mod outbox;
mod pipelines;
mod running;

pub(crate) use aggregates::{AGGREGATE, COGROUP, COUNT, EMIT, FOLD, REDUCE, WINDOW};
pub(crate) use entities::{APP, COMPACT, MODEL, RETENTION, TOPIC};
pub(crate) use joins::{ABSENCE, DEDUPLICATE, IDENTIFY, JOIN, MONITOR, RATE, RATE_MAX, SEQUENCE, TABLE, THRESHOLD};
pub(crate) use kafka::{KAFKA, KAFKA_ASSIGNOR, KAFKA_COMMIT, KAFKA_SASL, KAFKA_TLS, REPLICATION_MAX, STANDBYS_MAX};
pub(crate) use outbox::{OUTBOX, OUTBOX_ATTEMPTS_MAX};
pub(crate) use pipelines::{
    FLAT_MAP, LOOKUP, MERGE, PARTITIONER, PIPELINE, REPARTITION, ROUTE, SNAPSHOT_MODEL, STEP, TRANSFORM, WAY,
};
pub(crate) use running::{ACCESS, DEFAULTS, LIMITS, TOKEN};

use crate::takes::Takes;

/// The fields of one kind of mapping.
pub(crate) struct Section {
    /// Where such mappings stand, for people: `topics.<name>`.
    pub(crate) path: &'static str,
    /// What such a mapping is.
    pub(crate) meaning: &'static str,
    /// Its fields, in the order people write them.
    pub(crate) fields: &'static [Field],
}

/// One field.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// What counts without it.
    pub(crate) default: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) example: &'static str,
}

impl Section {
    /// What such a mapping is called in messages.
    pub(crate) fn title(&self) -> String {
        if self.path == APP.path { "an app file".to_owned() } else { format!("`{}`", self.path) }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.fields.iter().map(|field| field.name)
    }
}

pub(crate) const fn field(
    name: &'static str,
    takes: Takes,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Field {
    Field { name, takes, default, meaning, example }
}

/// Most events or levels a limit may be set to; a typing mistake should not switch a limit off.
pub(crate) const BATCH_EVENTS_MAX: u64 = 1_000_000;
/// serde_json and the document reader recurse to this depth.
pub(crate) const JSON_DEPTH_MAX: u64 = 128;

const ON_ERROR: Takes = Takes::Choice(&["dead_letter", "skip", "stop"]);

/// What a field without default says in the reference.
pub(crate) const REQUIRED: &str = "required";

/// What a field says there of which a mapping has exactly one: the verb of a step.
pub(crate) const VERB: &str = "-";

/// The fields of the app file that an included file may have: what the app does.
pub(crate) const INCLUDABLE: [&str; 4] = ["topics", "models", "pipelines", "fragments"];
/// The fields of the app file that the file of an environment may have: where and how it runs.
pub(crate) const OVERLAYABLE: [&str; 10] =
    ["log", "kafka", "outbox", "data_dir", "durability", "compression", "cache", "listen", "limits", "access"];

/// Every section, in the order of the reference.
pub(crate) static SECTIONS: &[&Section] = &[
    &APP,
    &TOPIC,
    &RETENTION,
    &COMPACT,
    &MODEL,
    &PIPELINE,
    &ROUTE,
    &STEP,
    &FLAT_MAP,
    &SNAPSHOT_MODEL,
    &TRANSFORM,
    &WAY,
    &MERGE,
    &DEDUPLICATE,
    &SEQUENCE,
    &JOIN,
    &TABLE,
    &IDENTIFY,
    &MONITOR,
    &THRESHOLD,
    &RATE,
    &ABSENCE,
    &LOOKUP,
    &REPARTITION,
    &PARTITIONER,
    &COUNT,
    &AGGREGATE,
    &REDUCE,
    &FOLD,
    &COGROUP,
    &WINDOW,
    &EMIT,
    &DEFAULTS,
    &LIMITS,
    &ACCESS,
    &TOKEN,
    &KAFKA,
    &KAFKA_COMMIT,
    &KAFKA_ASSIGNOR,
    &KAFKA_TLS,
    &KAFKA_SASL,
    &OUTBOX,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_begins_with_its_field() {
        for section in SECTIONS {
            for field in section.fields {
                let starts = field.example.starts_with(&format!("{}:", field.name));
                assert!(starts || section.path == TRANSFORM.path, "{}.{}", section.path, field.name);
            }
        }
    }
}
