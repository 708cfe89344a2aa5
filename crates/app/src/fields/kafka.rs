//! How an app runs on Apache Kafka.

use super::{REQUIRED, Section, field};
use crate::takes::Takes;

/// More copies of a partition than any cluster has brokers for.
pub(crate) const REPLICATION_MAX: u64 = 100;
/// Each standby is one more copy of all state.
pub(crate) const STANDBYS_MAX: u64 = 8;

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
            "standbys",
            Takes::Number(0, STANDBYS_MAX),
            "`0`",
            "How many other instances keep a copy of each task's state, so that they can take over at once.",
            "standbys: 1",
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
