//! Doors on many instances: where the log does not recognise an event that is sent again, doors write into the entrance of a
//! topic, and a task for each partition lets every (source, id) into the topic once. So it holds whichever instance was asked.

use std::sync::Arc;
use std::time::Duration;

use riverrun_event::{Offset, Partition, Position, TopicName, TopicPartition};
use riverrun_log::{GroupName, ReadError, Retention, TopicSpec};
use riverrun_topology::Topology;
use tokio::time::Instant;

use crate::progress::Progress;
use crate::runtime::{Runtime, StartError, task_per_partition};
use crate::status::DoorStatus;
use crate::worker::admitting::Admitting;

/// How the events of doors are deduplicated by tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrances {
    /// How many days before an event's own its identity is looked for.
    pub window_days: u32,
    /// Whether the tasks run in this process.
    pub runs_here: bool,
}

/// How often is looked whether another process has let an event in.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// The topics that doors need: an entrance for each topic, and one for what could not be let in.
pub(crate) fn topic_specs(topology: &Topology) -> impl Iterator<Item = TopicSpec> {
    topology.topics.values().flat_map(|topic| {
        let names = [TopicName::entrance_of(&topic.name), TopicName::dead_letters_of_door(&topic.name)];
        names.map(|name| TopicSpec { name, partitions: topic.partitions, retention: Retention::default() })
    })
}

impl Runtime {
    /// Starts what lets events in, where that is asked for.
    pub(crate) fn start_doors(&mut self) -> Result<(), StartError> {
        let Some(entrances) = self.options.entrances.filter(|entrances| entrances.runs_here) else { return Ok(()) };
        for topic in self.topology.topics.values() {
            let entrance = TopicName::entrance_of(&topic.name);
            if self.topology.topics.contains_key(&entrance) {
                return Err(StartError::EntranceTaken { topic: topic.name.clone(), entrance });
            }
            let progress = Arc::new(Progress::default());
            let tasks = task_per_partition(&entrance, topic.partitions);
            let work = Admitting {
                log: Arc::clone(&self.log),
                topic: topic.name.clone(),
                label: format!("door:{}", topic.name),
                window_days: entrances.window_days,
                progress: Arc::clone(&progress),
                metrics: self.options.metrics.clone(),
            };
            self.spawn(work, GroupName::door(&self.topology.app, &topic.name), &tasks, 1, &progress)?;
            self.doors.insert(topic.name.clone(), progress);
        }
        Ok(())
    }

    /// Whether doors put events into the entrances of their topics.
    #[must_use]
    pub fn has_entrances(&self) -> bool {
        self.options.entrances.is_some()
    }

    /// How far the events that wait in entrances have been let in.
    ///
    /// # Errors
    /// [`ReadError`] when the log cannot be read.
    pub fn doors(&self) -> Result<Vec<DoorStatus>, ReadError> {
        let mut statuses = Vec::new();
        for (topic, progress) in &self.doors {
            let entrance = TopicName::entrance_of(topic);
            let (counts, _) = progress.snapshot();
            let offsets = self.log.describe(&entrance)?.offsets;
            let all: Vec<_> = (0..)
                .map(Partition)
                .zip(&offsets)
                .map(|(number, _)| TopicPartition::new(entrance.clone(), number))
                .collect();
            let reached = self.let_in(topic, progress, &all)?;
            let waiting = reached.into_iter().zip(&offsets);
            let waiting = waiting.map(|(next, offsets)| offsets.end.0.saturating_sub(next.max(offsets.start).0));
            statuses.push(DoorStatus { topic: topic.clone(), counts, waiting: waiting.collect() });
        }
        Ok(statuses)
    }

    /// The next offset to let in of each of these partitions of an entrance, wherever its task runs.
    fn let_in(
        &self,
        topic: &TopicName,
        progress: &Progress,
        entrances: &[TopicPartition],
    ) -> Result<Vec<Offset>, ReadError> {
        let (_, tasks) = progress.snapshot();
        let own = |entrance: &TopicPartition| tasks.values().find_map(|task| task.positions.get(entrance)).copied();
        let elsewhere: Vec<_> = entrances.iter().filter(|entrance| own(entrance).is_none()).cloned().collect();
        let committed = self.committed_elsewhere(&GroupName::door(&self.topology.app, topic), &elsewhere)?;
        let next = |entrance| own(entrance).or_else(|| committed.get(entrance).copied()).unwrap_or_default();
        Ok(entrances.iter().map(next).collect())
    }

    /// Waits until the event at a position of an entrance was let in, and gives the position it cannot be behind in the topic. Any
    /// other position is given back; `None` when time is over.
    pub(crate) async fn admitted(&self, position: &Position, until: Instant) -> Result<Option<Position>, ReadError> {
        let behind = position.topic.behind_entrance().filter(|topic| self.topology.topics.contains_key(topic));
        let Some(topic) = behind.filter(|_| self.has_entrances()) else { return Ok(Some(position.clone())) };
        let nowhere_here = Progress::default();
        let progress = self.doors.get(&topic).map_or(&nowhere_here, Arc::as_ref);
        let entrance = TopicPartition::new(position.topic.clone(), position.partition);
        loop {
            let reached = self.let_in(&topic, progress, std::slice::from_ref(&entrance))?;
            if reached.first().is_some_and(|next| *next > position.offset) {
                break;
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let ends = self.log.ends_written(&topic)?;
        let end = usize::try_from(position.partition.0).ok().and_then(|number| ends.get(number)).copied();
        let last = Offset(end.unwrap_or_default().0.saturating_sub(1));
        Ok(Some(TopicPartition::new(topic, position.partition).at(last)))
    }
}
