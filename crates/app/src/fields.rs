//! The table of every field of the app file. The reader opens each mapping with its section of this table and reports what
//! is not in it; the reference in docs/app-file.md and the JSON Schema are printed from it. A field exists in all or in none.

use riverrun_event::limits::PARTITIONS_MAX;

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
pub(crate) const OVERLAYABLE: [&str; 7] =
    ["log", "data_dir", "durability", "compression", "listen", "limits", "access"];

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
    &DEFAULTS,
    &LIMITS,
    &ACCESS,
    &TOKEN,
];

pub(crate) static APP: Section = Section {
    path: "riverrun.yaml",
    meaning: "One file declares one app: what it keeps, what it does with it, and where it runs.",
    fields: &[
        field(
            "app",
            Takes::Name("name"),
            REQUIRED,
            "Names the app. Outputs carry it in their `source`.",
            "app: flights",
        ),
        field(
            "log",
            Takes::Choice(&["local"]),
            "`local`",
            "Where events are kept: `local` is the embedded log in `data_dir`.",
            "log: local",
        ),
        field(
            "data_dir",
            Takes::Text("path"),
            "`./data`",
            "The folder of the embedded log and all state, relative to the app file.",
            "data_dir: /var/lib/flights",
        ),
        field(
            "durability",
            Takes::Either(&Takes::Choice(&["commit"]), &Takes::Duration("1ms to 1m")),
            "`commit`",
            "When events are synced to disk: before they are acknowledged, or this often. With a duration, a power cut loses what was \
             acknowledged since the last sync.",
            "durability: 100ms",
        ),
        field(
            "compression",
            Takes::Choice(&["lz4", "none"]),
            "`lz4`",
            "How stored events are compressed; those that are stored already stay as they are.",
            "compression: none",
        ),
        field(
            "listen",
            Takes::Text("address:port"),
            "`127.0.0.1:8080`",
            "Where HTTP is served.",
            "listen: 127.0.0.1:8080",
        ),
        field(
            "topics",
            Takes::Named("name", "topic", &TOPIC),
            "none",
            "The topics. One that a pipeline writes need not be declared.",
            "topics: { flights: { key: data.tailnum } }",
        ),
        field(
            "models",
            Takes::Named("name", "model", &MODEL),
            "none",
            "Keyed entities kept from topics, with their history.",
            "models: { plane: { from: planes } }",
        ),
        field(
            "pipelines",
            Takes::Named("name", "pipeline", &PIPELINE),
            "none",
            "What happens to events.",
            "pipelines: { departures: { from: flights, to: departures } }",
        ),
        field(
            "fragments",
            Takes::Pairs(&Takes::Name("name"), &Takes::List("steps", &STEP)),
            "none",
            "Steps that pipelines share; `use` puts them among their own.",
            "fragments: { clean: [{ remove: data.card }] }",
        ),
        field(
            "defaults",
            Takes::Mapping(&DEFAULTS),
            "none",
            "What topics and pipelines get that do not say.",
            "defaults: { partitions: 8 }",
        ),
        field(
            "include",
            Takes::OneOrMany(&Takes::Text("file or pattern of files")),
            "none",
            "More files of the app, in its folder or below. They hold topics, models and pipelines; names count in all of them.",
            "include: [pipelines/*.yaml]",
        ),
        field("limits", Takes::Mapping(&LIMITS), "see below", "Limits at the doors.", "limits: { body: 4MiB }"),
        field(
            "access",
            Takes::Mapping(&ACCESS),
            "everyone who can reach `listen`",
            "Who may come in.",
            "access: { hosts: [events.example.com] }",
        ),
    ],
};

