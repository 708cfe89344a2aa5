//! Pipelines, their steps, and what the longer forms of steps hold.

use super::aggregates::{AGGREGATE, COGROUP, COUNT, FOLD, REDUCE};
use super::joins::{DEDUPLICATE, IDENTIFY, JOIN, MONITOR, SEQUENCE, TABLE};
use super::{ON_ERROR, REQUIRED, Section, VERB, field};
use crate::takes::Takes;

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
        field(
            "repartition",
            Takes::Choice(&["auto", "declared"]),
            "`declared`: such a step is refused",
            "Whether a keyed step whose inputs differ in their partitions gets a repartition by itself. Behind a changed key it gets one in any case.",
            "repartition: auto",
        ),
    ],
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
            "lookup",
            Takes::Mapping(&LOOKUP),
            VERB,
            "Asks a service outside and puts its answer into the data. Many are asked at once, and events keep their order; a replay asks nobody.",
            "lookup: { get: \"'http://crm/customers/' + data.customer\", as: data.customer }",
        ),
        field(
            "group_by",
            Takes::Expression,
            VERB,
            "Says what the keyed steps behind it go by: gives the event the key of its group, and moves it where they need it.",
            "group_by: data.carrier",
        ),
        field(
            "repartition",
            Takes::Either(&Takes::Expression, &Takes::Mapping(&REPARTITION)),
            VERB,
            "Deals the events out anew; the steps behind it run in tasks of their own.",
            "repartition: { by: data.region, partitions: 8 }",
        ),
        field(
            "count",
            Takes::Mapping(&COUNT),
            VERB,
            "Counts the events of each key, or of each key and window.",
            "count: { window: { tumbling: 1h } }",
        ),
        field(
            "aggregate",
            Takes::Mapping(&AGGREGATE),
            VERB,
            "Gives fields of functions over the events of each key, or of each key and window.",
            "aggregate: { fields: { flights: count(), mean: avg(data.delay) } }",
        ),
        field(
            "reduce",
            Takes::Mapping(&REDUCE),
            VERB,
            "Makes one of the events of each key, or of each key and window.",
            "reduce: { with: 'data.total > state.total ? data : state' }",
        ),
        field(
            "fold",
            Takes::Mapping(&FOLD),
            VERB,
            "Makes a state of the events of each key, or of each key and window.",
            "fold: { initial: '0', with: state + data.amount }",
        ),
        field(
            "cogroup",
            Takes::Mapping(&COGROUP),
            VERB,
            "Makes a state of the events of several topics for each key, or each key and window.",
            "cogroup: { initial: '0', with: state + data.amount, streams: { payments: state - data.amount } }",
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
        field(
            "deduplicate",
            Takes::Either(&Takes::Expression, &Takes::Mapping(&DEDUPLICATE)),
            VERB,
            "Drops an event whose value was there before under the same key. Keeps state per key.",
            "deduplicate: data.order_id",
        ),
        field(
            "sequence",
            Takes::Mapping(&SEQUENCE),
            VERB,
            "Finds events of a key that follow one another within a time, or one that is not followed; others end here. Keeps state per key.",
            "sequence: { first: data.a, then: data.b, within: 10m }",
        ),
        field(
            "join",
            Takes::Mapping(&JOIN),
            VERB,
            "Brings events together with those of another topic, or with a model. Keeps state per key, except with a model.",
            "join: { stream: payments, within: 10m, as: data.payment }",
        ),
        field(
            "table",
            Takes::Either(&Takes::Name("view"), &Takes::Mapping(&TABLE)),
            VERB,
            "Keeps the newest event of each key as state that is read as a view; every event passes. Keeps state per key.",
            "table: customers",
        ),
        field(
            "identify",
            Takes::Mapping(&IDENTIFY),
            VERB,
            "Finds the entity an event belongs to, or creates it. Events leave keyed by it.",
            "identify: { entity: device, match: [data.serial, data.mac] }",
        ),
        field(
            "monitor",
            Takes::Mapping(&MONITOR),
            VERB,
            "Says when something begins to hold for a key and when it ends; other events end here. Keeps state per key.",
            "monitor: { rate: { more_than: 10, within: 1m } }",
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

pub(crate) static LOOKUP: Section = Section {
    path: "pipelines.<name>.steps[].lookup",
    meaning: "Who is asked, and how: `get` or `call`.",
    fields: &[
        field(
            "get",
            Takes::Expression,
            "-",
            "The address of an HTTP GET that answers JSON; 404 answers null, and null asks nothing.",
            "get: \"'http://crm/customers/' + data.customer\"",
        ),
        field(
            "call",
            Takes::Name("name"),
            "-",
            "An async function that the service registered in Rust.",
            "call: customers",
        ),
        field("with", Takes::Expression, "required with `call`", "What the function gets.", "with: data.customer"),
        field("as", Takes::Field, REQUIRED, "Where the answer is put.", "as: data.customer"),
        field("timeout", Takes::Duration(""), "`5s`", "How long one attempt may take.", "timeout: 500ms"),
        field(
            "attempts",
            Takes::Number(1, 100),
            "3",
            "How often it is tried; the pauses between double from 50ms on.",
            "attempts: 5",
        ),
        field(
            "concurrency",
            Takes::Number(1, 10_000),
            "100",
            "How many calls of a task are under way at once.",
            "concurrency: 20",
        ),
        field(
            "cache",
            Takes::Duration(""),
            "every event asks",
            "For how long an answer counts for the same question, by accept time.",
            "cache: 10m",
        ),
        field(
            "on_failure",
            Takes::Choice(&["error", "null"]),
            "`error`",
            "Whether an event without answer fails (the pipeline's `on_error` decides), or goes on with null.",
            "on_failure: 'null'",
        ),
    ],
};

pub(crate) static REPARTITION: Section = Section {
    path: "pipelines.<name>.steps[].repartition",
    meaning: "The long form of a new key.",
    fields: &[
        field("by", Takes::Expression, "the key it has", "Gives the event another key.", "by: data.region"),
        field(
            "partitions",
            Takes::Number(1, riverrun_event::limits::PARTITIONS_MAX as u64),
            "as many as the tasks before it",
            "Partitions of the topic in which the events meet, and tasks behind it.",
            "partitions: 8",
        ),
        field(
            "partitioner",
            Takes::Either(&Takes::Choice(&["murmur2", "round_robin"]), &Takes::Mapping(&PARTITIONER)),
            "`murmur2`",
            "Which partition an event goes to: by its key as Kafka's clients place it, or one after the other.",
            "partitioner: round_robin",
        ),
        field(
            "retention",
            Takes::Duration(""),
            "for ever",
            "How long the meeting topic keeps events. A replay needs them.",
            "retention: 30d",
        ),
    ],
};

pub(crate) static PARTITIONER: Section = Section {
    path: "pipelines.<name>.steps[].repartition.partitioner",
    meaning: "A partitioner of your own: one of the two.",
    fields: &[
        field(
            "expression",
            Takes::Expression,
            "-",
            "Gives the number of the partition; it counts modulo the partitions.",
            "expression: data.shard",
        ),
        field(
            "custom",
            Takes::Name("name"),
            "-",
            "Names a function that the service registered in Rust.",
            "custom: by-region",
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
