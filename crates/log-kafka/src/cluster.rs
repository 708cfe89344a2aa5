//! The connection to the cluster, and the thread of control that calls from outside are answered on.
//!
//! The contract has calls that block. They run on a runtime of the log's own, so that a caller may stand in any other runtime or none.

use std::collections::HashMap;
use std::future::Future;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use krafka::Kafka;
use krafka::admin::AdminClient;
use riverrun_event::TopicName;
use tokio::runtime::{Builder, Runtime};

use crate::options::{CONNECT_TIMEOUT, Options, REQUEST_TIMEOUT};
use crate::refusals::Refusals;
use crate::transaction::Failure;
use crate::visible::Visible;

/// What is shorter goes by unnoticed.
const SILENCE_MIN: Duration = Duration::from_secs(3);
/// Threads of the runtime: the work is waiting.
const THREADS: usize = 2;

/// The cluster as the parts of the log see it.
pub(crate) struct Cluster {
    pub(crate) admin: AdminClient,
    /// For whoever reads what is there already.
    pub(crate) reading: Kafka,
    pub(crate) options: Options,
    /// Partitions of topics; a count never changes.
    pub(crate) known: Mutex<HashMap<TopicName, u32>>,
    /// Since when nobody answers, and what happened first.
    silence: Mutex<Option<(Instant, String)>>,
    pub(crate) refusals: Refusals,
    pub(crate) visible: Visible,
    /// Last, since what runs on it uses the connection.
    runtime: Background,
}

/// A runtime that ends without waiting: whoever drops it may be a task of it, or of another runtime, where waiting is not allowed.
struct Background(Option<Runtime>);

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The cluster cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the brokers {brokers} cannot be reached: {reason}")]
pub struct ConnectError {
    /// Who was asked.
    pub brokers: String,
    /// What happened.
    pub reason: String,
    /// Whether it may go by without anybody doing something here.
    pub may_pass: bool,
}

impl Cluster {
    pub(crate) fn connect(options: Options) -> Result<Arc<Self>, ConnectError> {
        let failed = |reason: String, may_pass| ConnectError { brokers: options.brokers.clone(), reason, may_pass };
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("riverrun-kafka").enable_all().build();
        let runtime = Background(Some(runtime.map_err(|error| failed(error.to_string(), false))?));
        let opening = options.clone();
        let connections = runtime.wait(async move { Ok((connection(&opening).await?, connection(&opening).await?)) });
        let closed = || krafka::KrafkaError::closed("the log is closed");
        let connections: krafka::Result<_> = connections.unwrap_or_else(|| Err(closed()));
        let (asking, reading) = connections.map_err(|error| failed(error.to_string(), error.is_retriable()))?;
        Ok(Arc::new(Self {
            admin: asking.admin(),
            reading,
            options,
            known: Mutex::default(),
            silence: Mutex::default(),
            refusals: Refusals::default(),
            visible: Visible::default(),
            runtime,
        }))
    }

    /// A connection of its own. A broker answers the requests of one connection in their order, so that whoever waits on it, for
    /// records to come or for copies to be made, holds up all others.
    pub(crate) async fn connection(&self) -> krafka::Result<Kafka> {
        connection(&self.options).await
    }

    /// Notes whether somebody answered.
    pub(crate) fn note<T>(&self, answer: &Result<T, impl std::fmt::Display>) {
        let mut silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(_) => *silence = None,
            Err(error) => drop(silence.get_or_insert_with(|| (Instant::now(), error.to_string()))),
        }
    }

    /// Why nobody has answered for longer than a change of leaders takes.
    pub(crate) fn silence(&self) -> Option<String> {
        let silence = self.silence.lock().unwrap_or_else(PoisonError::into_inner);
        silence.as_ref().filter(|(since, _)| since.elapsed() > SILENCE_MIN).map(|(_, reason)| reason.clone())
    }

    /// Notes a failure that says that the cluster does not let `who` do something; false when it says something else.
    pub(crate) fn note_refused(&self, who: &str, failure: &Failure) -> bool {
        let Failure::NotAllowed(reason) = failure else { return false };
        self.refusals.note(who, reason);
        true
    }

    /// The name of a topic on the cluster.
    pub(crate) fn topic(&self, topic: &TopicName) -> String {
        format!("{}{topic}", self.options.prefix)
    }

    /// What the names of this instance's transactions begin with.
    pub(crate) fn transactions(&self) -> String {
        format!("{}{}.", self.options.prefix, self.options.instance)
    }

    /// Waits for an answer, wherever the caller stands.
    pub(crate) fn wait<T: Send + 'static>(&self, answer: impl Future<Output = T> + Send + 'static) -> Option<T> {
        self.runtime.wait(answer)
    }

    /// Runs something that nobody waits for.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime.0 {
            runtime.spawn(work);
        }
    }
}

async fn connection(options: &Options) -> krafka::Result<Kafka> {
    let mut builder = Kafka::builder(&options.brokers)
        .client_id(format!("riverrun.{}", options.instance))
        .connect_timeout(CONNECT_TIMEOUT)
        .request_timeout(REQUEST_TIMEOUT)
        .allow_auto_create_topics(false);
    if let Some(security) = &options.security {
        builder = builder.security(security.auth());
    }
    builder.connect().await
}

impl Background {
    /// Spawned and not blocked on, since a thread of another runtime may not block on this one.
    fn wait<T: Send + 'static>(&self, answer: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.0.as_ref()?.spawn(async move {
            // Whoever asked is gone.
            let _sent = sender.send(answer.await);
        });
        receiver.recv().ok()
    }
}