pub(crate) static TOPIC: Section = Section {
    path: "topics.<name>",
    meaning: "A partitioned log of events. Nothing behind the name means a topic with the defaults.",
    fields: &[
        field(
            "partitions",
            Takes::Number(1, PARTITIONS_MAX as u64),
            "`4`, or `defaults`",
            "How many partitions. Does not change once the topic exists.",
            "partitions: 4",
        ),
        field(
            "key",
            Takes::Expression,
            "`partitionkey`, else `subject`",
            "What makes events related: same key, same partition, same order.",
            "key: data.tailnum",
        ),
        field(
            "id",
            Takes::Expression,
            "the `Idempotency-Key`",
            "Where plain JSON events take their id from.",
            "id: data.order_id",
        ),
        field(
            "time",
            Takes::Expression,
            "the time of acceptance",
            "Where plain JSON events take their time from (RFC 3339).",
            "time: data.created_at",
        ),
        field(
            "accept",
            Takes::OneOrMany(&Takes::Text("event type (`*` at the end matches all that begin so)")),
            "none",
            "Types that `POST /events` routes to this topic.",
            "accept: [device.*]",
        ),
        field(
            "retention",
            Takes::Mapping(&RETENTION),
            "for ever",
            "How long records stay.",
            "retention: { age: 7d, size: 10GiB }",
        ),
        field(
            "compact",
            Takes::Mapping(&COMPACT),
            "every event is kept",
            "Lets go of events that a newer one with the same key has replaced.",
            "compact: { after: 1h }",
        ),
    ],
};

pub(crate) static COMPACT: Section = Section {
    path: "topics.<name>.compact",
    meaning: "Of events with the same key only the newest, by event time, is kept, beyond the `history` of the models that the topic \
              feeds. Offsets keep their value; events without a key stay.",
    fields: &[
        field("after", Takes::Duration(""), "`1h`", "Events accepted more recently stay whole.", "after: 1h"),
        field(
            "deletions",
            Takes::Duration(""),
            "`7d`",
            "How long an event without data, which deletes its key, stays.",
            "deletions: 7d",
        ),
    ],
};

pub(crate) static RETENTION: Section = Section {
    path: "topics.<name>.retention",
    meaning: "How long records stay; whichever bound is reached first counts.",
    fields: &[
        field("age", Takes::Duration(""), "no bound", "Records accepted longer ago may be removed.", "age: 7d"),
        field(
            "size",
            Takes::Size,
            "no bound",
            "The oldest records of a partition may be removed beyond this size.",
            "size: 10GiB",
        ),
    ],
};

pub(crate) static MODEL: Section = Section {
    path: "models.<name>",
    meaning: "A keyed entity kept from a topic, with its versions by time. An event without data deletes the entity.",
    fields: &[
        field("from", Takes::Name("topic"), REQUIRED, "The topic that feeds it.", "from: planes"),
        field(
            "when",
            Takes::Expression,
            "every event",
            "Which of the topic's events count.",
            "when: type == 'plane.registered'",
        ),
        field("key", Takes::Expression, "the event's key", "The entity an event is about.", "key: data.tailnum"),
        field(
            "merge",
            Takes::Expression,
            "the data replaces what is known",
            "The part of the data that is merged (RFC 7396) into what is known.",
            "merge: data.changes",
        ),
        field(
            "history",
            Takes::Duration(""),
            "for ever",
            "How far back versions are kept, by event time.",
            "history: 400d",
        ),
    ],
};

pub(crate) static PIPELINE: Section = Section {
    path: "pipelines.<name>",
    meaning: "Takes events from topics, runs them through its steps in order, and writes what comes out to topics.",
    fields: &[
        field("from", Takes::OneOrMany(&Takes::Name("topic")), REQUIRED, "Its inputs.", "from: flights"),
        field(
            "steps",
            Takes::List("steps", &STEP),
            "none",
            "What happens to each event, in order.",
            "steps: [{ filter: data.dep_time != null }]",
        ),
        field(
            "to",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE)),
            "required, unless every event leaves in a branch",
            "Where events go that come to the end of the steps. A topic is created if it is not declared.",
            "to: departures",
        ),
        field(
            "on_error",
            ON_ERROR,
            "`dead_letter`, or `defaults`",
            "What happens to an event that fails: set aside, counted and passed over, or the pipeline stops in front of it.",
            "on_error: dead_letter",
        ),
    ],
};

