//! Topics: made as declared or compared with what is there, and where their partitions begin and end.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use krafka::KrafkaError;
use krafka::admin::{
    ConfigOp, ConfigResource, CreateTopicsOptions, DeleteRecordsOptions, DescribeConfigsOptions, DescribeTopicsOptions,
    IncrementalAlterConfigsOptions, ListConsumerGroupOffsetsOptions, ListOffsetsOptions, ListedOffset, NewTopic,
    OffsetSpec, TopicPartition as KafkaPartition,
};
use krafka::error::ErrorCode;
use riverrun_event::{Offset, Partition, Position, Time, TopicName, TopicPartition};
use riverrun_log::{Compaction, EnsureError, GroupName, NewRecord, ReadError, Retention, TopicDescription, TopicSpec};

use crate::cluster::Cluster;

/// How long the cluster may take to tell all its brokers of something.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
const SETTLE_POLL: Duration = Duration::from_millis(2);
/// Settings of a topic that say how it is kept.
const AGE: &str = "retention.ms";
const BYTES: &str = "retention.bytes";
const POLICY: &str = "cleanup.policy";
const AFTER: &str = "min.compaction.lag.ms";
const DELETIONS: &str = "delete.retention.ms";
/// Ours, kept where Kafka keeps what it does not know: nowhere. So a history is not read back.
const FOR_EVER: &str = "-1";

/// The largest batch of records that a topic takes: events of the size that doors let in fit, and so do rows of state.
pub(crate) const RECORD_BYTES: &str = "max.message.bytes";
pub(crate) const RECORD_BYTES_MAX: u32 = 16 * 1024 * 1024;

impl Cluster {
    pub(crate) async fn ensure(&self, specs: &[TopicSpec]) -> Result<(), EnsureError> {
        let existing = self.counts(specs.iter().map(|spec| &spec.name)).await.map_err(failed_ensure)?;
        for spec in specs {
            if let Some(existing) = existing.get(&spec.name).copied().filter(|count| *count != spec.partitions) {
                let (topic, declared) = (spec.name.clone(), spec.partitions);
                return Err(EnsureError::PartitionCount { topic, existing, declared });
            }
        }
        let (known, missing): (Vec<_>, Vec<_>) = specs.iter().partition(|spec| existing.contains_key(&spec.name));
        self.create(&missing).await.map_err(failed_ensure)?;
        self.keep_as_declared(&known).await.map_err(failed_ensure)
    }

    async fn create(&self, specs: &[&TopicSpec]) -> krafka::Result<()> {
        let mut topics = Vec::with_capacity(specs.len());
        for spec in specs {
            let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
            let mut topic = NewTopic::new(self.topic(&spec.name), partitions, self.options.replication.unwrap_or(-1))?;
            // The time of a record is when it was accepted, whoever wrote it; else retention would go by what happened when.
            topic = topic.with_config("message.timestamp.type", "LogAppendTime");
            topic = topic.with_config(RECORD_BYTES, RECORD_BYTES_MAX.to_string());
            for (name, value) in settings(&spec.retention) {
                topic = topic.with_config(name, value);
            }
            topics.push(topic);
        }
        if topics.is_empty() {
            return Ok(());
        }
        for (_, created) in self.admin.create_topics(topics, CreateTopicsOptions::default()).await? {
            match created {
                // Another instance was first.
                Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                created => created?,
            }
        }
        // The controller has made them; other brokers hear of it a moment later.
        let end = Instant::now() + KNOWN_WITHIN;
        while self.counts(specs.iter().map(|spec| &spec.name)).await?.len() < specs.len() {
            if Instant::now() > end {
                return Err(KrafkaError::timeout("waiting for new topics to be known"));
            }
            tokio::time::sleep(SETTLE_POLL).await;
        }
        Ok(())
    }

