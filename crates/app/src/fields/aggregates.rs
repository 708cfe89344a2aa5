//! Steps that bring the events of a key together, their windows, and when their results come.

use super::{Field, REQUIRED, ROUTE, Section, VERB, field};
use crate::takes::Takes;

pub(crate) static COUNT: Section = Section {
    path: "pipelines.<name>.steps[].count",
    meaning: "Counts events. What holds for `window`, `emit`, `late`, `view` and `keep` here holds for every step that has them.",
    fields: &[
        field("as", Takes::Text("name"), "`count`", "The field in which the number comes.", "as: flights"),
        window(),
        emit(),
        late(),
        view(),
        keep(),
    ],
};

pub(crate) static AGGREGATE: Section = Section {
    path: "pipelines.<name>.steps[].aggregate",
    meaning: "Gives fields of functions over the events: `count()`, or `count(x)` of those where x is not null; `sum(x)`, `avg(x)`, `min(x)`, `max(x)`; `collect(x, 100)`, the first 100 values; \
              `distinct(x)`, each value once; `top(x, 3)`, the 3 greatest. x is any expression; where it is null the event does not count. Sums of integers are exact.",
    fields: &[
        field(
            "fields",
            Takes::Pairs(&Takes::Text("name"), &Takes::Text("function")),
            REQUIRED,
            "The fields of the result, in order.",
            "fields: { flights: count(), mean: avg(data.delay) }",
        ),
        window(),
        emit(),
        late(),
        view(),
        keep(),
    ],
};

pub(crate) static REDUCE: Section = Section {
    path: "pipelines.<name>.steps[].reduce",
    meaning: "Makes one of two events, again and again. The first event's data is the first state; a deletion is passed over.",
    fields: &[
        field(
            "with",
            Takes::Expression,
            REQUIRED,
            "The state with an event: it knows `state` besides the event.",
            "with: 'data.total > state.total ? data : state'",
        ),
        window(),
        emit(),
        late(),
        view(),
        keep(),
    ],
};

pub(crate) static FOLD: Section = Section {
    path: "pipelines.<name>.steps[].fold",
    meaning: "Makes a state anew with each event, from a beginning.",
    fields: &[
        initial(),
        field(
            "with",
            Takes::Expression,
            REQUIRED,
            "The state with an event: it knows `state` besides the event.",
            "with: \"{'n': state.n + data.amount}\"",
        ),
        merge(),
        window(),
        emit(),
        late(),
        view(),
        keep(),
    ],
};

pub(crate) static COGROUP: Section = Section {
    path: "pipelines.<name>.steps[].cogroup",
    meaning: "Makes one state of the events of several topics that are keyed alike.",
    fields: &[
        initial(),
        field(
            "with",
            Takes::Expression,
            REQUIRED,
            "The state with an event of the steps before.",
            "with: \"{'open': state.open + data.amount}\"",
        ),
        field(
            "streams",
            Takes::Pairs(&Takes::Name("topic"), &Takes::Expression),
            REQUIRED,
            "Further topics, and the state with one of their events.",
            "streams: { payments: \"{'open': state.open - data.amount}\" }",
        ),
        merge(),
        window(),
        emit(),
        late(),
        view(),
        keep(),
    ],
};

pub(crate) static WINDOW: Section = Section {
    path: "pipelines.<name>.steps[].<aggregate>.window",
    meaning: "Cuts time up, so that each window of a key has a result of its own, with its `start` and `end`. Windows of fixed length begin at whole multiples since 1970 (UTC). Of the four kinds one is named.",
    fields: &[
        field("tumbling", Takes::Duration(""), VERB, "Windows one behind the other, this long.", "tumbling: 1h"),
        field(
            "hopping",
            Takes::Duration(""),
            VERB,
            "Windows this long that overlap; one begins `every` so often.",
            "hopping: 1h",
        ),
        field(
            "sliding",
            Takes::Duration(""),
            VERB,
            "For each event the time before it, this long and the event included. One that comes late changes the windows of those after it, too.",
            "sliding: 10m",
        ),
        field(
            "session",
            Takes::Duration(""),
            VERB,
            "Events with less than this between each and the next. An event in between makes one of two sessions; the result then takes the place of theirs.",
            "session: 30m",
        ),
        field(
            "every",
            Takes::Duration(""),
            "required for `hopping`",
            "How often a hopping window begins.",
            "every: 10m",
        ),
        field(
            "grace",
            Takes::Duration(""),
            "`0s`",
            "How much longer than its end a window takes events. The clock is the highest event time the task has seen.",
            "grace: 5m",
        ),
        field(
            "clock",
            Takes::Choice(&["event", "accepted"]),
            "`event`",
            "Whether events are placed by their own time or by when they were accepted.",
            "clock: accepted",
        ),
    ],
};

pub(crate) static EMIT: Section = Section {
    path: "pipelines.<name>.steps[].<aggregate>.emit",
    meaning: "Bounds how often results come.",
    fields: &[field(
        "every",
        Takes::Duration(""),
        REQUIRED,
        "A key and window has at most one result in this time of the wall clock; the last one always comes.",
        "every: 10s",
    )],
};

const EMISSION: Takes = Takes::Either(&Takes::Choice(&["change", "close"]), &Takes::Mapping(&EMIT));

const LATE: Takes = Takes::Either(&Takes::Name("topic"), &Takes::Mapping(&ROUTE));

const fn initial() -> Field {
    field(
        "initial",
        Takes::Text("JSON"),
        REQUIRED,
        "The state before the first event, as JSON.",
        "initial: '{\"n\": 0}'",
    )
}

const fn merge() -> Field {
    field(
        "merge",
        Takes::Expression,
        "required for sessions and sliding windows",
        "How the states of two windows become one: `state` is the earlier, `data` the later.",
        "merge: \"{'n': state.n + data.n}\"",
    )
}

const fn window() -> Field {
    field(
        "window",
        Takes::Mapping(&WINDOW),
        "all events of a key are one",
        "Which events of a key go together.",
        "window: { tumbling: 1h, grace: 5m }",
    )
}

const fn emit() -> Field {
    field(
        "emit",
        EMISSION,
        "`change`",
        "When results come: with each event, once when a window takes no more events, or bounded.",
        "emit: close",
    )
}

const fn late() -> Field {
    field(
        "late",
        LATE,
        "nowhere; they are counted",
        "Where events go that come too late for one of their windows.",
        "late: late-flights",
    )
}

const fn view() -> Field {
    field("view", Takes::Name("name"), "none", "Names the state, so that it can be read.", "view: hourly")
}

const fn keep() -> Field {
    field(
        "keep",
        Takes::Duration(""),
        "`0s`",
        "How long a window stays in the state that takes no more events, for readers of the view.",
        "keep: 7d",
    )
}