pub(crate) static STEP: Section = Section {
    path: "pipelines.<name>.steps[]",
    meaning: "One step says one of these verbs, and may carry a `name`. Wherever steps stand, they are written the same; below is an example of each.",
    fields: &[
        field(
            "filter",
            Takes::Expression,
            VERB,
            "Lets an event pass when it is true; null counts as false.",
            "filter: data.dep_time != null",
        ),
        field(
            "set",
            Takes::Pairs(&Takes::Field, &Takes::Expression),
            VERB,
            "Sets fields of the data, one after the other.",
            "set: { data.total: data.price * data.count }",
        ),
        field(
            "map",
            Takes::Pairs(&Takes::Text("name"), &Takes::Expression),
            VERB,
            "Gives the data a whole new shape: these fields, in order; dots in a name lead into objects. A deletion stays one.",
            "map: { total: data.price * data.count, customer.name: data.who }",
        ),
        field(
            "flat_map",
            Takes::Either(&Takes::Expression, &Takes::Mapping(&FLAT_MAP)),
            VERB,
            "Makes an event of every element of a list; none when it is null, missing or empty.",
            "flat_map: data.items",
        ),
        field(
            "remove",
            Takes::OneOrMany(&Takes::Field),
            VERB,
            "Removes fields of the data.",
            "remove: [data.year, data.month]",
        ),
        field(
            "rename",
            Takes::Pairs(&Takes::Field, &Takes::Field),
            VERB,
            "Moves fields of the data: old place to new place.",
            "rename: { data.dest: data.destination }",
        ),
        field(
            "snapshot",
            Takes::Named("model", "key", &SNAPSHOT_MODEL),
            VERB,
            "Puts the state every named model had at the event's time into the data.",
            "snapshot: { plane: { key: data.tailnum } }",
        ),
        field(
            "transform",
            Takes::Either(&Takes::Name("name"), &Takes::Mapping(&TRANSFORM)),
            VERB,
            "Runs a transformer that the service registered in Rust.",
            "transform: risk",
        ),
        field(
            "select_key",
            Takes::Expression,
            VERB,
            "Gives the event another key from here on; what is written is partitioned by it.",
            "select_key: data.customer_id",
        ),
        field(
            "branch",
            Takes::Named("name", "way", &WAY),
            VERB,
            "Sends an event the first way whose condition holds; without one, on to the next step.",
            "branch: { big: { when: data.total > 1000, to: big-orders } }",
        ),
        field(
            "merge",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&MERGE)),
            VERB,
            "Lets the events of a further topic in; the steps before it do not see them.",
            "merge: returns",
        ),
        field(
            "peek",
            Takes::Expression,
            VERB,
            "Logs a value of each event that passes, at most 20 a second and pipeline, once it is processed; a replay logs none.",
            "peek: data.total",
        ),
        field("use", Takes::Name("fragment"), VERB, "Puts the steps of a fragment here.", "use: clean"),
        field(
            "name",
            Takes::Name("name"),
            "the verb and its number (`filter-1`), or the name of the transformer or fragment",
            "Names the step and owns its state; unique within the pipeline. That of a `use` stands before those of the fragment's steps.",
            "name: scoring",
        ),
    ],
};

pub(crate) static SNAPSHOT_MODEL: Section = Section {
    path: "pipelines.<name>.steps[].snapshot.<model>",
    meaning: "Which entity of the model, and where its state is put.",
    fields: &[
        field("key", Takes::Expression, REQUIRED, "The entity.", "key: data.tailnum"),
        field("as", Takes::Field, "`data.snapshot.<model>`", "Where its state is put.", "as: data.plane"),
    ],
};

pub(crate) static TRANSFORM: Section = Section {
    path: "pipelines.<name>.steps[].transform",
    meaning: "The long form of a transformer's name.",
    fields: &[field(
        "name",
        Takes::Name("name"),
        REQUIRED,
        "The name the transformer is registered under.",
        "transform: { name: risk }",
    )],
};

pub(crate) static ROUTE: Section = Section {
    path: "pipelines.<name>.to",
    meaning: "Chooses the topic of each event.",
    fields: &[
        field("route", Takes::Expression, REQUIRED, "Gives the name of one of the topics.", "route: data.region"),
        field(
            "topics",
            Takes::OneOrMany(&Takes::Name("topic")),
            REQUIRED,
            "The topics it may name.",
            "topics: [orders-eu, orders-us]",
        ),
        field(
            "default",
            Takes::Name("topic"),
            "the event's error",
            "Where an event goes for which it names none of them.",
            "default: orders-elsewhere",
        ),
    ],
};

pub(crate) static FLAT_MAP: Section = Section {
    path: "pipelines.<name>.steps[].flat_map",
    meaning: "The long form of a list.",
    fields: &[
        field("each", Takes::Expression, REQUIRED, "Gives the list.", "each: data.items"),
        field(
            "as",
            Takes::Field,
            "the element is the new data",
            "Where the element is put in a copy of the data.",
            "as: data.item",
        ),
    ],
};

