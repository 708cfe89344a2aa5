//! What an app declares: itself, its topics and its models.

use riverrun_event::limits::PARTITIONS_MAX;

use super::{ACCESS, DEFAULTS, KAFKA, LIMITS, OUTBOX, PIPELINE, REQUIRED, STEP, Section, field};
use crate::takes::Takes;

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
            Takes::Either(&Takes::Choice(&["local"]), &Takes::Text("kafka://host:port,...")),
            "`local`",
            "Where events are kept: `local` is the embedded log in `data_dir`; `kafka://` names some brokers of an Apache Kafka cluster.",
            "log: kafka://broker-1:9092,broker-2:9092",
        ),
        field(
            "kafka",
            Takes::Mapping(&KAFKA),
            "see below",
            "How the app runs on Apache Kafka, where `log` says so.",
            "kafka: { instance: shop-1, replication: 3 }",
        ),
        field(
            "outbox",
            Takes::Mapping(&OUTBOX),
            "none",
            "A PostgreSQL database whose outbox is relayed into topics.",
            "outbox: { url: '${env:DATABASE_URL:-postgres://shop@localhost/shop}' }",
        ),
        field(
            "data_dir",
            Takes::Text("path"),
            "`./data`",
            "The folder of the embedded log and all state, relative to the app file. On Kafka, of the local copy of the state.",
            "data_dir: /var/lib/flights",
        ),
        field(
            "durability",
            Takes::Either(&Takes::Choice(&["commit"]), &Takes::Duration("1ms to 1m")),
            "`commit`",
            "When events are synced to disk: before they are acknowledged, or this often. With a duration, a power cut loses what was \
             acknowledged since the last sync. On Kafka an event is acknowledged when all in-sync copies have it.",
            "durability: 100ms",
        ),
        field(
            "compression",
            Takes::Choice(&["lz4", "none"]),
            "`lz4`",
            "How stored events are compressed, on disk and on Kafka; those that are stored already stay as they are.",
            "compression: none",
        ),
        field(
            "cache",
            Takes::Size,
            "`32MiB`",
            "Memory for what was read from disk, events and state alike, from 1MiB to 1TiB. More pays off where views or tables are read \
             that do not fit.",
            "cache: 256MiB",
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
        field(
            "placement",
            Takes::Choice(&["broadcast", "copartitioned"]),
            "`broadcast`",
            "Where it is kept: whole, for all tasks, or in the tasks that look it up, each with the entities of its partition. The latter is for large models, which are then looked up by the events' key.",
            "placement: copartitioned",
        ),
    ],
};
