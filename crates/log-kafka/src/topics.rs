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
use crate::refusals::lacks_right;

/// How long the cluster may take to tell all its brokers of something.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
const SETTLE_POLL: Duration = Duration::from_millis(2);
/// Settings of a topic that say how it is kept.
const AGE: &str = "retention.ms";
const BYTES: &str = "retention.bytes";
pub(crate) const POLICY: &str = "cleanup.policy";
/// Whose clock says when a record was written.
pub(crate) const TIMESTAMPS: &str = "message.timestamp.type";
pub(crate) const LOG_APPEND_TIME: &str = "LogAppendTime";
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
            let mut configured = settings(&spec.retention);
            // The time of a record is when it was accepted, whoever wrote it; else retention would go by what happened when.
            configured.push((TIMESTAMPS, LOG_APPEND_TIME.to_owned()));
            configured.push((RECORD_BYTES, RECORD_BYTES_MAX.to_string()));
            topics.push(self.new_topic(self.topic(&spec.name), spec.partitions, configured)?);
        }
        self.create_all(topics).await
    }

    /// Creates a topic with these settings, unless it is there.
    pub(crate) async fn create_topic(
        &self,
        name: String,
        partitions: u32,
        configured: Vec<(&'static str, String)>,
    ) -> krafka::Result<()> {
        self.create_all(vec![self.new_topic(name, partitions, configured)?]).await
    }

    fn new_topic(
        &self,
        name: String,
        partitions: u32,
        configured: Vec<(&'static str, String)>,
    ) -> krafka::Result<NewTopic> {
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let mut topic = NewTopic::new(name, partitions, self.options.replication.unwrap_or(-1))?;
        for (name, value) in configured {
            topic = topic.with_config(name, value);
        }
        Ok(topic)
    }

    async fn create_all(&self, topics: Vec<NewTopic>) -> krafka::Result<()> {
        if topics.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = topics.iter().map(|topic| topic.name.clone()).collect();
        for (name, created) in self.admin.create_topics(topics, CreateTopicsOptions::default()).await? {
            match created {
                // Another instance was first.
                Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                created => created.map_err(|error| about(&name, error))?,
            }
        }
        // The controller has made them; other brokers hear of it a moment later.
        let end = Instant::now() + KNOWN_WITHIN;
        while self.partition_counts(names.clone()).await?.len() < names.len() {
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
                changes.push((self.topic(&spec.name), settings(&spec.retention)));
            }
        }
        self.configure_all(changes).await
    }

    /// Changes settings of a topic, and waits until brokers know: who asks for them right after would be told the old ones.
    pub(crate) async fn configure(&self, topic: String, settings: Vec<(&'static str, String)>) -> krafka::Result<()> {
        self.configure_all(vec![(topic.clone(), settings.clone())]).await?;
        let names: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
        let end = Instant::now() + KNOWN_WITHIN;
        loop {
            let told = self.config(&topic, &names).await?;
            if settings.iter().all(|(name, value)| told.get(*name) == Some(value)) {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(KrafkaError::timeout("waiting for new settings of a topic to be known"));
            }
            tokio::time::sleep(SETTLE_POLL).await;
        }
    }

    async fn configure_all(&self, changes: Vec<(String, Vec<(&'static str, String)>)>) -> krafka::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let change = |(topic, settings): (String, Vec<(&'static str, String)>)| {
            let ops = settings.into_iter().map(|(name, value)| ConfigOp::set(name, value)).collect();
            (ConfigResource::topic(topic), ops)
        };
        let changes: Vec<_> = changes.into_iter().map(change).collect();
        let changed = self.admin.incremental_alter_configs(changes, IncrementalAlterConfigsOptions::default()).await?;
        changed.into_iter().try_for_each(|(topic, changed)| changed.map_err(|error| about(&topic.name, error)))
    }

    /// How many partitions those of the topics have that exist.
    pub(crate) async fn counts<'t>(
        &self,
        topics: impl Iterator<Item = &'t TopicName>,
    ) -> krafka::Result<HashMap<TopicName, u32>> {
        let names: BTreeMap<String, &TopicName> = topics.map(|topic| (self.topic(topic), topic)).collect();
        let counts = self.partition_counts(names.keys().cloned()).await?;
        let named = |(name, count): (String, u32)| Some(((*names.get(&name)?).clone(), count));
        Ok(counts.into_iter().filter_map(named).collect())
    }

    /// The same by the names on the cluster.
    pub(crate) async fn partition_counts(
        &self,
        names: impl IntoIterator<Item = String>,
    ) -> krafka::Result<HashMap<String, u32>> {
        let names: Vec<String> = names.into_iter().collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let described = self.admin.describe_topics(names, DescribeTopicsOptions::default()).await?;
        let mut counts = HashMap::new();
        for (name, description) in described {
            match description {
                Ok(description) => {
                    counts.insert(name, u32::try_from(description.partitions.len()).unwrap_or(u32::MAX));
                }
                Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }) => {}
                Err(error) => return Err(about(&name, error)),
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
        let told = self.config(&self.topic(topic), &[AGE, BYTES, POLICY, AFTER, DELETIONS]).await?;
        let value = |name: &str| told.get(name).and_then(|value| value.parse::<u64>().ok());
        let compacts = told.get(POLICY).is_some_and(|policy| policy.contains("compact"));
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

    /// Settings of a topic by its name on the cluster.
    pub(crate) async fn config(&self, topic: &str, names: &[&str]) -> krafka::Result<HashMap<String, String>> {
        let resource = ConfigResource::topic(topic);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let options = DescribeConfigsOptions::default().config_names(names);
        let mut found = self.admin.describe_configs([resource.clone()], options).await?;
        let entries = found.remove(&resource).unwrap_or_else(|| Ok(Vec::new())).map_err(|error| about(topic, error))?;
        Ok(entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect())
    }

    /// Where partitions begin or end by the name of their topic on the cluster.
    pub(crate) async fn raw_bounds(&self, topic: &str, partitions: u32, spec: OffsetSpec) -> krafka::Result<Vec<i64>> {
        let places =
            (0..i32::try_from(partitions).unwrap_or(i32::MAX)).map(|number| KafkaPartition::new(topic, number));
        let places: Vec<_> = places.collect();
        let asked: Vec<_> = places.iter().map(|place| (place.clone(), spec)).collect();
        let mut listed = self.admin.list_offsets(asked, ListOffsetsOptions::default()).await?;
        let bound = |place| listed.remove(place).map_or(Ok(0), |listed| listed.map(|listed| listed.offset));
        places.iter().map(bound).collect()
    }

    pub(crate) async fn describe(&self, topic: &TopicName) -> Result<TopicDescription, ReadError> {
        let counts = self.counts(std::iter::once(topic)).await.map_err(failed_read)?;
        let Some(partitions) = counts.get(topic).copied() else { return Err(ReadError::UnknownTopic(topic.clone())) };
        let retention = self.retention(topic).await.map_err(failed_read)?;
        let all: Vec<TopicPartition> =
            (0..partitions).map(|number| TopicPartition::new(topic.clone(), Partition(number))).collect();
        let starts = self.offsets(&all, OffsetSpec::Earliest).await?;
        let ends = self.visible_ends(&all).await?;
        let offsets = starts.into_iter().zip(ends).map(|(start, end)| start..end).collect();
        Ok(TopicDescription { spec: TopicSpec { name: topic.clone(), partitions, retention }, offsets })
    }

    /// The ends of what is committed in all partitions of a topic.
    pub(crate) async fn ends(&self, topic: &TopicName) -> Result<Vec<Offset>, ReadError> {
        self.visible_ends(&self.all_of(topic).await?).await
    }

    /// The ends of partitions that readers see.
    async fn visible_ends(&self, partitions: &[TopicPartition]) -> Result<Vec<Offset>, ReadError> {
        let ends = self.offsets(partitions, OffsetSpec::Latest).await?;
        Ok(partitions.iter().zip(ends).map(|(partition, end)| self.visible.end(partition, end)).collect())
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
        let start = *self.offsets(one, OffsetSpec::Earliest).await?.first().unwrap_or(&Offset(0));
        let end = *self.offsets(one, OffsetSpec::Latest).await?.first().unwrap_or(&Offset(0));
        // The client takes "there is none" for "not yet" and asks for a minute, so that it is only asked for what there is.
        let place = self.partition(partition);
        if start >= end || self.newest_time(one).await?.is_some_and(|newest| newest < milliseconds) {
            return Ok(end);
        }
        let listed = self.listed(one, OffsetSpec::Timestamp(milliseconds.max(0))).await?.remove(&place);
        match listed {
            Some(Ok(listed)) if listed.offset >= 0 => Ok(offset_of(&listed).min(end)),
            Some(Err(KrafkaError::Broker { code: ErrorCode::OffsetNotAvailable, .. })) => Ok(end),
            Some(Err(error)) => Err(failed_read(error)),
            _ => Ok(end),
        }
    }

    /// The time of the newest record of a partition that has some, in milliseconds since 1970.
    async fn newest_time(&self, partition: &[TopicPartition]) -> Result<Option<i64>, ReadError> {
        let newest = self.listed(partition, OffsetSpec::MaxTimestamp).await?.into_values().next();
        Ok(newest.transpose().map_err(failed_read)?.and_then(|newest| newest.timestamp))
    }

    /// Deletes what lies before a position. Where that fails, a later call deletes more.
    pub(crate) async fn delete_before(&self, position: &Position) {
        let place = self.partition(&position.topic_partition());
        let before = i64::try_from(position.offset.0).unwrap_or(i64::MAX);
        if let Err(error) = self.delete_records(place.topic, place.partition, before).await {
            tracing::debug!(%position, %error, "records that nobody needs any more could not be deleted");
            if let KrafkaError::Broker { code: code @ ErrorCode::TopicAuthorizationFailed, .. } = error {
                let topic = format!("the topic {}", self.topic(&position.topic));
                self.refusals.note("what is done with", &(lacks_right(&topic, code) + "; it needs Delete"));
            }
        }
    }

    /// Deletes the records of a partition before an offset, by the name of its topic on the cluster.
    pub(crate) async fn delete_records(&self, topic: String, partition: i32, before: i64) -> krafka::Result<()> {
        let before = [(KafkaPartition::new(topic, partition), before)];
        let deleted = self.admin.delete_records(before, DeleteRecordsOptions::default()).await?;
        deleted.into_values().try_for_each(|deleted| deleted.map(drop))
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
pub(crate) fn settings(retention: &Retention) -> Vec<(&'static str, String)> {
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

/// The error with the topic that a broker refused it for, as the cluster calls it.
fn about(topic: &str, error: KrafkaError) -> KrafkaError {
    match error {
        KrafkaError::Broker { code, message } => KrafkaError::broker(code, format!("the topic {topic}: {message}")),
        error => error,
    }
}

fn failed_ensure(error: KrafkaError) -> EnsureError {
    EnsureError::Failed(error.to_string())
}

pub(crate) fn failed_read(error: KrafkaError) -> ReadError {
    ReadError::Failed(error.to_string())
}
