//! Steps that bring events of a key together: what was there before, what follows, what belongs to it.

use super::pipelines::ROUTE;
use super::{REQUIRED, Section, field};
use crate::takes::Takes;

pub(crate) static DEDUPLICATE: Section = Section {
    path: "pipelines.<name>.steps[].deduplicate",
    meaning: "The long form of what makes two events the same.",
    fields: &[
        field(
            "by",
            Takes::Expression,
            REQUIRED,
            "What makes two events of a key the same. Where it is null, the event passes.",
            "by: data.order_id",
        ),
        field(
            "window",
            Takes::Duration("longer than nothing"),
            "for ever",
            "Two events are the same when their times lie less than this apart.",
            "window: 1h",
        ),
        field(
            "late",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE)),
            "nowhere; they are counted",
            "Where events go that come more than a window behind the newest, too late to be told apart.",
            "late: late-orders",
        ),
    ],
};

pub(crate) static SEQUENCE: Section = Section {
    path: "pipelines.<name>.steps[].sequence",
    meaning: "Events of a key that follow one another by event time. It says one of `then` and `absent`.",
    fields: &[
        field("first", Takes::Expression, REQUIRED, "Which events begin a sequence.", "first: type == 'order.placed'"),
        field(
            "then",
            Takes::Expression,
            "`absent` is given",
            "Which events end it: the next one goes on, with the data of each event that waited for it.",
            "then: type == 'order.paid'",
        ),
        field(
            "absent",
            Takes::Expression,
            "`then` is given",
            "Which events must not follow: the first one goes on when its time is over and none did.",
            "absent: type == 'order.paid'",
        ),
        field(
            "within",
            Takes::Duration("longer than nothing"),
            REQUIRED,
            "How long after the first event another one follows it.",
            "within: 10m",
        ),
        field(
            "as",
            Takes::Field,
            "`data.first`",
            "With `then`, where the data of the first event is put in that of the second.",
            "as: data.order",
        ),
        field(
            "grace",
            Takes::Duration(""),
            "`0s`",
            "How long after its end events of the sequence are awaited that come out of order.",
            "grace: 5s",
        ),
        field(
            "late",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE)),
            "nowhere; they are counted",
            "Where events go that come after `within` and `grace`.",
            "late: late-orders",
        ),
    ],
};

pub(crate) static JOIN: Section = Section {
    path: "pipelines.<name>.steps[].join",
    meaning: "The flow of the steps is the left side. It says one of `stream`, `table` and `model`, which is the right one.",
    fields: &[
        field(
            "stream",
            Takes::Name("topic"),
            "another is given",
            "A topic whose events are joined that have the same key and lie near in time.",
            "stream: payments",
        ),
        field(
            "table",
            Takes::Name("topic"),
            "another is given",
            "A topic whose newest event of the same key is joined; of the left side, too, the newest one counts. A change of either side gives the new result.",
            "table: customers",
        ),
        field(
            "model",
            Takes::Name("model"),
            "another is given",
            "A model that is asked for the state of an entity at the event's time.",
            "model: customer",
        ),
        field(
            "by",
            Takes::Expression,
            "required with `model`",
            "With `model`, the entity. With `table`, the key of the row that the left event names (a foreign key); without it they have the same key.",
            "by: data.customer_id",
        ),
        field(
            "within",
            Takes::Duration(""),
            "`before` or `after` is given",
            "With `stream`, how far apart the events of a pair may be, either way.",
            "within: 10m",
        ),
        field(
            "before",
            Takes::Duration(""),
            "`0s`",
            "With `stream`, how much earlier than the left event the right one may be.",
            "before: 1m",
        ),
        field(
            "after",
            Takes::Duration(""),
            "`0s`",
            "With `stream`, how much later than the left event the right one may be.",
            "after: 10m",
        ),
        field(
            "grace",
            Takes::Duration(""),
            "`0s`",
            "With `stream`, how long after the end of its window an event is awaited that comes out of order.",
            "grace: 5s",
        ),
        field(
            "type",
            Takes::Choice(&["inner", "left", "outer"]),
            "`inner`",
            "What finds no other: nothing comes out, the left event alone does, or that of either side.",
            "type: left",
        ),
        field(
            "as",
            Takes::Field,
            "`data.<topic>` or `data.<model>`",
            "Where the data of the right side is put.",
            "as: data.payment",
        ),
        field(
            "late",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE)),
            "nowhere; they are counted",
            "With `stream`, where events go that come too late.",
            "late: late-payments",
        ),
        field(
            "view",
            Takes::Name("view"),
            "none",
            "With `table`, the name by which the results are read.",
            "view: orders-with-customers",
        ),
    ],
};

