//! Following the states of tasks that other instances own: one reader for all of them, which keeps the local copies up to date.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use krafka::consumer::Consumer;
use riverrun_log::{GroupName, TaskId};
use tokio::sync::{mpsc, watch};

use crate::changelog::{change, partition_of};
use crate::cluster::Cluster;
use crate::state::{Change, TaskState};

const POLL: Duration = Duration::from_millis(200);
/// The wait after the cluster did not answer, or a changelog is not there yet.
const RETRY: Duration = Duration::from_millis(500);

/// A state to follow.
pub(crate) struct Wanted {
    pub(crate) group: GroupName,
    pub(crate) task: TaskId,
    pub(crate) state: Arc<TaskState>,
}

/// Where states to follow are handed in.
pub(crate) type Wishes = mpsc::UnboundedSender<Wanted>;

/// Follows what is asked for, until nobody can ask any more.
pub(crate) async fn run(
    cluster: Weak<Cluster>,
    mut wishes: mpsc::UnboundedReceiver<Wanted>,
    moved: watch::Sender<u64>,
) {
    let mut waiting: Vec<Wanted> = Vec::new();
    let mut follower: Option<Follower> = None;
    loop {
        if waiting.is_empty() && follower.is_none() {
            match wishes.recv().await {
                Some(wanted) => waiting.push(wanted),
                None => return,
            }
        }
        while let Ok(wanted) = wishes.try_recv() {
            waiting.push(wanted);
        }
        let Some(cluster) = cluster.upgrade().filter(|_| !wishes.is_closed()) else { return };
        if let Err(reason) = follow(&cluster, &mut waiting, &mut follower, &moved).await {
            tracing::warn!(reason, "states of other instances are not followed; trying again");
            waiting.extend(follower.take().into_iter().flat_map(|follower| follower.followed.into_values()));
            drop(cluster);
            tokio::time::sleep(RETRY).await;
        }
    }
}

async fn follow(
    cluster: &Cluster,
    waiting: &mut Vec<Wanted>,
    follower: &mut Option<Follower>,
    moved: &watch::Sender<u64>,
) -> Result<(), String> {
    if follower.is_none() {
        let consumer = cluster.changelog_reader().await.map_err(|error| error.to_string())?;
        *follower = Some(Follower { consumer, followed: HashMap::new() });
    }
    let Some(follower) = follower else { return Ok(()) };
    for wanted in std::mem::take(waiting) {
        waiting.extend(follower.add(cluster, wanted).await?);
    }
    if follower.followed.is_empty() {
        tokio::time::sleep(RETRY).await;
        return Ok(());
    }
    if follower.take_over().await? {
        moved.send_modify(|count| *count += 1);
    }
    Ok(())
}

struct Follower {
    consumer: Consumer,
    followed: HashMap<(String, i32), Wanted>,
}

impl Follower {
    /// Gives back what has no changelog yet.
    async fn add(&mut self, cluster: &Cluster, wanted: Wanted) -> Result<Option<Wanted>, String> {
        if cluster.continuable(&wanted.group, wanted.task, &wanted.state).await?.is_none() {
            return Ok(Some(wanted));
        }
        let (topic, partition) = (cluster.changelog(&wanted.group), partition_of(wanted.task));
        let next = wanted.state.applied().next;
        self.followed.insert((topic.clone(), partition), wanted);
        let partitions = self.followed.keys().filter(|(known, _)| *known == topic).map(|(_, partition)| *partition);
        let failed = |error: krafka::KrafkaError| error.to_string();
        self.consumer.assign(&topic, partitions.collect()).await.map_err(failed)?;
        self.consumer.seek(&topic, partition, next).await.map_err(failed)?;
        Ok(None)
    }

    /// Whether there was anything.
    async fn take_over(&self) -> Result<bool, String> {
        let mut changes: HashMap<(String, i32), Vec<Change>> = HashMap::new();
        for record in self.consumer.poll(POLL).await.map_err(|error| error.to_string())? {
            let place = (record.topic.to_string(), record.partition);
            changes.entry(place).or_default().push(change(record));
        }
        for (place, changes) in &changes {
            let next = changes.last().map_or(0, |change| change.offset + 1);
            if let Some(wanted) = self.followed.get(place) {
                wanted.state.apply(changes, next)?;
            }
        }
        Ok(!changes.is_empty())
    }
}