    /// Waits until readers see what a transaction has written: the coordinator answers before its marks are in every partition.
    pub(crate) async fn settle(&self, written: &HashMap<TopicPartition, Offset>) {
        let mut waiting: Vec<TopicPartition> = written.keys().cloned().collect();
        let end = Instant::now() + KNOWN_WITHIN;
        while !waiting.is_empty() && Instant::now() < end {
            match self.offsets(&waiting, OffsetSpec::Latest).await {
                Ok(ends) => {
                    let ends: Vec<_> = waiting.into_iter().zip(ends).collect();
                    let hidden = |(partition, end): &(TopicPartition, Offset)| {
                        written.get(partition).is_some_and(|last| end <= last)
                    };
                    waiting = ends.into_iter().filter(hidden).map(|(partition, _)| partition).collect();
                }
                Err(error) => tracing::debug!(%error, "whether readers see a transaction is not known yet"),
            }
            if !waiting.is_empty() {
                tokio::time::sleep(SETTLE_POLL).await;
            }
        }
    }

    /// Takes changed retention over.
    async fn keep_as_declared(&self, specs: &[&TopicSpec]) -> krafka::Result<()> {
        let mut changes = Vec::new();
        for spec in specs {
            let found = self.retention(&spec.name).await?;
            if settings(&found) != settings(&spec.retention) {
                let ops =
                    settings(&spec.retention).into_iter().map(|(name, value)| ConfigOp::set(name, value)).collect();
                changes.push((ConfigResource::topic(self.topic(&spec.name)), ops));
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let changed = self.admin.incremental_alter_configs(changes, IncrementalAlterConfigsOptions::default()).await?;
        changed.into_values().collect()
    }

    /// How many partitions those of the topics have that exist.
    pub(crate) async fn counts<'t>(
        &self,
        topics: impl Iterator<Item = &'t TopicName>,
    ) -> krafka::Result<HashMap<TopicName, u32>> {
        let names: BTreeMap<String, &TopicName> = topics.map(|topic| (self.topic(topic), topic)).collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let described = self.admin.describe_topics(names.keys(), DescribeTopicsOptions::default()).await?;
        let mut counts = HashMap::new();
        for (name, description) in described {
            match (description, names.get(&name)) {
                (Ok(description), Some(topic)) => {
                    let count = u32::try_from(description.partitions.len()).unwrap_or(u32::MAX);
                    counts.insert((*topic).clone(), count);
                }
                (Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }), _) | (Ok(_), None) => {}
                (Err(error), _) => return Err(error),
            }
        }
        Ok(counts)
    }

    /// How many partitions a topic has, if it exists. A count never changes, so the cluster is asked once.
    pub(crate) async fn partitions(&self, topic: &TopicName) -> krafka::Result<Option<u32>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        if known.is_some() {
            return Ok(known);
        }
        let found = self.counts(std::iter::once(topic)).await?;
        let count = found.get(topic).copied();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        Ok(count)
    }

    /// The place of the first record that lies in no partition there is.
    pub(crate) async fn misplaced(
        &self,
        records: impl Iterator<Item = &NewRecord>,
    ) -> krafka::Result<Option<(TopicName, Partition)>> {
        for NewRecord { topic, partition, .. } in records {
            if self.partitions(topic).await?.is_none_or(|count| partition.0 >= count) {
                return Ok(Some((topic.clone(), *partition)));
            }
        }
        Ok(None)
    }

    async fn retention(&self, topic: &TopicName) -> krafka::Result<Retention> {
        let resource = ConfigResource::topic(self.topic(topic));
        let names = [AGE, BYTES, POLICY, AFTER, DELETIONS].map(str::to_owned).to_vec();
        let options = DescribeConfigsOptions::default().config_names(names);
        let mut found = self.admin.describe_configs([resource.clone()], options).await?;
        let entries = found.remove(&resource).unwrap_or_else(|| Ok(Vec::new()))?;
        let value = |name: &str| {
            let entry = entries.iter().find(|entry| entry.name == name);
            entry.and_then(|entry| entry.value.as_deref()).and_then(|value| value.parse::<u64>().ok())
        };
        let compacts = entries.iter().any(|entry| {
            entry.name == POLICY && entry.value.as_deref().is_some_and(|policy| policy.contains("compact"))
        });
        let milliseconds = |name: &str| Duration::from_millis(value(name).unwrap_or_default());
        Ok(Retention {
            age: value(AGE).map(Duration::from_millis),
            partition_bytes: value(BYTES),
            compaction: compacts.then(|| Compaction {
                after: milliseconds(AFTER),
                history: Duration::ZERO,
                deletions: milliseconds(DELETIONS),
            }),
        })
    }

    pub(crate) async fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        let counts = self.counts(std::iter::once(topic)).await.map_err(failed_read)?;
        let Some(partitions) = counts.get(topic).copied() else { return Err(ReadError::UnknownTopic(topic.clone())) };
        let retention = self.retention(topic).await.map_err(failed_read)?;
        let all: Vec<TopicPartition> =
            (0..partitions).map(|number| TopicPartition::new(topic.clone(), Partition(number))).collect();
        let starts = self.offsets(&all, OffsetSpec::Earliest).await?;
        let ends = self.offsets(&all, OffsetSpec::Latest).await?;
        let offsets = starts.into_iter().zip(ends).map(|(start, end)| start..end).collect();
        Ok(TopicDescription { spec: TopicSpec { name: topic.clone(), partitions, retention }, offsets })
    }

    /// The ends of what is committed in all partitions of a topic.
    pub(crate) async fn ends(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        self.offsets(&self.all_of(topic).await?, OffsetSpec::Latest).await
    }

    /// The ends of a topic behind everything written, committed or not.
    pub(crate) async fn ends_written(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        let all = self.all_of(topic).await?;
        let asked = all.iter().map(|partition| (self.partition(partition), OffsetSpec::Latest)).collect::<Vec<_>>();
        let listed = self.admin.list_offsets(asked, ListOffsetsOptions::default()).await.map_err(failed_read)?;
        self.found(&all, listed)
    }

    async fn all_of(&self, topic: &TopicName) -> Result<Vec<TopicPartition>, ReadError> {
        let count = self.partitions(topic).await.map_err(failed_read)?;
        let count = count.ok_or_else(|| ReadError::UnknownTopic(topic.clone()))?;
        Ok((0..count).map(|number| TopicPartition::new(topic.clone(), Partition(number))).collect())
    }

    /// An offset of each partition: its first, or the end of what is committed.
    pub(crate) async fn offsets(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<Vec<Offset>, ReadError> {
        let listed = self.listed(partitions, spec).await?;
        self.found(partitions, listed)
    }

    /// What was listed for each partition, in their order.
    fn found(
        &self,
        partitions: &[TopicPartition],
        mut listed: HashMap<KafkaPartition, krafka::Result<ListedOffset>>,
    ) -> Result<Vec<Offset>, ReadError> {
        let offset = |partition: &TopicPartition| {
            let listed = listed.remove(&self.partition(partition));
            let unknown = || ReadError::UnknownPartition(partition.clone());
            match listed.ok_or_else(unknown)? {
                Ok(listed) => Ok(offset_of(&listed)),
                Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }) => Err(unknown()),
                Err(error) => Err(failed_read(error)),
            }
        };
        partitions.iter().map(offset).collect()
    }

    /// How far a group has committed partitions. With `stable`, once no transaction is open that might change it.
    pub(crate) async fn committed(
        &self,
        group: &GroupName,
        inputs: &[TopicPartition],
        stable: bool,
    ) -> Result<BTreeMap<TopicPartition, Offset>, String> {
        let asked = inputs.iter().map(|input| self.partition(input)).collect();
        let options = ListConsumerGroupOffsetsOptions::default().require_stable(stable).partitions(asked);
        let committed = self.admin.list_consumer_group_offsets(self.group(group), options).await;
        let mut committed = committed.map_err(|error| error.to_string())?;
        let mut positions = BTreeMap::new();
        for input in inputs {
            let found = committed.remove(&self.partition(input)).transpose().map_err(|error| error.to_string())?;
            if let Some(offset) = found.and_then(|found| found.offset) {
                positions.insert(input.clone(), Offset(u64::try_from(offset).unwrap_or_default()));
            }
        }
        Ok(positions)
    }

    async fn listed(
        &self,
        partitions: &[TopicPartition],
        spec: OffsetSpec,
    ) -> Result<HashMap<KafkaPartition, krafka::Result<ListedOffset>>, ReadError> {
        let asked: Vec<_> = partitions.iter().map(|partition| (self.partition(partition), spec)).collect();
        let options = ListOffsetsOptions::default().read_committed(true);
        self.admin.list_offsets(asked, options).await.map_err(failed_read)
    }

    /// An offset before or at the first record accepted at a time or later, and behind the one before it; the end where there is
    /// none. It may be that of a transaction's mark.
    pub(crate) async fn offset_at(&self, partition: &TopicPartition, time: Time) -> Result<Offset, ReadError> {
        self.check(partition).await?;
        // Times of records are whole milliseconds: what was accepted at or after a part of one was so from the next on.
        let milliseconds = time.unix_ms() + i64::from(Time::from_unix_ms(time.unix_ms()) < time);
        let one = std::slice::from_ref(partition);
        let end = *self.offsets(one, OffsetSpec::Latest).await?.first().unwrap_or(&Offset(0));
        let listed =
            self.listed(one, OffsetSpec::Timestamp(milliseconds.max(0))).await?.remove(&self.partition(partition));
        match listed {
            Some(Ok(listed)) if listed.offset >= 0 => Ok(offset_of(&listed).min(end)),
            Some(Err(KrafkaError::Broker { code: ErrorCode::OffsetNotAvailable, .. })) => Ok(end),
            Some(Err(error)) => Err(failed_read(error)),
            _ => Ok(end),
        }
    }

    /// Deletes what lies before a position. Where that fails, a later call deletes more.
    pub(crate) async fn delete_before(&self, position: &Position) {
        let partition = TopicPartition::new(position.topic.clone(), position.partition);
        let before = [(self.partition(&partition), i64::try_from(position.offset.0).unwrap_or(i64::MAX))];
        let deleted = self.admin.delete_records(before, DeleteRecordsOptions::default()).await;
        let deleted = deleted.map(|all| all.into_values().find_map(Result::err));
        if let Some(error) = deleted.unwrap_or_else(Some) {
            tracing::debug!(%position, %error, "records that nobody needs any more could not be deleted");
        }
    }

    /// Refuses a partition that does not exist.
    pub(crate) async fn check(&self, partition: &TopicPartition) -> Result<(), ReadError> {
        match self.partitions(&partition.topic).await.map_err(failed_read)? {
            None => Err(ReadError::UnknownTopic(partition.topic.clone())),
            Some(count) if partition.partition.0 >= count => Err(ReadError::UnknownPartition(partition.clone())),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn partition(&self, partition: &TopicPartition) -> KafkaPartition {
        KafkaPartition::new(self.topic(&partition.topic), i32::try_from(partition.partition.0).unwrap_or(i32::MAX))
    }
}

fn offset_of(listed: &ListedOffset) -> Offset {
    Offset(u64::try_from(listed.offset).unwrap_or_default())
}

/// What retention is called in a topic's settings.
fn settings(retention: &Retention) -> Vec<(&'static str, String)> {
    let for_ever = || FOR_EVER.to_owned();
    let mut settings = vec![
        (AGE, retention.age.map_or_else(for_ever, |age| age.as_millis().to_string())),
        (BYTES, retention.partition_bytes.map_or_else(for_ever, |bytes| bytes.to_string())),
    ];
    match &retention.compaction {
        None => settings.push((POLICY, "delete".to_owned())),
        Some(Compaction { after, deletions, .. }) => {
            let limited = retention.age.is_some() || retention.partition_bytes.is_some();
            settings.push((POLICY, if limited { "compact,delete" } else { "compact" }.to_owned()));
            settings.push((AFTER, after.as_millis().to_string()));
            settings.push((DELETIONS, deletions.as_millis().to_string()));
        }
    }
    settings
}

fn failed_ensure(error: KrafkaError) -> EnsureError {
    EnsureError::Failed(error.to_string())
}

pub(crate) fn failed_read(error: KrafkaError) -> ReadError {
    ReadError::Failed(error.to_string())
}
