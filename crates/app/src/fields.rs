//! The table of every field of the app file. The reader opens each mapping with its section of this table and reports what
//! is not in it; the reference in docs/app-file.md is printed from it. A field exists in both or in none.

/// The fields of one kind of mapping.
#[derive(Debug)]
pub(crate) struct Section {
    /// Where such mappings stand, for people: `topics.<name>`.
    pub(crate) path: &'static str,
    /// What such a mapping is.
    pub(crate) meaning: &'static str,
    /// Its fields, in the order people write them.
    pub(crate) fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    /// What it takes, in words.
    pub(crate) takes: &'static str,
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
    takes: &'static str,
    default: &'static str,
    meaning: &'static str,
    example: &'static str,
) -> Field {
    Field { name, takes, default, meaning, example }
}

/// What a field without default says in the reference.
pub(crate) const REQUIRED: &str = "required";

/// Every section, in the order of the reference.
pub(crate) const SECTIONS: &[&Section] = &[
    &APP,
    &TOPIC,
    &RETENTION,
    &COMPACT,
    &MODEL,
    &PIPELINE,
    &STEP,
    &SNAPSHOT_MODEL,
    &TRANSFORM,
    &DEFAULTS,
    &LIMITS,
    &ACCESS,
    &TOKEN,
];

pub(crate) const APP: Section = Section {
    path: "riverrun.yaml",
    meaning: "One file declares one app: what it keeps, what it does with it, and where it runs.",
    fields: &[
        field("app", "name", REQUIRED, "Names the app. Outputs carry it in their `source`.", "app: flights"),
        field(
            "log",
            "`local`",
            "`local`",
            "Where events are kept: `local` is the embedded log in `data_dir`.",
            "log: local",
        ),
        field(
            "data_dir",
            "path",
            "`./data`",
            "The folder of the embedded log and all state, relative to the app file.",
            "data_dir: /var/lib/flights",
        ),
        field(
            "durability",
            "`commit`, or a duration from 1ms to 1m",
            "`commit`",
            "When events are synced to disk: before they are acknowledged, or this often. With a duration, a power cut loses what was \
             acknowledged since the last sync.",
            "durability: 100ms",
        ),
        field(
            "compression",
            "`lz4` or `none`",
            "`lz4`",
            "How stored events are compressed; those that are stored already stay as they are.",
            "compression: none",
        ),
        field("listen", "address:port", "`127.0.0.1:8080`", "Where HTTP is served.", "listen: 127.0.0.1:8080"),
        field(
            "topics",
            "mapping of name to topic",
            "none",
            "The topics. One that a pipeline writes need not be declared.",
            "topics: { flights: { key: data.tailnum } }",
        ),
        field(
            "models",
            "mapping of name to model",
            "none",
            "Keyed entities kept from topics, with their history.",
            "models: { plane: { from: planes } }",
        ),
        field(
            "pipelines",
            "mapping of name to pipeline",
            "none",
            "What happens to events.",
            "pipelines: { departures: { from: flights, to: departures } }",
        ),
        field(
            "defaults",
            "mapping",
            "none",
            "What topics and pipelines get that do not say.",
            "defaults: { partitions: 8 }",
        ),
        field("limits", "mapping", "see below", "Limits at the doors.", "limits: { body: 4MiB }"),
        field(
            "access",
            "mapping",
            "everyone who can reach `listen`",
            "Who may come in.",
            "access: { hosts: [events.example.com] }",
        ),
    ],
};

