//! The log that the app file names, opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use riverrun_app::{Durability, LogSetting, SaslMechanism, Settings};
use riverrun_log::{CommitInterval, Labels, Log, NamedAssignor};
use riverrun_log_kafka::{KafkaLog, Password, Sasl, Security, Tls};
use riverrun_log_local::{Compression, LocalLog, Loss, Options, Syncing, Tuning};

use super::ServeError;
use super::instance::instance;

/// Where the copy of the state lies in the data directory.
const STATE: &str = "state";
/// The first and the longest wait for brokers that cannot be reached.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How tasks are dealt among instances.
#[derive(Clone)]
pub(crate) struct Dealing {
    pub(crate) assignor: NamedAssignor,
    /// What this instance says of itself.
    pub(crate) labels: Labels,
}

/// One of the logs.
pub(super) enum Opened {
    Local(Arc<LocalLog>),
    Kafka(Arc<KafkaLog>),
}

impl Opened {
    /// Opens the log. Brokers that cannot be reached are tried again for as long as the caller waits, unless it is to be `once`.
    pub(super) async fn open(
        data_dir: &Path,
        settings: &Settings,
        dealing: Dealing,
        address: Option<String>,
        accept_data_loss: bool,
        once: bool,
    ) -> Result<Self, ServeError> {
        let LogSetting::Kafka { brokers } = &settings.log else {
            let (data_dir, options) = (data_dir.to_owned(), local_options(settings, accept_data_loss));
            return blocking(move || Ok(Self::Local(Arc::new(LocalLog::open(&data_dir, options)?)))).await;
        };
        let instance = match &settings.kafka.instance {
            Some(instance) => instance.clone(),
            None => instance(data_dir)?,
        };
        let mut options = kafka_options(brokers, instance, settings);
        options.state_dir = data_dir.join(STATE);
        (options.assignor, options.labels) = (dealing.assignor, dealing.labels);
        options.address = address;
        let mut pause = RETRY_FIRST;
        loop {
            let trying = options.clone();
            let tried = blocking(move || Ok(Self::Kafka(Arc::new(KafkaLog::connect(trying)?)))).await;
            match tried {
                Err(ServeError::Kafka(riverrun_log_kafka::OpenError::Connect(error))) if error.may_pass && !once => {
                    tracing::warn!("{error} (RR0421); trying again in {} s", pause.as_secs());
                }
                opened => return opened,
            }
            tokio::time::sleep(pause).await;
            pause = RETRY_MAX.min(pause * 2);
        }
    }

    pub(super) fn log(&self) -> Arc<dyn Log> {
        match self {
            Self::Local(log) => Arc::clone(log) as Arc<dyn Log>,
            Self::Kafka(log) => Arc::clone(log) as Arc<dyn Log>,
        }
    }

    /// The embedded log, where it is that.
    pub(super) fn local(&self) -> Option<Arc<LocalLog>> {
        match self {
            Self::Local(log) => Some(Arc::clone(log)),
            Self::Kafka(_) => None,
        }
    }

    /// Whether the log recognises an event that is sent again. Otherwise tasks behind the doors do.
    pub(super) fn deduplicates(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// What was missing from the log when it was opened.
    pub(super) fn losses(&self) -> &[Loss] {
        match self {
            Self::Local(log) => log.losses(),
            Self::Kafka(_) => &[],
        }
    }

    /// Adds what the log measures.
    pub(super) fn register(&self, registry: &mut Registry) {
        if let Self::Local(log) = self {
            log.metrics().register(registry);
        }
    }

    /// Writes what is in memory and stops. A log on Kafka has nothing that the cluster does not have.
    pub(super) fn close(&self) {
        if let Self::Local(log) = self {
            log.close();
        }
    }
}

async fn blocking(open: impl FnOnce() -> Result<Opened, ServeError> + Send + 'static) -> Result<Opened, ServeError> {
    let opened = tokio::task::spawn_blocking(open).await;
    opened.unwrap_or_else(|error| Err(ServeError::Close(error.to_string())))
}

/// The embedded log as the settings have it.
pub(crate) fn local_options(settings: &Settings, accept_data_loss: bool) -> Options {
    Options {
        deduplication_days: settings.limits.deduplication_days,
        accept_data_loss,
        sync: match settings.durability {
            Durability::Commit => Syncing::EachCommit,
            Durability::Interval(interval) => Syncing::Every(interval),
        },
        compression: match settings.compression {
            riverrun_app::Compression::Lz4 => Compression::Lz4,
            riverrun_app::Compression::None => Compression::None,
        },
        tuning: Tuning { cache_bytes: settings.cache_bytes, ..Tuning::default() },
        ..Options::default()
    }
}

/// A cluster as the settings have it; the copy of the state lies in their data directory.
pub(crate) fn kafka_options(brokers: &str, instance: String, settings: &Settings) -> riverrun_log_kafka::Options {
    let kafka = &settings.kafka;
    let mut options = riverrun_log_kafka::Options::new(brokers, instance, settings.data_dir.join(STATE));
    options.cache_bytes = settings.cache_bytes;
    options.prefix.clone_from(&kafka.prefix);
    options.replication = kafka.replication.map(i16::from);
    options.session = kafka.session;
    options.commit_interval = CommitInterval { time: kafka.commit.interval, bytes: kafka.commit.bytes };
    options.standbys = kafka.standbys;
    options.compression = match settings.compression {
        riverrun_app::Compression::Lz4 => riverrun_log_kafka::Compression::Lz4,
        riverrun_app::Compression::None => riverrun_log_kafka::Compression::None,
    };
    if kafka.tls.is_some() || kafka.sasl.is_some() {
        options.security = Some(Security { tls: kafka.tls.as_ref().map(tls), sasl: kafka.sasl.as_ref().map(sasl) });
    }
    options
}

fn tls(declared: &riverrun_app::Tls) -> Tls {
    Tls { ca: declared.ca.clone(), identity: declared.certificate.clone().zip(declared.key.clone()) }
}

fn sasl(declared: &riverrun_app::Sasl) -> Sasl {
    match declared {
        riverrun_app::Sasl::Token { file } => Sasl::Token { file: file.clone() },
        riverrun_app::Sasl::Password { mechanism, user, secret } => {
            let password = Password { user: user.clone(), secret: secret.reveal().to_owned() };
            match mechanism {
                SaslMechanism::Plain => Sasl::Plain(password),
                SaslMechanism::ScramSha256 => Sasl::ScramSha256(password),
                SaslMechanism::ScramSha512 => Sasl::ScramSha512(password),
            }
        }
    }
}
