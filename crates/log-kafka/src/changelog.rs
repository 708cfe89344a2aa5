//! The changelogs of groups: compacted topics of our own, a partition for each task, and how a local copy is brought to their end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use krafka::KrafkaError;
use krafka::admin::{
    CreateTopicsOptions, DescribeTopicsOptions, ListOffsetsOptions, NewTopic, OffsetSpec,
    TopicPartition as KafkaPartition,
};
use krafka::consumer::{AutoOffsetReset, Consumer, ConsumerRecord, IsolationLevel};
use krafka::error::ErrorCode;
use riverrun_event::Time;
use riverrun_log::{GroupName, TaskId};

use crate::cluster::Cluster;
use crate::stall::Stall;
use crate::state::{Applied, Change, TaskState};
use crate::topics::{LOG_APPEND_TIME, RECORD_BYTES, RECORD_BYTES_MAX, TIMESTAMPS};

const POLL: Duration = Duration::from_millis(200);
/// How long deletions stay in a changelog. A copy that was not kept up to date for longer may lack some, and is made anew.
pub(crate) const DELETIONS: Duration = Duration::from_secs(24 * 60 * 60);
/// How often a long restoration says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// Records taken over at once.
const POLL_RECORDS: i32 = 10_000;
const FETCH_BYTES: i32 = 8 * 1024 * 1024;

