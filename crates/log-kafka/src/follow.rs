//! Following the states of tasks that other instances own: one reader for all of them, which keeps the local copies up to date.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use krafka::consumer::Consumer;
use riverrun_log::{GroupName, TaskId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::changelog::{change, partition_of};
use crate::cluster::Cluster;
use crate::state::{Change, TaskState};

const POLL: Duration = Duration::from_millis(200);
/// The wait after the cluster did not answer, or a changelog is not there yet.
const RETRY: Duration = Duration::from_millis(500);

/// A state to follow.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub(crate) group: GroupName,
    pub(crate) task: TaskId,
    pub(crate) state: Arc<TaskState>,
    /// Whether it is followed only so that the task can be taken over. Others read it, and never stop.
    pub(crate) is_standby: bool,
}

impl Wanted {
    fn is_standby_of(&self, group: &GroupName, task: TaskId) -> bool {
        self.is_standby && self.group == *group && self.task == task
    }
}

/// What is asked of whoever follows.
pub(crate) enum Wish {
    Follow(Wanted),
    /// A standby is none any more.
    Leave {
        group: GroupName,
        task: TaskId,
        /// Sent or dropped once nothing more is taken over.
        left: oneshot::Sender<()>,
    },
}

/// Where wishes are handed in.
pub(crate) type Wishes = mpsc::UnboundedSender<Wish>;

/// Follows what is asked for, until nobody can ask any more.
pub(crate) async fn run(cluster: Weak<Cluster>, mut wishes: mpsc::UnboundedReceiver<Wish>, moved: watch::Sender<u64>) {
    let mut waiting: Vec<Wanted> = Vec::new();
    let mut follower: Option<Follower> = None;
    loop {
        let mut wish = None;
        if waiting.is_empty() && follower.is_none() {
            wish = wishes.recv().await;
        }
        let Some(cluster) = cluster.upgrade().filter(|_| !wishes.is_closed()) else { return };
        while let Some(next) = wish.take().or_else(|| wishes.try_recv().ok()) {
            match next {
                Wish::Follow(wanted) => waiting.push(wanted),
                Wish::Leave { group, task, left } => {
                    waiting.retain(|wanted| !wanted.is_standby_of(&group, task));
                    if let Some(follower) = &mut follower {
                        follower.leave(&cluster, &group, task).await;
                    }
                    drop(left);
                }
            }
        }
        if waiting.is_empty() && follower.is_none() {
            continue;
        }
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
    let Some(following) = follower else { return Ok(()) };
    let wanted = std::mem::take(waiting);
    for (index, next) in wanted.iter().enumerate() {
        match following.add(cluster, next.clone()).await {
            Ok(not_yet) => waiting.extend(not_yet),
            Err(reason) => {
                waiting.extend_from_slice(wanted.get(index..).unwrap_or_default());
                return Err(reason);
            }
        }
    }
    if !following.followed.is_empty() {
        if following.take_over().await? {
            moved.send_modify(|count| *count += 1);
        }
    } else if waiting.is_empty() {
        // Until something is wanted again.
        *follower = None;
    } else {
        tokio::time::sleep(RETRY).await;
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
        if wanted.is_standby && self.followed.contains_key(&(topic.clone(), partition)) {
            return Ok(None);
        }
        let next = wanted.state.applied().next;
        self.followed.insert((topic.clone(), partition), wanted);
        let failed = |error: krafka::KrafkaError| error.to_string();
        self.assign(&topic).await.map_err(failed)?;
        self.consumer.seek(&topic, partition, next).await.map_err(failed)?;
        Ok(None)
    }

    /// Stops following a state that is followed as a standby.
    async fn leave(&mut self, cluster: &Cluster, group: &GroupName, task: TaskId) {
        let place = (cluster.changelog(group), partition_of(task));
        if self.followed.get(&place).is_some_and(|wanted| wanted.is_standby) {
            self.followed.remove(&place);
            if let Err(error) = self.assign(&place.0).await {
                // What comes of it is passed over.
                tracing::debug!(%group, %task, %error, "a changelog is read on for nobody");
            }
        }
    }

    /// Reads what is followed of a changelog.
    async fn assign(&self, topic: &str) -> krafka::Result<()> {
        let partitions = self.followed.keys().filter(|(known, _)| known == topic).map(|(_, partition)| *partition);
        self.consumer.assign(topic, partitions.collect()).await
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
