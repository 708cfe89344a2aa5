//! The table of every field of a test file; the reference in docs/test-file.md is printed from it.

use crate::fields::{REQUIRED, Section, field};
use crate::takes::Takes;

/// Every section, in the order of the reference.
pub(crate) static SECTIONS: &[&Section] = &[&FILE, &STEP, &GIVEN, &EXPECTED, &ROW, &ROW_WINDOW, &DEAD_LETTER];

pub(crate) static FILE: Section = Section {
    path: "*.test.yaml",
    meaning: "A file holds the tests of one app, by name.",
    fields: &[field(
        "tests",
        Takes::Text("mapping of name to step, or to list of steps"),
        REQUIRED,
        "The tests. Each begins with an empty log and empty state.",
        "tests: { a cancelled order leaves nothing: { given: [{ topic: orders, data: { total: 0 } }], expect: { bills: nothing } } }",
    )],
};

pub(crate) static STEP: Section = Section {
    path: "tests.<name>",
    meaning: "One step of a test: time moves, events come in one after the other, and what came out in this step is compared. \
        A test is one step, or a list of them. Dead letters that a step does not expect fail it.",
    fields: &[
        field(
            "at",
            Takes::Text("RFC 3339 time"),
            "the time of the newest event, from 2026-01-01T00:00:00Z on",
            "Sets the clock. From then on it stands still until it is moved again.",
            "at: 2026-03-01T12:00:00Z",
        ),
        field("after", Takes::Text("duration"), "-", "Moves the clock ahead.", "after: 10m"),
        field(
            "given",
            Takes::Text("list of events"),
            "none",
            "Events for the door. Each is processed to its end before the next one comes.",
            "given: [{ topic: orders, data: { customer: ada, total: 10 } }]",
        ),
        field(
            "expect",
            Takes::Text("mapping of topic to list of events, or to `nothing`"),
            "none",
            "All that the step wrote to these topics, in order per key. Topics that are not named are not compared.",
            "expect: { bills: [{ data: { customer: ada, total: 10 } }] }",
        ),
        field(
            "dead_letters",
            Takes::Text("list of dead letters, or `nothing`"),
            "`nothing`",
            "All events that the step set aside.",
            "dead_letters: [{ pipeline: billing, code: RR0301 }]",
        ),
        field(
            "views",
            Takes::Text("mapping of view to list of rows"),
            "none",
            "Rows of views as they are at the end of the step. Rows that are not named are not compared.",
            "views: { hourly: [{ key: UA, contains: { flights: 2 } }] }",
        ),
        field(
            "lookups",
            Takes::Text("mapping of address to any YAML value"),
            "none",
            "What the app's lookups by HTTP are answered, from this step on. An address that no step names answers `null`.",
            "lookups: { \"http://prices/tea\": { price: 4 } }",
        ),
        field(
            "stopped",
            Takes::Text("pipeline"),
            "none",
            "The pipeline that stops in this step, as its `on_error: stop` asks.",
            "stopped: billing",
        ),
    ],
};

pub(crate) static GIVEN: Section = Section {
    path: "tests.<name>.given[]",
    meaning: "An event as a sender sends it; the rules of the doors apply. With `source` or `type`, or without data, it is a CloudEvent, \
        and what is missing of `id`, `source` and `type` is `test-<n>`, `/test` and the topic's name. Otherwise it is plain JSON, and the topic's \
        `id` and `time` complete it.",
    fields: &[
        field("topic", Takes::Text("topic"), REQUIRED, "Where it is sent.", "topic: orders"),
        field(
            "data",
            Takes::Text("any YAML value"),
            "no data: the entity is deleted",
            "Its data, sent as JSON.",
            "data: { customer: ada, total: 10 }",
        ),
        field(
            "raw",
            Takes::Text("text"),
            "-",
            "Its data as the bytes that are sent, in place of `data`.",
            "raw: '{\"total\": 1e2}'",
        ),
        field(
            "id",
            Takes::Text("text"),
            "the topic's `id`, else `test-<n>`",
            "Its id; a plain sender's `Idempotency-Key`.",
            "id: o-1",
        ),
        field("source", Takes::Text("text"), "`/http`, of a CloudEvent `/test`", "Its source.", "source: /shop"),
        field("type", Takes::Text("text"), "the topic's name", "Its type.", "type: order.placed"),
        field("subject", Takes::Text("text"), "none", "Its subject.", "subject: ada"),
        field(
            "time",
            Takes::Text("text"),
            "the topic's `time`, else the clock",
            "Its time.",
            "time: 2026-03-01T12:00:00Z",
        ),
        field("key", Takes::Text("text"), "the topic's `key`, else `subject`", "Its `partitionkey`.", "key: ada"),
        field("content_type", Takes::Text("text"), "JSON", "The media type of its data.", "content_type: text/csv"),
        field(
            "attributes",
            Takes::Text("mapping of name to text"),
            "none",
            "Further attributes.",
            "attributes: { correlationid: c-1 }",
        ),
        field(
            "refused",
            Takes::Text("code"),
            "it is accepted",
            "The door refuses it with this error.",
            "refused: RR0134",
        ),
    ],
};