/// Where the changelog of a task begins and ends.
struct Bounds {
    topic: [u8; 16],
    start: i64,
    /// Behind everything written, committed or not: what is not will be decided soon.
    end: i64,
}

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
        let topic = topic.with_config("delete.retention.ms", DELETIONS.as_millis().to_string());
        let topic = topic.with_config(RECORD_BYTES, RECORD_BYTES_MAX.to_string());
        // Brokers refuse what an instance writes whose clock is ahead, unless they set the time themselves.
        let topic = topic.with_config(TIMESTAMPS, LOG_APPEND_TIME);
        let created = self.admin.create_topics([topic], CreateTopicsOptions::default()).await;
        for (name, created) in created.map_err(|error| error.to_string())? {
            match created {
                Ok(()) | Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) => {}
                Err(error) => return Err(format!("the changelog {name} cannot be created: {error}")),
            }
        }
        Ok(())
    }

    /// The end of a task's changelog, once its local copy is one that can be continued to there; `None` where there is no changelog yet.
    pub(crate) async fn continuable(
        &self,
        group: &GroupName,
        task: TaskId,
        state: &TaskState,
    ) -> Result<Option<i64>, String> {
        let applied = state.applied();
        let Some(bounds) = self.changelog_bounds(group, task).await? else { return Ok(None) };
        bounds.fit(group, task, state, applied)?;
        Ok(Some(bounds.end))
    }

    /// `None` where there is no changelog yet.
    async fn changelog_bounds(&self, group: &GroupName, task: TaskId) -> Result<Option<Bounds>, String> {
        let name = self.changelog(group);
        let described = self.admin.describe_topics([name.as_str()], DescribeTopicsOptions::default()).await;
        let topic = match described.map_err(|error| error.to_string())?.remove(&name) {
            Some(Ok(description)) => description.topic_id,
            Some(Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. })) | None => return Ok(None),
            Some(Err(error)) => return Err(error.to_string()),
        };
        let place = KafkaPartition::new(name, partition_of(task));
        let mut bounds = [0; 2];
        for (bound, spec) in bounds.iter_mut().zip([OffsetSpec::Earliest, OffsetSpec::Latest]) {
            let listed = self.admin.list_offsets([(place.clone(), spec)], ListOffsetsOptions::default()).await;
            match listed.map_err(|error| error.to_string())?.remove(&place) {
                Some(Ok(listed)) => *bound = listed.offset,
                Some(Err(error)) => return Err(error.to_string()),
                None => return Ok(None),
            }
        }
        let [start, end] = bounds;
        Ok(Some(Bounds { topic, start, end }))
    }

    /// A reader of changelogs, of what is committed in them.
    pub(crate) async fn changelog_reader(&self) -> krafka::Result<Consumer> {
        let consumer = self.connection().await?.consumer_without_group().isolation_level(IsolationLevel::ReadCommitted);
        let consumer = consumer.auto_offset_reset(AutoOffsetReset::None).enable_auto_commit(false);
        let consumer = consumer.fetch_max_wait(POLL).max_poll_records(POLL_RECORDS);
        consumer.max_partition_fetch_bytes(FETCH_BYTES).build().await
    }

    /// Brings the local copy of a task's state to the end of its changelog, however far it is.
    #[allow(
        clippy::cognitive_complexity,
        reason = "the macros of tracing count, with its feature `log`, which a library in the tests turns on"
    )]
    pub(crate) async fn restore(&self, group: &GroupName, task: TaskId, state: &Arc<TaskState>) -> Result<(), String> {
        let Some(end) = self.continuable(group, task, state).await? else { return Ok(()) };
        let start = state.applied().next;
        if start >= end {
            return Ok(());
        }
        let failed = |error: KrafkaError| error.to_string();
        let (topic, partition) = (self.changelog(group), partition_of(task));
        let consumer = self.changelog_reader().await.map_err(failed)?;
        consumer.assign(&topic, vec![partition]).await.map_err(failed)?;
        consumer.seek(&topic, partition, start).await.map_err(failed)?;
        let (mut told, mut records) = (Instant::now(), 0_u64);
        let mut stall = Stall::begin();
        loop {
            // Asked before, since what is given out now was fetched before.
            let complete = consumer.fetch_position(&topic, partition).await.is_some_and(|next| next >= end);
            let polled = consumer.poll(if complete { Duration::ZERO } else { POLL }).await.map_err(failed)?;
            let changes: Vec<Change> = polled.into_iter().map(change).collect();
            let Some(last) = changes.last() else {
                if complete {
                    break;
                }
                stall.check(self, &topic, partition, state.applied().next).await?;
                continue;
            };
            stall = Stall::begin();
            let next = last.offset + 1;
            records += u64::try_from(changes.len()).unwrap_or_default();
            state.apply(&changes, next)?;
            if told.elapsed() > TOLD_EVERY {
                told = Instant::now();
                let percent = (next - start) * 100 / (end - start).max(1);
                tracing::info!(%group, %task, records, percent, "restoring the state of a task");
            }
        }
        state.apply(&[], end)?;
        if records > 0 {
            tracing::info!(%group, %task, records, "the state of a task is restored");
        }
        drop(consumer.close().await);
        Ok(())
    }
}

impl Bounds {
    /// Makes a local copy anew that cannot be continued. Whoever owns the task may take it further meanwhile, so that it is compared as
    /// it was `applied` before the bounds were asked for.
    fn fit(&self, group: &GroupName, task: TaskId, state: &TaskState, applied: Applied) -> Result<(), String> {
        let age = Time::now().unix_ms() - applied.at.unix_ms();
        let reason = if applied.topic != self.topic {
            "it is of another changelog"
        } else if applied.next < self.start {
            "the changelog begins behind it"
        } else if applied.next > self.end {
            "the changelog ends before it"
        } else if age > i64::try_from(DELETIONS.as_millis()).unwrap_or(i64::MAX) {
            "deletions may have gone by since"
        } else {
            return Ok(());
        };
        if applied.next > 0 {
            tracing::warn!(%group, %task, reason, "the local copy of a task's state is made anew");
        }
        state.clear(applied, self.topic, self.start)
    }
}

pub(crate) fn change(record: ConsumerRecord) -> Change {
    Change { offset: record.offset, key: record.key.unwrap_or_default(), value: record.value }
}

pub(crate) fn partition_of(task: TaskId) -> i32 {
    i32::try_from(task.0).unwrap_or(i32::MAX)
}
