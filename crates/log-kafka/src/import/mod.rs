//! A cluster that another log is copied to: every record at the offset it had there, every row of state, every position.
//!
//! While it is copied, a topic keeps all it is given and takes accept times as they are told ([`Found::Unfinished`]); when the copy was
//! found right, it becomes what the log on Kafka would have created ([`Import::finish`]). So a copy that was interrupted is known from
//! a topic that an app uses, and the one is gone on with and the other never written to.
//!
//! All calls block. What was written is durable when they return.

mod gaps;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use krafka::admin::{AlterConsumerGroupOffsetsOptions, OffsetSpec};
use krafka::producer::Producer;
use krafka::{Compression, KrafkaError};
use riverrun_event::{Event, Key, Offset, Partition, Position, Record, TopicPartition};
use riverrun_log::{GroupName, ReadError, Retention, TopicDescription, TopicSpec};

pub use self::rows::{RowWriter, TaskRow};
use crate::binding::put_headers;
use crate::changelog::DELETIONS;
use crate::cluster::{Cluster, ConnectError};
use crate::cursors::Cursors;
use crate::options;
use crate::options::Options;
use crate::topics::{LOG_APPEND_TIME, POLICY, RECORD_BYTES, RECORD_BYTES_MAX, TIMESTAMPS, settings};
use crate::transaction::Failure;
use gaps::Gaps;

/// Accept times are what whoever writes says.
const CREATE_TIME: &str = "CreateTime";
/// How long a mark of a transaction may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(30);
const SEEN_POLL: Duration = Duration::from_millis(5);

/// Why a copy cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The cluster cannot be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A topic cannot take the partitions of the one it is to be a copy of.
    #[error("topic {topic} has {existing} partitions on the cluster, and {needed} are to be copied")]
    PartitionCount {
        /// The topic on the cluster.
        topic: String,
        /// As it is.
        existing: u32,
        /// As it has to be.
        needed: u32,
    },
    /// A record is not where it was to be written.
    #[error(
        "{partition} ends at offset {found} on the cluster and should end at {expected}: somebody else writes to it"
    )]
    Displaced {
        /// Where.
        partition: TopicPartition,
        /// The offset after the last that should be there.
        expected: Offset,
        /// The one that is.
        found: Offset,
    },
    /// The cluster did not do what was asked of it.
    #[error("the cluster: {0}")]
    Failed(String),
}

/// What is on the cluster under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Missing,
    /// A copy that was begun, or nothing was ever written to it.
    Unfinished,
    /// Something that is not written to: a finished copy, or what others have there.
    InUse,
}

/// A cluster that another log is copied to.
pub struct Import {
    target: Arc<Target>,
}

struct Target {
    cluster: Arc<Cluster>,
    cursors: Cursors,
    records: Producer,
    gaps: tokio::sync::Mutex<Gaps>,
}

impl Import {
    /// Connects, and ends whatever a copy of the same name left open.
    ///
    /// # Errors
    /// [`ImportError`] when the cluster cannot be reached.
    pub fn connect(options: Options) -> Result<Self, ImportError> {
        let cluster = Cluster::connect(options)?;
        let opening = Arc::clone(&cluster);
        let opened = cluster.wait(async move {
            let gaps = Gaps::open(&opening).await?;
            let compression = match opening.options.compression {
                options::Compression::Lz4 => Compression::Lz4,
                options::Compression::None => Compression::None,
            };
            let producer = opening.connection().await?.producer().compression(compression);
            let records = producer.batch_size(256 * 1024).build().await?;
            Ok::<_, ImportError>((gaps, records))
        });
        let (gaps, records) = opened.unwrap_or_else(|| Err(closed()))?;
        let (cursors, gaps) = (Cursors::default(), tokio::sync::Mutex::new(gaps));
        Ok(Self { target: Arc::new(Target { cluster, cursors, records, gaps }) })
    }

    /// Takes leave of the cluster.
    pub fn close(&self) {
        // Everything is durable that was written; who cannot be told that nothing more comes, finds out.
        let _closed = self.ask(|target| async move { Ok(target.records.close().await?) });
    }

    fn ask<T: Send + 'static, A>(&self, answer: impl FnOnce(Arc<Target>) -> A) -> Result<T, ImportError>
    where
        A: Future<Output = Result<T, ImportError>> + Send + 'static,
    {
        self.target.cluster.wait(answer(Arc::clone(&self.target))).unwrap_or_else(|| Err(closed()))
    }

