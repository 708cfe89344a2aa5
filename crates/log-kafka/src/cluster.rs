//! The connection to the cluster, and the thread of control that calls from outside are answered on.
//!
//! The contract has calls that block. They run on a runtime of the log's own, so that a caller may stand in any other runtime or none.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc;

use krafka::Kafka;
use krafka::admin::AdminClient;
use riverrun_event::TopicName;
use tokio::runtime::{Builder, Runtime};

use crate::options::Options;

/// Threads of the runtime: the work is waiting.
const THREADS: usize = 2;

/// The cluster as the parts of the log see it.
pub(crate) struct Cluster {
    pub(crate) kafka: Kafka,
    pub(crate) admin: AdminClient,
    pub(crate) options: Options,
    /// Last, since what runs on it uses the connection.
    runtime: Option<Runtime>,
}

/// The cluster cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the brokers {brokers} cannot be reached: {reason}")]
pub struct ConnectError {
    /// Who was asked.
    pub brokers: String,
    /// What happened.
    pub reason: String,
}

impl Cluster {
    pub(crate) fn connect(options: Options) -> Result<Arc<Self>, ConnectError> {
        let failed = |reason: String| ConnectError { brokers: options.brokers.clone(), reason };
        let runtime =
            Builder::new_multi_thread().worker_threads(THREADS).thread_name("riverrun-kafka").enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let mut builder = Kafka::builder(&options.brokers)
            .client_id(format!("riverrun.{}", options.instance))
            .allow_auto_create_topics(false);
        if let Some(security) = &options.security {
            builder = builder.security(security.auth());
        }
        let kafka = wait_on(&runtime, builder.connect()).map_err(|error| failed(error.to_string()))?;
        let admin = kafka.admin();
        Ok(Arc::new(Self { kafka, admin, options, runtime: Some(runtime) }))
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
        self.runtime.as_ref().and_then(|runtime| try_wait_on(runtime, answer))
    }

    /// Runs something that nobody waits for.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The last user may be a task of this very runtime, which could not wait for itself.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn wait_on<T: Send + 'static>(
    runtime: &Runtime,
    answer: impl Future<Output = krafka::Result<T>> + Send + 'static,
) -> krafka::Result<T> {
    try_wait_on(runtime, answer).unwrap_or_else(|| Err(krafka::KrafkaError::closed("the log is closed")))
}

/// Spawned and not blocked on, since a thread of another runtime may not block on this one.
fn try_wait_on<T: Send + 'static>(runtime: &Runtime, answer: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Whoever asked is gone.
        let _sent = sender.send(answer.await);
    });
    receiver.recv().ok()
}