pub(crate) static WAY: Section = Section {
    path: "pipelines.<name>.steps[].branch.<way>",
    meaning: "A way of a branch. The one named `default` takes what the others leave.",
    fields: &[
        field(
            "when",
            Takes::Expression,
            "required, except for `default`",
            "Which events go this way; null counts as false.",
            "when: data.total > 1000",
        ),
        field(
            "steps",
            Takes::List("steps", &STEP),
            "none",
            "What happens to them.",
            "steps: [{ set: { data.check: 'true' } }]",
        ),
        field(
            "to",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE)),
            "they come back to the steps after the branch",
            "Where they leave the pipeline.",
            "to: big-orders",
        ),
    ],
};

pub(crate) static MERGE: Section = Section {
    path: "pipelines.<name>.steps[].merge",
    meaning: "The long form of a topic.",
    fields: &[
        field("from", Takes::Name("topic"), REQUIRED, "The topic.", "from: returns"),
        field(
            "steps",
            Takes::List("steps", &STEP),
            "none",
            "What happens to its events before they join the others.",
            "steps: [{ set: { data.total: 0 - data.total } }]",
        ),
    ],
};

pub(crate) static DEFAULTS: Section = Section {
    path: "defaults",
    meaning: "What topics and pipelines get that do not say.",
    fields: &[
        field("partitions", Takes::Number(1, PARTITIONS_MAX as u64), "`4`", "Partitions of a topic.", "partitions: 8"),
        field("retention", Takes::Mapping(&RETENTION), "for ever", "Retention of a topic.", "retention: { age: 30d }"),
        field(
            "on_error",
            ON_ERROR,
            "`dead_letter`",
            "What a pipeline does with an event that fails.",
            "on_error: stop",
        ),
    ],
};

pub(crate) static LIMITS: Section = Section {
    path: "limits",
    meaning: "Checked at the doors, before the bytes are held.",
    fields: &[
        field("body", Takes::Size, "`1MiB`", "Largest request body, after decompression.", "body: 4MiB"),
        field(
            "batch_events",
            Takes::Number(1, BATCH_EVENTS_MAX),
            "`1000`",
            "Most events in one batch request.",
            "batch_events: 5000",
        ),
        field(
            "json_depth",
            Takes::Number(1, JSON_DEPTH_MAX),
            "`64`",
            "Deepest nesting of lists and objects in JSON data.",
            "json_depth: 32",
        ),
        field(
            "time_ahead",
            Takes::Duration("whole seconds"),
            "`1h`",
            "How far an event's time may lie ahead of the clock.",
            "time_ahead: 5m",
        ),
        field(
            "deduplication",
            Takes::Duration("whole days"),
            "`7d`",
            "How long the identity of an event is remembered.",
            "deduplication: 14d",
        ),
    ],
};

pub(crate) static ACCESS: Section = Section {
    path: "access",
    meaning: "Who may come in. An address that others can reach needs at least one token.",
    fields: &[
        field(
            "tokens",
            Takes::List("tokens", &TOKEN),
            "none",
            "Callers send one as `Authorization: Bearer <secret>`.",
            "tokens: [{ name: shop, secret: '${file:/run/secrets/shop}' }]",
        ),
        field(
            "hosts",
            Takes::OneOrMany(&Takes::Text("host name")),
            "loopback's names",
            "Values of the `Host` header that are served besides loopback's own.",
            "hosts: [events.example.com]",
        ),
    ],
};

pub(crate) static TOKEN: Section = Section {
    path: "access.tokens[]",
    meaning: "A caller that may come in.",
    fields: &[
        field("name", Takes::Name("name"), REQUIRED, "Names the caller in logs.", "name: shop"),
        field(
            "secret",
            Takes::Text("text"),
            REQUIRED,
            "What the caller sends. Never printed; best taken from a file.",
            "secret: '${file:/run/secrets/shop}'",
        ),
        field(
            "verbs",
            Takes::OneOrMany(&Takes::Choice(&["publish", "read", "operate"])),
            "all three",
            "What the caller may do; `operate` is status, metrics, dead letters and replays.",
            "verbs: [publish, read]",
        ),
        field(
            "topics",
            Takes::OneOrMany(&Takes::Text("topic (`*` at the end matches all that begin so)")),
            "all topics",
            "Where the caller may publish and read.",
            "topics: [orders, device.*]",
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