    /// What is there of a topic.
    ///
    /// # Errors
    /// [`ImportError::PartitionCount`] when it has other partitions than are to be copied.
    pub fn found(&self, spec: &TopicSpec) -> Result<Found, ImportError> {
        let spec = spec.clone();
        self.ask(|target| async move {
            let name = target.cluster.topic(&spec.name);
            target.found(&name, spec.partitions).await
        })
    }

    /// Makes a topic that is missing or unfinished ready to be copied to.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when the cluster refuses.
    pub fn begin(&self, spec: &TopicSpec, found: Found) -> Result<(), ImportError> {
        let spec = spec.clone();
        self.ask(|target| async move {
            let name = target.cluster.topic(&spec.name);
            target.begin(name, spec.partitions, found).await
        })
    }

    /// A topic as it is on the cluster.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when it cannot be asked for.
    pub fn describe(&self, spec: &TopicSpec) -> Result<TopicDescription, ImportError> {
        let name = spec.name.clone();
        self.ask(|target| async move { Ok(target.cluster.describe(&name).await?) })
    }

    /// Writes records to the end of a partition. They follow each other without a gap, and the first is at the partition's end.
    ///
    /// # Errors
    /// [`ImportError::Displaced`] when one is somewhere else then.
    pub fn write(&self, records: Vec<Record>) -> Result<(), ImportError> {
        self.ask(|target| async move { target.write(records).await })
    }

    /// Makes a partition that ends at `from` end at `to`, without a record that readers of what is committed see in between.
    ///
    /// # Errors
    /// [`ImportError::Displaced`] when it ends elsewhere then.
    pub fn skip(&self, from: &Position, to: Offset) -> Result<(), ImportError> {
        let from = from.clone();
        self.ask(|target| async move { target.gaps.lock().await.skip(&target, &from, to).await })
    }

    /// Lets a partition begin at a position. One that ends before it is made to end there.
    ///
    /// # Errors
    /// [`ImportError`] when the cluster refuses.
    pub fn start_at(&self, end: Offset, start: &Position) -> Result<(), ImportError> {
        let start = start.clone();
        self.ask(|target| async move {
            gaps::fill(&target, &start.topic_partition().at(end), start.offset).await?;
            target.delete_before(target.cluster.topic(&start.topic), &start).await
        })
    }

    /// Records from a position on; empty at the end.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when they cannot be read.
    pub fn read(&self, from: &Position, bytes_max: usize) -> Result<Vec<Record>, ImportError> {
        let from = from.clone();
        self.ask(|target| async move { Ok(target.cursors.read(&target.cluster, &from, bytes_max).await?) })
    }

    /// Makes a topic what the log on Kafka would have created.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when the cluster refuses.
    pub fn finish(&self, spec: &TopicSpec) -> Result<(), ImportError> {
        let spec = spec.clone();
        self.ask(|target| async move {
            let mut finished = settings(&spec.retention);
            finished.push((TIMESTAMPS, LOG_APPEND_TIME.to_owned()));
            Ok(target.cluster.configure(target.cluster.topic(&spec.name), finished).await?)
        })
    }

    /// How far a group has committed partitions, as far as it has.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when it cannot be asked for.
    pub fn committed(
        &self,
        group: &GroupName,
        inputs: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, ImportError> {
        let (group, inputs) = (group.clone(), inputs.to_vec());
        self.ask(
            |target| async move { target.cluster.committed(&group, &inputs, true).await.map_err(ImportError::Failed) },
        )
    }

    /// Commits how far a group is. It has no members meanwhile.
    ///
    /// # Errors
    /// [`ImportError::Failed`] when the cluster refuses.
    pub fn commit(&self, group: &GroupName, positions: &BTreeMap<TopicPartition, Offset>) -> Result<(), ImportError> {
        let (group, positions) = (group.clone(), positions.clone());
        self.ask(|target| async move {
            let cluster = &target.cluster;
            let offsets = positions.iter().map(|(input, next)| (cluster.partition(input), offset_of(*next)));
            let options = AlterConsumerGroupOffsetsOptions::default();
            let altered = cluster.admin.alter_consumer_group_offsets(cluster.group(&group), offsets, options).await?;
            Ok(altered.into_values().collect::<krafka::Result<()>>()?)
        })
    }
}

impl Target {
    async fn found(&self, name: &str, needed: u32) -> Result<Found, ImportError> {
        let Some(partitions) = self.cluster.partition_counts([name.to_owned()]).await?.remove(name) else {
            return Ok(Found::Missing);
        };
        if partitions != needed {
            return Err(ImportError::PartitionCount { topic: name.to_owned(), existing: partitions, needed });
        }
        let wanted = unfinished();
        let names: Vec<&str> = wanted.iter().map(|(setting, _)| *setting).collect();
        let told = self.cluster.config(name, &names).await?;
        if wanted.iter().all(|(setting, value)| told.get(*setting) == Some(value)) {
            return Ok(Found::Unfinished);
        }
        let ends = self.cluster.raw_bounds(name, partitions, OffsetSpec::Latest).await?;
        Ok(if ends.iter().all(|end| *end == 0) { Found::Unfinished } else { Found::InUse })
    }