pub(crate) static EXPECTED: Section = Section {
    path: "tests.<name>.expect.<topic>[]",
    meaning: "An event that came out. Only what is named is compared.",
    fields: &[
        field("data", Takes::Text("any YAML value"), "-", "Its data, all of it.", "data: { customer: ada, total: 10 }"),
        field(
            "contains",
            Takes::Text("any YAML value"),
            "-",
            "A part of its data: fields that are not named may be there.",
            "contains: { total: 10 }",
        ),
        field("no_data", Takes::Text("`true`"), "-", "It has no data: a deletion.", "no_data: true"),
        field("id", Takes::Text("text"), "-", "Its id.", "id: orders/2@0/to.0"),
        field("source", Takes::Text("text"), "-", "Its source.", "source: /shop/billing"),
        field("type", Takes::Text("text"), "-", "Its type.", "type: order.placed"),
        field("subject", Takes::Text("text or `null`"), "-", "Its subject; `null` for none.", "subject: ada"),
        field("time", Takes::Text("RFC 3339 time"), "-", "Its time.", "time: 2026-03-01T12:00:00Z"),
        field("key", Takes::Text("text or `null`"), "-", "Its key; `null` for none.", "key: ada"),
        field(
            "attributes",
            Takes::Text("mapping of name to text or `null`"),
            "-",
            "Some of its attributes.",
            "attributes: { correlationid: c-1 }",
        ),
    ],
};

pub(crate) static ROW: Section = Section {
    path: "tests.<name>.views.<view>[]",
    meaning: "A row of a view. Without `data`, `contains` and `no_row` it only has to be there.",
    fields: &[
        field("key", Takes::Text("text"), REQUIRED, "Its key.", "key: ada"),
        field(
            "window",
            Takes::Text("mapping"),
            "the newest window of the key",
            "Its window, where the view has windows.",
            "window: { start: 2026-03-01T12:00:00Z }",
        ),
        field("data", Takes::Text("any YAML value"), "-", "Its data, all of it.", "data: { count: 2 }"),
        field(
            "contains",
            Takes::Text("any YAML value"),
            "-",
            "A part of its data: fields that are not named may be there.",
            "contains: { flights: 2 }",
        ),
        field("no_row", Takes::Text("`true`"), "-", "There is no such row.", "no_row: true"),
    ],
};

pub(crate) static ROW_WINDOW: Section = Section {
    path: "tests.<name>.views.<view>[].window",
    meaning: "The window of a row: where it starts, where it ends, or both.",
    fields: &[
        field("start", Takes::Text("RFC 3339 time"), "-", "Its first moment.", "start: 2026-03-01T12:00:00Z"),
        field("end", Takes::Text("RFC 3339 time"), "-", "The moment it is over.", "end: 2026-03-01T13:00:00Z"),
    ],
};

pub(crate) static DEAD_LETTER: Section = Section {
    path: "tests.<name>.dead_letters[]",
    meaning: "An event that was set aside. Only what is named is compared.",
    fields: &[
        field("pipeline", Takes::Text("pipeline"), "-", "The pipeline that failed on it.", "pipeline: billing"),
        field("model", Takes::Text("model"), "-", "The model that could not take it.", "model: customer"),
        field("code", Takes::Text("code"), "-", "The code of the error.", "code: RR0301"),
        field("error", Takes::Text("text"), "-", "A part of the error's message.", "error: total is null"),
        field("operator", Takes::Text("name"), "-", "The step that failed.", "operator: set-1"),
        field("id", Takes::Text("text"), "-", "The id of the event.", "id: o-1"),
        field("key", Takes::Text("text or `null`"), "-", "The key of the event.", "key: ada"),
        field("data", Takes::Text("any YAML value"), "-", "The data of the event, all of it.", "data: { total: null }"),
        field(
            "contains",
            Takes::Text("any YAML value"),
            "-",
            "A part of the event's data.",
            "contains: { total: null }",
        ),
    ],
};