pub(crate) const TOPIC: Section = Section {
    path: "topics.<name>",
    meaning: "A partitioned log of events. Nothing behind the name means a topic with the defaults.",
    fields: &[
        field(
            "partitions",
            "number, 1 to 1024",
            "`4`, or `defaults`",
            "How many partitions. Does not change once the topic exists.",
            "partitions: 4",
        ),
        field(
            "key",
            "expression",
            "`partitionkey`, else `subject`",
            "What makes events related: same key, same partition, same order.",
            "key: data.tailnum",
        ),
        field(
            "id",
            "expression",
            "the `Idempotency-Key`",
            "Where plain JSON events take their id from.",
            "id: data.order_id",
        ),
        field(
            "time",
            "expression",
            "the time of acceptance",
            "Where plain JSON events take their time from (RFC 3339).",
            "time: data.created_at",
        ),
        field(
            "accept",
            "event type or list of them, `*` at the end matches all that begin so",
            "none",
            "Types that `POST /events` routes to this topic.",
            "accept: [device.*]",
        ),
        field("retention", "mapping", "for ever", "How long records stay.", "retention: { age: 7d, size: 10GiB }"),
        field(
            "compact",
            "mapping",
            "every event is kept",
            "Lets go of events that a newer one with the same key has replaced.",
            "compact: { after: 1h }",
        ),
    ],
};

pub(crate) const COMPACT: Section = Section {
    path: "topics.<name>.compact",
    meaning: "Of events with the same key only the newest, by event time, is kept, beyond the `history` of the models that the topic \
              feeds. Offsets keep their value; events without a key stay.",
    fields: &[
        field("after", "duration", "`1h`", "Events accepted more recently stay whole.", "after: 1h"),
        field(
            "deletions",
            "duration",
            "`7d`",
            "How long an event without data, which deletes its key, stays.",
            "deletions: 7d",
        ),
    ],
};

pub(crate) const RETENTION: Section = Section {
    path: "topics.<name>.retention",
    meaning: "How long records stay; whichever bound is reached first counts.",
    fields: &[
        field("age", "duration", "no bound", "Records accepted longer ago may be removed.", "age: 7d"),
        field(
            "size",
            "size",
            "no bound",
            "The oldest records of a partition may be removed beyond this size.",
            "size: 10GiB",
        ),
    ],
};

pub(crate) const MODEL: Section = Section {
    path: "models.<name>",
    meaning: "A keyed entity kept from a topic, with its versions by time. An event without data deletes the entity.",
    fields: &[
        field("from", "topic", REQUIRED, "The topic that feeds it.", "from: planes"),
        field(
            "when",
            "expression",
            "every event",
            "Which of the topic's events count.",
            "when: type == 'plane.registered'",
        ),
        field("key", "expression", "the event's key", "The entity an event is about.", "key: data.tailnum"),
        field(
            "merge",
            "expression",
            "the data replaces what is known",
            "The part of the data that is merged (RFC 7396) into what is known.",
            "merge: data.changes",
        ),
        field("history", "duration", "for ever", "How far back versions are kept, by event time.", "history: 400d"),
    ],
};

pub(crate) const PIPELINE: Section = Section {
    path: "pipelines.<name>",
    meaning: "Takes events from topics, runs them through its steps in order, and writes what comes out to one topic.",
    fields: &[
        field("from", "topic or list of topics", REQUIRED, "Its inputs.", "from: flights"),
        field(
            "steps",
            "list of steps",
            "none",
            "What happens to each event, in order.",
            "steps: [{ filter: data.dep_time != null }]",
        ),
        field(
            "to",
            "topic",
            REQUIRED,
            "Where the outcome goes. The topic is created if it is not declared.",
            "to: departures",
        ),
        field(
            "on_error",
            "`dead_letter`, `skip` or `stop`",
            "`dead_letter`, or `defaults`",
            "What happens to an event that fails: set aside, counted and passed over, or the pipeline stops in front of it.",
            "on_error: dead_letter",
        ),
    ],
};

