//! What an app file says about where and how the app runs, as opposed to what it does (that is the topology).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use riverrun_event::Verb;
use riverrun_event::limits::Limits;
use riverrun_topology::{Expression, TypePattern};

/// Where and how the app runs. `Debug` shows values that came from outside the file as the file writes them (`${env:...}`).
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// The log.
    pub log: LogSetting,
    /// How a Kafka cluster is used, where `log` names one.
    pub kafka: Kafka,
    /// A database whose outbox is relayed.
    pub outbox: Option<Outbox>,
    /// Where the local log keeps its data, already joined to the app file's folder.
    pub data_dir: PathBuf,
    /// When the local log syncs what it wrote.
    pub durability: Durability,
    /// How the local log compresses records.
    pub compression: Compression,
    /// Bytes of memory for what the local log and its store have read from disk.
    pub cache_bytes: u64,
    /// Where HTTP is served.
    pub listen: SocketAddr,
    /// Limits at the doors.
    pub limits: Limits,
    /// Who may come in; everyone who can reach `listen` when empty.
    pub tokens: Vec<Token>,
    /// Values of the `Host` header that are served besides loopback's own.
    pub allowed_hosts: Vec<String>,
    /// Fields whose value came from `${...}`, with what the file says.
    pub(crate) substituted: BTreeMap<&'static str, String>,
}

/// Which log an app runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogSetting {
    /// The embedded one, in `data_dir`.
    #[default]
    Local,
    /// Apache Kafka.
    Kafka {
        /// `host:port` of some brokers, separated by commas.
        brokers: String,
    },
}

/// How a Kafka cluster is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Kafka {
    /// Names this instance among those of the app; without it, a name made up once and kept in `data_dir`.
    pub instance: Option<String>,
    /// Where the other instances reach this one, as `host:port`; without it, where it listens.
    pub address: Option<String>,
    /// What the names of topics, groups and transactions begin with.
    pub prefix: String,
    /// Copies of each partition of new topics; the cluster's default without it.
    pub replication: Option<u8>,
    /// How long an instance may be silent before its partitions go to others.
    pub session: Duration,
    /// How often a pipeline commits while more and more comes in.
    pub commit: CommitSetting,
    /// How many other instances keep a copy of the state of each partition.
    pub standbys: u32,
    /// What assignors may know of this instance.
    pub labels: BTreeMap<String, InstanceLabel>,
    /// Which instance gets which partitions.
    pub assignor: AssignorSetting,
    /// The connection is encrypted.
    pub tls: Option<Tls>,
    /// Who connects.
    pub sasl: Option<Sasl>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            instance: None,
            address: None,
            prefix: String::new(),
            replication: None,
            session: Duration::from_secs(10),
            commit: CommitSetting::default(),
            standbys: 0,
            labels: BTreeMap::new(),
            assignor: AssignorSetting::default(),
            tls: None,
            sasl: None,
        }
    }
}

/// How often a pipeline commits: after a time, or when so much waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSetting {
    /// From one commit to the next.
    pub interval: Duration,
    /// What waits in one partition and is not waited with.
    pub bytes: usize,
}

impl Default for CommitSetting {
    fn default() -> Self {
        Self { interval: Duration::from_millis(50), bytes: 1024 * 1024 }
    }
}

/// The value of a label.
#[derive(Clone, Debug, PartialEq)]
pub enum InstanceLabel {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

/// Which instance gets which partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AssignorSetting {
    /// In turn.
    #[default]
    RoundRobin,
    /// By the names of the instances.
    Static {
        /// The partitions of each.
        instances: BTreeMap<String, BTreeSet<u32>>,
        /// How long they wait for it; for ever without it.
        reassign_after: Option<Duration>,
    },
    /// By an expression over [`Self::SCORE_NAMES`]: each partition goes to the member with the highest.
    Score(Expression),
    /// One that the service registers under this name.
    Custom(String),
}

impl AssignorSetting {
    /// What the expression of a score knows.
    pub const SCORE_NAMES: [&'static str; 2] = ["task", "member"];
}

/// Files in PEM format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the brokers' certificates; the usual ones without it.
    pub ca: Option<PathBuf>,
    /// This client's certificate.
    pub certificate: Option<PathBuf>,
    /// The key of the certificate.
    pub key: Option<PathBuf>,
}

