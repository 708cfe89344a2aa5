//! What is to be moved, how far that is, and what was moved.

use riverrun_event::{Offset, Position, TopicPartition};
use riverrun_log::{Fingerprint, GroupName};
use serde::{Deserialize, Serialize};

/// What a move would do.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Plan {
    /// Where to, as `log:` has it.
    pub to: String,
    /// Every topic.
    pub topics: Vec<TopicPlan>,
    /// How many groups have positions or state.
    pub groups: usize,
}

/// A topic that is to be moved.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TopicPlan {
    /// The topic.
    pub topic: String,
    /// Its partitions.
    pub partitions: u32,
    /// Offsets from its starts to its ends; of a compacted topic more than it has records.
    pub offsets: u64,
    /// Bytes of its records as stored here.
    pub bytes: u64,
    /// Offsets that are on the cluster already.
    pub there: u64,
    /// Whether what is there is no unfinished copy. It is not written to, and has to be equal.
    pub in_use: bool,
}

/// What a move is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Copies records.
    Copying,
    /// Writes the state of tasks.
    State,
    /// Reads everything back.
    Comparing,
}

/// How far a move is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Progress {
    /// What it is at.
    pub phase: Phase,
    /// How much of that is done.
    pub done: u64,
    /// Of how much; where that is not known, 0.
    pub total: u64,
}

/// What was moved, and what both sides hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrateReport {
    /// Where to, as `log:` has it.
    pub to: String,
    /// Every partition of every topic.
    pub partitions: Vec<PartitionReport>,
    /// Every group.
    pub groups: Vec<GroupReport>,
}

/// A partition on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReport {
    /// The partition.
    pub partition: TopicPartition,
    /// Records here.
    pub here: Fingerprint,
    /// The same records there.
    pub there: Fingerprint,
    /// The first position where the two differ.
    pub differs_at: Option<Position>,
    /// Up to where they were compared.
    pub(crate) next: Offset,
}

/// A group on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupReport {
    /// The group.
    pub group: GroupName,
    /// Tasks.
    pub tasks: u32,
    /// Positions it has committed.
    pub positions: u64,
    /// Rows of all tasks here.
    pub rows: u64,
    /// Identities among them: events that are recognised when they are sent again.
    pub identities: u64,
    /// What differs, if something does.
    pub differs: Option<String>,
    /// Whether this move has written it; otherwise it was there.
    pub(crate) written: bool,
}

impl MigrateReport {
    /// Whether both sides hold the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.partitions.iter().all(PartitionReport::is_equal) && self.groups.iter().all(|group| group.differs.is_none())
    }

    /// Records of all partitions.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.here.count()).sum()
    }

    /// What differs first.
    #[must_use]
    pub fn difference(&self) -> String {
        let partition = self.partitions.iter().find(|partition| !partition.is_equal());
        let records = partition.map(|found| match &found.differs_at {
            Some(position) => format!("the record at {position}"),
            None => found.partition.to_string(),
        });
        let group = || {
            let group = self.groups.iter().find_map(|group| Some((&group.group, group.differs.as_ref()?)));
            group.map(|(group, what)| format!("{what} of the group {group}"))
        };
        records.or_else(group).unwrap_or_else(|| "nothing".to_owned())
    }
}

impl PartitionReport {
    /// Whether both sides hold the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differs_at.is_none() && self.here == self.there
    }
}