    async fn begin(&self, name: String, partitions: u32, found: Found) -> Result<(), ImportError> {
        match found {
            Found::Missing => Ok(self.cluster.create_topic(name, partitions, unfinished()).await?),
            Found::Unfinished => Ok(self.cluster.configure(name, unfinished()).await?),
            Found::InUse => Ok(()),
        }
    }

    async fn write(&self, records: Vec<Record>) -> Result<(), ImportError> {
        let Some((first, last)) = records.first().zip(records.last()) else { return Ok(()) };
        let (partition, expected) = (first.position.topic_partition(), last.position.offset.next());
        let topic = self.cluster.topic(&partition.topic);
        let mut sent = Vec::with_capacity(records.len());
        for Record { position, accepted, event } in records {
            let record = encode(topic.clone(), position.partition, &event).timestamp(accepted.unix_ms());
            sent.push((position.offset, self.records.enqueue(record).await?));
        }
        for (expected, handle) in sent {
            let written = handle.await?;
            // Of one that had to be sent twice it is not told where it is; the end says it.
            if written.is_success() && written.offset != offset_of(expected) {
                let found = Offset(u64::try_from(written.offset).unwrap_or_default());
                return Err(ImportError::Displaced { partition, expected, found });
            }
        }
        self.check_end(&partition, expected).await
    }

    /// Waits until a partition ends where it should.
    async fn check_end(&self, partition: &TopicPartition, expected: Offset) -> Result<(), ImportError> {
        let until = Instant::now() + SEEN_WITHIN;
        loop {
            let ends = self.cluster.offsets(std::slice::from_ref(partition), OffsetSpec::Latest).await?;
            let found = ends.first().copied().unwrap_or_default();
            if found == expected {
                return Ok(());
            }
            if found > expected || Instant::now() > until {
                return Err(ImportError::Displaced { partition: partition.clone(), expected, found });
            }
            tokio::time::sleep(SEEN_POLL).await;
        }
    }

    async fn delete_before(&self, topic: String, before: &Position) -> Result<(), ImportError> {
        let partition = i32::try_from(before.partition.0).unwrap_or(i32::MAX);
        Ok(self.cluster.delete_records(topic, partition, offset_of(before.offset)).await?)
    }
}

/// An event as a record that is sent by itself.
fn encode(topic: String, partition: Partition, event: &Event) -> krafka::Record {
    let mut record = krafka::Record::new(topic, Bytes::new());
    record.partition = i32::try_from(partition.0).ok();
    record.key = event.key.as_ref().map(Key::to_bytes);
    record.value.clone_from(&event.data);
    put_headers(event, |prefix, name, value| {
        record.headers.push((format!("{prefix}{name}"), Some(Bytes::copy_from_slice(value.as_bytes()))));
    });
    record
}

/// Settings of a topic while it is copied: it keeps everything, and when a record was accepted is as it is told. No app creates such
/// a topic.
fn unfinished() -> Vec<(&'static str, String)> {
    let mut settings = settings(&Retention::default());
    settings.push((TIMESTAMPS, CREATE_TIME.to_owned()));
    settings.push((RECORD_BYTES, RECORD_BYTES_MAX.to_string()));
    settings
}

/// Settings of a changelog that is not copied to any more.
fn finished_changelog() -> Vec<(&'static str, String)> {
    vec![(POLICY, "compact".to_owned()), ("delete.retention.ms", DELETIONS.as_millis().to_string())]
}

fn offset_of(offset: Offset) -> i64 {
    i64::try_from(offset.0).unwrap_or(i64::MAX)
}

fn closed() -> ImportError {
    ImportError::Failed("the connection is closed".to_owned())
}

impl From<KrafkaError> for ImportError {
    fn from(error: KrafkaError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<Failure> for ImportError {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

impl From<ReadError> for ImportError {
    fn from(error: ReadError) -> Self {
        Self::Failed(error.to_string())
    }
}
