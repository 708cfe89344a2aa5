//! Where and how an app runs, and what counts where nothing is said.

use riverrun_event::limits::PARTITIONS_MAX;

use super::{BATCH_EVENTS_MAX, JSON_DEPTH_MAX, ON_ERROR, REQUIRED, RETENTION, Section, field};
use crate::takes::Takes;

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
