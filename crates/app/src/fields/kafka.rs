//! How an app runs on Apache Kafka.

use riverrun_event::limits::PARTITIONS_MAX;

use super::{REQUIRED, Section, VERB, field};
use crate::takes::Takes;

/// More copies of a partition than any cluster has brokers for.
pub(crate) const REPLICATION_MAX: u64 = 100;

/// More copies of a state than anyone has instances to spare for.
pub(crate) const STANDBYS_MAX: u64 = 16;

pub(crate) static KAFKA: Section = Section {
    path: "kafka",
    meaning: "How the app runs on Apache Kafka, where `log` says so. The embedded log ignores it.",
    fields: &[
        field(
            "instance",
            Takes::Text("name"),
            "made up once and kept in `data_dir`",
            "Names this instance among those of the app. It has to be the same after a restart, and no two may have the same at a time.",
            "instance: shop-1",
        ),
        field(
            "address",
            Takes::Text("host:port"),
            "what `listen` says; where that is every address, the one this machine reaches the brokers from",
            "Where the other instances reach this one by HTTP, to ask for rows of views that it has.",
            "address: shop-1.internal:8080",
        ),
        field(
            "prefix",
            Takes::Text("beginning of a name"),
            "none",
            "What the names of topics, groups and transactions on the cluster begin with, so that apps can share it.",
            "prefix: shop.",
        ),
        field(
            "replication",
            Takes::Number(1, REPLICATION_MAX),
            "the cluster's own",
            "Copies of each partition of the topics that the app creates.",
            "replication: 3",
        ),
        field(
            "session",
            Takes::Duration("6s to 30m"),
            "`10s`",
            "How long an instance may be silent before its partitions go to others.",
            "session: 30s",
        ),
        field(
            "commit",
            Takes::Mapping(&KAFKA_COMMIT),
            "see below",
            "How often a pipeline commits while more and more comes in; each commit is a transaction.",
            "commit: { interval: 100ms }",
        ),
        field(
            "standbys",
            Takes::Number(0, STANDBYS_MAX),
            "0",
            "How many other instances keep a copy of the state of each partition up to date, so that one that takes it over has little to read.",
            "standbys: 1",
        ),
        field(
            "labels",
            Takes::Pairs(&Takes::Text("name"), &Takes::Text("text or number")),
            "none",
            "What assignors may know of this instance; the file of an environment makes them differ.",
            "labels: { rack: a, capacity: 2 }",
        ),
        field(
            "assignor",
            Takes::Either(&Takes::Choice(&["round_robin"]), &Takes::Mapping(&KAFKA_ASSIGNOR)),
            "`round_robin`",
            "Which instance gets which partitions; the same for all instances.",
            "assignor: { score: '-member.tasks' }",
        ),
        field(
            "tls",
            Takes::Mapping(&KAFKA_TLS),
            "no TLS",
            "The connection is encrypted. `tls: {}` trusts the usual authorities.",
            "tls: { ca: /etc/kafka/ca.pem }",
        ),
        field(
            "sasl",
            Takes::Mapping(&KAFKA_SASL),
            "none",
            "Who connects.",
            "sasl: { mechanism: scram-sha-512, user: shop, secret: '${file:/run/secrets/kafka}' }",
        ),
    ],
};

pub(crate) static KAFKA_COMMIT: Section = Section {
    path: "kafka.commit",
    meaning: "A commit is made after the interval or when enough waits, whichever is first. An event that comes alone is committed at once. \
              Longer intervals cost the cluster less, and results appear later.",
    fields: &[
        field(
            "interval",
            Takes::Duration("0s to 10s"),
            "`50ms`",
            "From one commit to the next. With `0s` each commit follows the one before it.",
            "interval: 100ms",
        ),
        field(
            "bytes",
            Takes::Size,
            "`1MiB`",
            "When this much waits in a partition, from 64KiB to 16MiB, nothing waits any longer; it is also the most that a task takes from a \
             partition for one commit.",
            "bytes: 4MiB",
        ),
    ],
};

pub(crate) static KAFKA_ASSIGNOR: Section = Section {
    path: "kafka.assignor",
    meaning: "Which instance gets which partitions: one of `static`, `score` and `custom`. [Assignors](assignors.md) shows them at work.",
    fields: &[
        field(
            "static",
            Takes::Pairs(&Takes::Text("instance"), &Takes::OneOrMany(&Takes::Number(0, PARTITIONS_MAX as u64 - 1))),
            VERB,
            "The partitions of each instance, by its name; they wait for it while it is away. Others are dealt round robin.",
            "static: { shop-1: [0, 1], shop-2: [2, 3] }",
        ),
        field(
            "reassign_after",
            Takes::Duration("with `static`"),
            "never",
            "How long the partitions of an instance wait for it before they are dealt to others; when it returns it gets them back.",
            "reassign_after: 5m",
        ),
        field(
            "score",
            Takes::Expression,
            VERB,
            "Each partition in turn goes to the member with the highest score. It knows `task`, the partition, and of `member`: \
             `instance`, `seat`, `labels`, `tasks` (how many it has been dealt so far) and `owns` (whether it has this one now).",
            "score: 'member.labels.rack == \"a\" ? 10 - member.tasks : -member.tasks'",
        ),
        field(
            "custom",
            Takes::Name("name"),
            VERB,
            "Names an assignor that the service registered in Rust.",
            "custom: by-load",
        ),
    ],
};

pub(crate) static KAFKA_TLS: Section = Section {
    path: "kafka.tls",
    meaning: "Whom to trust, and as whom to connect. Files are in PEM format.",
    fields: &[
        field(
            "ca",
            Takes::Text("path"),
            "the usual authorities",
            "The authority that signed the brokers' certificates.",
            "ca: /etc/kafka/ca.pem",
        ),
        field(
            "certificate",
            Takes::Text("path"),
            "none",
            "This client's certificate, where brokers ask for one.",
            "certificate: /etc/kafka/client.pem",
        ),
        field("key", Takes::Text("path"), "none", "The key of the certificate.", "key: /etc/kafka/client.key"),
    ],
};

pub(crate) static KAFKA_SASL: Section = Section {
    path: "kafka.sasl",
    meaning: "Who connects, and how that is proved.",
    fields: &[
        field(
            "mechanism",
            Takes::Choice(&["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"]),
            REQUIRED,
            "How. `plain` shows the secret itself, and wants TLS.",
            "mechanism: scram-sha-512",
        ),
        field("user", Takes::Text("name"), "required but for `oauthbearer`", "Who.", "user: shop"),
        field(
            "secret",
            Takes::Text("text"),
            "required but for `oauthbearer`",
            "The password. Never printed; best taken from a file.",
            "secret: '${file:/run/secrets/kafka}'",
        ),
        field(
            "token_file",
            Takes::Text("path"),
            "required for `oauthbearer`",
            "The file that holds the token. It is read anew whenever a token is needed.",
            "token_file: /run/secrets/token",
        ),
    ],
};