pub(crate) static TABLE: Section = Section {
    path: "pipelines.<name>.steps[].table",
    meaning: "The long form of a view's name.",
    fields: &[field("view", Takes::Name("view"), REQUIRED, "What the table is read as.", "view: customers")],
};

pub(crate) static IDENTIFY: Section = Section {
    path: "pipelines.<name>.steps[].identify",
    meaning: "How an entity is known again, and where it is put.",
    fields: &[
        field(
            "entity",
            Takes::Name("entity"),
            REQUIRED,
            "What is identified; the names of entities begin with it.",
            "entity: device",
        ),
        field(
            "match",
            Takes::OneOrMany(&Takes::Expression),
            REQUIRED,
            "The values that identify it, the most telling first; those that are null say nothing.",
            "match: [data.serial, data.mac]",
        ),
        field(
            "within",
            Takes::Expression,
            "all events, in one task",
            "The scope, outside of which nothing is compared. Events are placed by it.",
            "within: data.tenant",
        ),
        field("as", Takes::Field, "`data.<entity>`", "Where the entity is put.", "as: data.device"),
    ],
};

pub(crate) static MONITOR: Section = Section {
    path: "pipelines.<name>.steps[].monitor",
    meaning: "It says one of `threshold`, `rate` and `absence`.",
    fields: &[
        field(
            "threshold",
            Takes::Mapping(&THRESHOLD),
            "another is given",
            "A value that crosses a limit.",
            "threshold: { value: data.temperature, above: 90, clear: 80 }",
        ),
        field(
            "rate",
            Takes::Mapping(&RATE),
            "another is given",
            "Many events of a key in a time.",
            "rate: { more_than: 10, within: 1m }",
        ),
        field(
            "absence",
            Takes::Either(&Takes::Duration("longer than nothing"), &Takes::Mapping(&ABSENCE)),
            "another is given",
            "No event of a key for a time.",
            "absence: 5m",
        ),
        field("as", Takes::Field, "`data.monitor`", "Where the change is put.", "as: data.alarm"),
        field(
            "late",
            Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE)),
            "nowhere; they are counted",
            "Where events go that come too late to count; a `threshold` has none.",
            "late: late-readings",
        ),
        field(
            "view",
            Takes::Name("view"),
            "none",
            "The name by which the keys are read for which it is raised.",
            "view: alarms",
        ),
    ],
};

pub(crate) static THRESHOLD: Section = Section {
    path: "pipelines.<name>.steps[].monitor.threshold",
    meaning: "A value and its limit. It says one of `above` and `below`.",
    fields: &[
        field(
            "value",
            Takes::Expression,
            REQUIRED,
            "What is watched. Where it is null, nothing changes.",
            "value: data.temperature",
        ),
        field("above", Takes::Expression, "`below` is given", "Raised when the value is greater.", "above: 90"),
        field("below", Takes::Expression, "`above` is given", "Raised when the value is less.", "below: data.least"),
        field(
            "clear",
            Takes::Expression,
            "the limit",
            "Where it is cleared: when the value is at most this with `above`, at least this with `below`.",
            "clear: 80",
        ),
    ],
};

/// Most events a rate may allow; more of them in a time are no exception any more, and a typing mistake.
pub(crate) const RATE_MAX: u64 = 1_000_000_000;

pub(crate) static RATE: Section = Section {
    path: "pipelines.<name>.steps[].monitor.rate",
    meaning: "How many events in which time.",
    fields: &[
        field("more_than", Takes::Number(0, RATE_MAX), REQUIRED, "Raised when there are more.", "more_than: 10"),
        field(
            "within",
            Takes::Duration("longer than nothing"),
            REQUIRED,
            "In which time, ending at the newest event of the task.",
            "within: 1m",
        ),
    ],
};

pub(crate) static ABSENCE: Section = Section {
    path: "pipelines.<name>.steps[].monitor.absence",
    meaning: "The long form of a time.",
    fields: &[field("of", Takes::Duration("longer than nothing"), REQUIRED, "How long no event comes.", "of: 5m")],
};