/// Who connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// By a name and a password.
    Password {
        /// How the password is proved.
        mechanism: SaslMechanism,
        /// The name.
        user: String,
        /// The password.
        secret: Secret,
    },
    /// By a token (`OAUTHBEARER`).
    Token {
        /// The file that holds it, read anew whenever one is needed.
        file: PathBuf,
    },
}

/// How a password is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaslMechanism {
    /// `PLAIN`: by the password itself.
    Plain,
    /// `SCRAM-SHA-256`.
    ScramSha256,
    /// `SCRAM-SHA-512`.
    ScramSha512,
}

/// A database whose outbox is relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbox {
    /// Its address, as clients of PostgreSQL take it.
    pub url: Secret,
    /// The schema the outbox is in.
    pub schema: String,
    /// How often a row is tried before it is marked.
    pub attempts: u32,
    /// Before the second attempt.
    pub backoff: Duration,
    /// What becomes of the rows behind a marked one.
    pub on_dead: OnDead,
    /// Whether new positions are told to whoever listens on PostgreSQL.
    pub notify: bool,
    /// How often to look where PostgreSQL cannot wake the relay.
    pub poll: Duration,
}

impl Outbox {
    /// The outbox at an address, with the defaults of an app file.
    #[must_use]
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            schema: "public".to_owned(),
            attempts: 5,
            backoff: Duration::from_secs(1),
            on_dead: OnDead::default(),
            notify: true,
            poll: Duration::from_secs(1),
        }
    }
}

/// What becomes of the rows behind a marked one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDead {
    /// They wait.
    #[default]
    Park,
    /// They go on.
    Skip,
}

/// When the local log syncs what it wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// With every commit, before anyone is answered.
    #[default]
    Commit,
    /// This often; a power cut loses what was answered since.
    Interval(Duration),
}

/// How the local log compresses records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4.
    #[default]
    Lz4,
}

/// A caller that may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names the caller in logs.
    pub name: String,
    /// What it sends as `Authorization: Bearer <secret>`.
    pub secret: Secret,
    /// What it may do.
    pub verbs: Vec<Verb>,
    /// Where it may publish and read; everywhere without it.
    pub topics: Option<Vec<TypePattern>>,
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being printed.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The text, for comparing with what a caller sends.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}

impl Settings {
    /// Where HTTP is served when the app file does not say: loopback only.
    pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
    /// Where data is kept when the app file does not say.
    pub const DATA_DIR_DEFAULT: &'static str = "./data";
    /// The cache when the app file does not say.
    pub const CACHE_BYTES_DEFAULT: u64 = 32 * 1024 * 1024;

    /// The defaults of an app file, with the data kept in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            log: LogSetting::default(),
            kafka: Kafka::default(),
            outbox: None,
            data_dir: data_dir.into(),
            durability: Durability::default(),
            compression: Compression::default(),
            cache_bytes: Self::CACHE_BYTES_DEFAULT,
            listen: Self::LISTEN_DEFAULT,
            limits: Limits::default(),
            tokens: Vec::new(),
            allowed_hosts: Vec::new(),
            substituted: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = formatter.debug_struct("Settings");
        match self.substituted.get("log") {
            Some(source) => written.field("log", source),
            None => written.field("log", &self.log),
        };
        written.field("kafka", &self.kafka).field("outbox", &self.outbox);
        match self.substituted.get("data_dir") {
            Some(source) => written.field("data_dir", source),
            None => written.field("data_dir", &self.data_dir),
        };
        written.field("durability", &self.durability).field("compression", &self.compression);
        written.field("cache_bytes", &self.cache_bytes);
        match self.substituted.get("listen") {
            Some(source) => written.field("listen", source),
            None => written.field("listen", &self.listen),
        };
        written.field("limits", &self.limits).field("tokens", &self.tokens);
        match self.substituted.get("hosts") {
            Some(source) => written.field("allowed_hosts", source),
            None => written.field("allowed_hosts", &self.allowed_hosts),
        };
        written.finish()
    }
}
