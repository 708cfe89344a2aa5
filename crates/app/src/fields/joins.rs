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
