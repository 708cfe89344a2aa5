//! Each stored row in one file with its four functions: key and value, there and back. [`crate::schema`] lists them all.

pub(crate) mod batch;
pub(crate) mod codec;
pub(crate) mod commit;
#[cfg(test)]
mod fuzz;
pub(crate) mod group;
pub(crate) mod identity;
pub(crate) mod marker;
pub(crate) mod operator;
pub(crate) mod order;
pub(crate) mod partition;
pub(crate) mod position;
pub(crate) mod recent;
pub(crate) mod state;
pub(crate) mod task;
pub(crate) mod topic;

pub(crate) use codec::Undecodable;

/// A topic by its number, never reused; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TopicId(pub(crate) u32);

/// A group by its number, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupId(pub(crate) u32);

/// An operator of a group by its number, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct OperatorId(pub(crate) u32);

/// One partition of one topic, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartitionId {
    /// The topic.
    pub(crate) topic: TopicId,
    /// The partition's number.
    pub(crate) partition: u32,
}

/// One task of one group, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupTask {
    /// The group.
    pub(crate) group: GroupId,
    /// The task's number.
    pub(crate) task: u32,
}
