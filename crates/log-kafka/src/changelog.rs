//! The changelogs of groups: compacted topics of our own, a partition for each task.

use std::time::Duration;

use bytes::Bytes;
use krafka::KrafkaError;
use krafka::admin::{CreateTopicsOptions, ListOffsetsOptions, NewTopic, OffsetSpec, TopicPartition as KafkaPartition};
use krafka::consumer::{AutoOffsetReset, IsolationLevel};
use krafka::error::ErrorCode;
use riverrun_log::{GroupName, TaskId};

use crate::cluster::Cluster;

const POLL: Duration = Duration::from_millis(200);

impl Cluster {
    /// The name of a group on the cluster.
    pub(crate) fn group(&self, group: &GroupName) -> String {
        format!("{}{group}", self.options.prefix)
    }

    /// The changelog of a group. Colons, which keep kinds of groups apart, are no characters of a topic.
    pub(crate) fn changelog(&self, group: &GroupName) -> String {
        format!("{}_changelog.{}", self.options.prefix, group.as_str().replace(':', "-_"))
    }

    pub(crate) async fn ensure_changelog(&self, group: &GroupName, tasks: u32) -> Result<(), String> {
        let count = i32::try_from(tasks).unwrap_or(i32::MAX);
        let topic = NewTopic::new(self.changelog(group), count, self.options.replication.unwrap_or(-1));
        let topic = topic.map_err(|error| error.to_string())?.with_config("cleanup.policy", "compact");
        let created = self.admin.create_topics([topic], CreateTopicsOptions::default()).await;
        for (name, created) in created.map_err(|error| error.to_string())? {
            match created {
                Ok(()) | Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                Err(error) => return Err(format!("the changelog {name} cannot be created: {error}")),
            }
        }
        Ok(())
    }

    /// What is committed of a task's changelog, oldest first.
    pub(crate) async fn changes(
        &self,
        group: &GroupName,
        task: TaskId,
    ) -> Result<Vec<(Vec<u8>, Option<Bytes>)>, String> {
        let (topic, partition) = (self.changelog(group), i32::try_from(task.0).unwrap_or(i32::MAX));
        let place = KafkaPartition::new(topic.clone(), partition);
        let mut bounds = [0; 2];
        for (bound, spec) in bounds.iter_mut().zip([OffsetSpec::Earliest, OffsetSpec::Latest]) {
            let options = ListOffsetsOptions::default().read_committed(true);
            let listed = self.admin.list_offsets([(place.clone(), spec)], options).await;
            match listed.map_err(|error| error.to_string())?.remove(&place) {
                Some(Ok(listed)) => *bound = listed.offset,
                Some(Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. })) | None => {
                    return Ok(Vec::new());
                }
                Some(Err(error)) => return Err(error.to_string()),
            }
        }
        let [start, end] = bounds;
        let mut changes = Vec::new();
        if start >= end {
            return Ok(changes);
        }
        let consumer = self.kafka.consumer_without_group().isolation_level(IsolationLevel::ReadCommitted);
        let consumer = consumer.auto_offset_reset(AutoOffsetReset::None).enable_auto_commit(false).fetch_max_wait(POLL);
        let consumer = consumer.initial_offsets([(place, start)]).build().await.map_err(|error| error.to_string())?;
        consumer.assign(&topic, vec![partition]).await.map_err(|error| error.to_string())?;
        while consumer.fetch_position(&topic, partition).await.is_none_or(|next| next < end) {
            for record in consumer.poll(POLL).await.map_err(|error| error.to_string())? {
                changes.push((record.key.unwrap_or_default().to_vec(), record.value));
            }
        }
        // What was fetched and not given out yet.
        loop {
            let rest = consumer.poll(Duration::ZERO).await.map_err(|error| error.to_string())?;
            if rest.is_empty() {
                break;
            }
            changes.extend(rest.into_iter().map(|record| (record.key.unwrap_or_default().to_vec(), record.value)));
        }
        drop(consumer.close().await);
        Ok(changes)
    }
}
