//! Named consumers: readers that share the partitions of some topics and whose positions the server keeps.
//!
//! A consumer is a group of the log for each of its topics, with a task for each partition; this process is the groups' only
//! member and shares the partitions among its readers ([`sharing`]). Positions change only when a reader commits, durably, before it
//! is answered. Sessions and what was handed out are in memory: after a restart readers read again from what is committed.
//!
//! A partition's events are handed out behind what is committed, as often as they are asked for, so an answer that is lost costs
//! nothing. A cursor can be committed only under the grant it was handed out with: of two readers that both believe they own a
//! partition, one is refused.

mod assignment;
mod consumer;
mod cursor;
mod error;
mod reading;
mod registry;
mod report;
mod seat;
mod sharing;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use riverrun_event::{AppName, ConsumerName, TopicName};
use riverrun_log::Log;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

pub(crate) use self::consumer::{Consumer, Target};
pub use self::cursor::{Cursor, CursorError};
pub use self::error::ConsumerError;
pub(crate) use self::reading::{Page, ReadRequest};
pub use self::registry::CONSUMERS_MAX;
use self::registry::Registry;
pub use self::report::{ConsumerReport, PartitionReport};
pub use self::sharing::{READERS_MAX, ReaderName, ReaderNameError};
use crate::http::cursor::From;

/// Most topics of one consumer.
pub const TOPICS_MAX: usize = 64;

/// The consumers of a server. Clones are handles to the same ones.
#[derive(Clone)]
pub struct Consumers {
    inner: Arc<Inner>,
}

struct Inner {
    log: Arc<dyn Log>,
    app: AppName,
    /// Opened when somebody first asks, so that a server without consumers starts no slower for them.
    opened: OnceCell<Opened>,
}

struct Opened {
    known: Mutex<BTreeMap<ConsumerName, Arc<Consumer>>>,
    /// Held by whoever changes which consumers there are or what they read; `None` after the log refused a change.
    registry: AsyncMutex<Option<Registry>>,
}

impl fmt::Debug for Consumers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Consumers").field("app", &self.inner.app).finish_non_exhaustive()
    }
}

impl Consumers {
    /// The consumers of an app, as its log has them.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, app: AppName) -> Self {
        Self { inner: Arc::new(Inner { log, app, opened: OnceCell::new() }) }
    }

    /// How far all of them are, by name.
    ///
    /// # Errors
    /// [`ConsumerError`] when the log cannot be read.
    pub async fn report(&self) -> Result<Vec<ConsumerReport>, ConsumerError> {
        let known: Vec<_> = self.inner.opened().await?.known().values().cloned().collect();
        known.iter().map(|consumer| report::report(&*self.inner.log, consumer)).collect()
    }

    /// How far one of them is.
    pub(crate) async fn report_of(&self, name: &str) -> Result<ConsumerReport, ConsumerError> {
        report::report(&*self.inner.log, &*self.find(name).await?)
    }

    /// A consumer that exists.
    pub(crate) async fn find(&self, name: &str) -> Result<Arc<Consumer>, ConsumerError> {
        let unknown = || ConsumerError::Unknown(name.chars().take(200).collect());
        let name = ConsumerName::new(name).map_err(|_| unknown())?;
        let known = self.inner.opened().await?.known().get(&name).cloned();
        known.ok_or_else(unknown)
    }

    /// A consumer that reads at least these topics; it is made, or they are added, from `from` on, where that is needed.
    pub(crate) async fn open(
        &self,
        name: &ConsumerName,
        topics: &[TopicName],
        from: &From,
    ) -> Result<Arc<Consumer>, ConsumerError> {
        let known = self.inner.opened().await?.known().get(name).cloned();
        match known {
            None if topics.is_empty() => return Err(ConsumerError::Unknown(name.to_string())),
            Some(consumer) if consumer.is_ready(topics) => return Ok(consumer),
            _ => {}
        }
        let (inner, name, topics, from) = (Arc::clone(&self.inner), name.clone(), topics.to_vec(), from.clone());
        to_its_end(async move { inner.make_ready(&name, &topics, &from).await }).await
    }

    /// Forgets a consumer and its positions.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), ConsumerError> {
        let consumer = self.find(name).await?;
        let inner = Arc::clone(&self.inner);
        to_its_end(async move {
            let opened = inner.opened().await?;
            let mut registry = opened.registry.lock().await;
            inner.put(&mut registry, &consumer.name, None).await?;
            opened.known().remove(&consumer.name);
            consumer.close();
            Ok(())
        })
        .await
    }
}

impl Inner {
    async fn opened(&self) -> Result<&Opened, ConsumerError> {
        self.opened.get_or_try_init(|| self.open_all()).await
    }

    async fn open_all(&self) -> Result<Opened, ConsumerError> {
        let (registry, stored) = Registry::open(&self.log, &self.app).await?;
        let mut known = BTreeMap::new();
        for (name, topics) in stored {
            let consumer = Arc::new(Consumer::new(Arc::clone(&self.log), self.app.clone(), name.clone(), topics));
            if let Err(error) = consumer.load().await {
                // Its next read tries again, and answers with what is wrong.
                tracing::warn!(consumer = %name, %error, "a consumer could not be opened");
            }
            known.insert(name, consumer);
        }
        Ok(Opened { known: Mutex::new(known), registry: AsyncMutex::new(Some(registry)) })
    }

    async fn make_ready(
        &self,
        name: &ConsumerName,
        topics: &[TopicName],
        from: &From,
    ) -> Result<Arc<Consumer>, ConsumerError> {
        let opened = self.opened().await?;
        let mut registry = opened.registry.lock().await;
        let known = opened.known().get(name).cloned();
        if known.is_none() && opened.known().len() >= CONSUMERS_MAX {
            return Err(ConsumerError::TooMany(format!("{CONSUMERS_MAX} consumers")));
        }
        let make = || Arc::new(Consumer::new(Arc::clone(&self.log), self.app.clone(), name.clone(), Vec::new()));
        let consumer = known.unwrap_or_else(make);
        consumer.load().await?;
        let added = consumer.missing(topics);
        if !added.is_empty() {
            let all = consumer.topics().into_iter().chain(added.iter().cloned()).collect::<Vec<_>>();
            if all.len() > TOPICS_MAX {
                return Err(ConsumerError::TooMany(format!("{TOPICS_MAX} topics of consumer {name}")));
            }
            let prepared = consumer.begin(&added, from).await?;
            self.put(&mut registry, name, Some(&all)).await?;
            consumer.add(prepared);
            opened.known().insert(name.clone(), Arc::clone(&consumer));
        }
        Ok(consumer)
    }

    /// Stores what a consumer reads; after a failure the registry is opened anew by the next one.
    async fn put(
        &self,
        registry: &mut Option<Registry>,
        name: &ConsumerName,
        topics: Option<&[TopicName]>,
    ) -> Result<(), ConsumerError> {
        let held = match registry.take() {
            Some(held) => held,
            None => Registry::open(&self.log, &self.app).await?.0,
        };
        held.put(name, topics).await?;
        *registry = Some(held);
        Ok(())
    }
}

impl Opened {
    fn known(&self) -> MutexGuard<'_, BTreeMap<ConsumerName, Arc<Consumer>>> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a change to its end also when its caller hangs up: a commit under way must be known when it is done.
async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, ConsumerError>> + Send + 'static,
) -> Result<T, ConsumerError> {
    tokio::spawn(change).await.unwrap_or_else(|error| Err(ConsumerError::Log(error.to_string())))
}