pub(crate) const STEP: Section = Section {
    path: "pipelines.<name>.steps[]",
    meaning: "One step says one of these verbs, and may carry a `name`.",
    fields: &[
        field(
            "filter",
            "expression",
            "-",
            "Lets an event pass when it is true; null counts as false.",
            "filter: data.dep_time != null",
        ),
        field(
            "set",
            "mapping of field to expression",
            "-",
            "Sets fields of the data, one after the other.",
            "set: { data.total: data.price * data.count }",
        ),
        field(
            "remove",
            "field or list of fields",
            "-",
            "Removes fields of the data.",
            "remove: [data.year, data.month]",
        ),
        field(
            "rename",
            "mapping of field to field",
            "-",
            "Moves fields of the data: old place to new place.",
            "rename: { data.dest: data.destination }",
        ),
        field(
            "snapshot",
            "mapping of model to key",
            "-",
            "Puts the state every named model had at the event's time into the data.",
            "snapshot: { plane: { key: data.tailnum } }",
        ),
        field(
            "transform",
            "name, or mapping with `name`",
            "-",
            "Runs a transformer that the service registered in Rust.",
            "transform: risk",
        ),
        field(
            "name",
            "name",
            "the verb and its number (`filter-1`), or the transformer's name",
            "Names the step and owns its state; unique within the pipeline.",
            "name: scoring",
        ),
    ],
};

pub(crate) const SNAPSHOT_MODEL: Section = Section {
    path: "pipelines.<name>.steps[].snapshot.<model>",
    meaning: "Which entity of the model, and where its state is put.",
    fields: &[
        field("key", "expression", REQUIRED, "The entity.", "key: data.tailnum"),
        field("as", "field", "`data.snapshot.<model>`", "Where its state is put.", "as: data.plane"),
    ],
};

pub(crate) const TRANSFORM: Section = Section {
    path: "pipelines.<name>.steps[].transform",
    meaning: "The long form of a transformer's name.",
    fields: &[field(
        "name",
        "name",
        REQUIRED,
        "The name the transformer is registered under.",
        "transform: { name: risk }",
    )],
};

pub(crate) const DEFAULTS: Section = Section {
    path: "defaults",
    meaning: "What topics and pipelines get that do not say.",
    fields: &[
        field("partitions", "number, 1 to 1024", "`4`", "Partitions of a topic.", "partitions: 8"),
        field("retention", "mapping", "for ever", "Retention of a topic.", "retention: { age: 30d }"),
        field(
            "on_error",
            "`dead_letter`, `skip` or `stop`",
            "`dead_letter`",
            "What a pipeline does with an event that fails.",
            "on_error: stop",
        ),
    ],
};

pub(crate) const LIMITS: Section = Section {
    path: "limits",
    meaning: "Checked at the doors, before the bytes are held.",
    fields: &[
        field("body", "size", "`1MiB`", "Largest request body, after decompression.", "body: 4MiB"),
        field("batch_events", "number", "`1000`", "Most events in one batch request.", "batch_events: 5000"),
        field(
            "json_depth",
            "number, 1 to 128",
            "`64`",
            "Deepest nesting of lists and objects in JSON data.",
            "json_depth: 32",
        ),
        field(
            "time_ahead",
            "duration, whole seconds",
            "`1h`",
            "How far an event's time may lie ahead of the clock.",
            "time_ahead: 5m",
        ),
        field(
            "deduplication",
            "duration, whole days",
            "`7d`",
            "How long the identity of an event is remembered.",
            "deduplication: 14d",
        ),
    ],
};

pub(crate) const ACCESS: Section = Section {
    path: "access",
    meaning: "Who may come in. An address that others can reach needs at least one token.",
    fields: &[
        field(
            "tokens",
            "list of tokens",
            "none",
            "Callers send one as `Authorization: Bearer <secret>`.",
            "tokens: [{ name: shop, secret: '${file:/run/secrets/shop}' }]",
        ),
        field(
            "hosts",
            "host name or list of them",
            "loopback's names",
            "Values of the `Host` header that are served besides loopback's own.",
            "hosts: [events.example.com]",
        ),
    ],
};

pub(crate) const TOKEN: Section = Section {
    path: "access.tokens[]",
    meaning: "A caller that may come in.",
    fields: &[
        field("name", "name", REQUIRED, "Names the caller in logs.", "name: shop"),
        field(
            "secret",
            "text",
            REQUIRED,
            "What the caller sends. Never printed; best taken from a file.",
            "secret: '${file:/run/secrets/shop}'",
        ),
    ],
};

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
