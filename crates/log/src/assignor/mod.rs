//! Which member of a group gets which task, where members of several instances share one.
//!
//! The leader of a group asks its [`Assignor`] in every round: whenever somebody came or went. The answer is a target. How tasks move
//! there is no assignor's business: a task that somebody still works on moves only once it has been given up, and all others go on
//! meanwhile.
//!
//! An answer is checked ([`decide`]); one that cannot be followed is refused as a whole, and tasks are dealt round robin instead.

mod decide;
mod fixed;
mod round_robin;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use riverrun_event::partitioner::partition_of_key;

use crate::commit::{GroupName, TaskId};

pub use decide::{AnswerError, Decision, decide};
pub use fixed::{Fixed, FixedError};
pub use round_robin::RoundRobin;

/// Deals the tasks of a group out to its members.
///
/// Only the leader's answer counts, and any member may become the leader: the same round should give the same answer everywhere.
/// A member that has a task should keep it where nothing speaks against it; each move is a pause of that task.
pub trait Assignor: Send + Sync {
    /// The target of a round.
    ///
    /// # Errors
    /// [`AssignorError`] when there is none; round robin then answers.
    fn assign(&self, round: &Round) -> Result<Deal, AssignorError>;

    /// After which time another round is wanted although nobody came or went; by default none.
    fn again_after(&self, _round: &Round) -> Option<Duration> {
        None
    }
}

/// Why an assignor has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AssignorError(pub String);

/// What an assignor answers. Each task of the round is in it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deal {
    /// The tasks of each member; one without tasks may be left out.
    pub tasks: BTreeMap<MemberName, BTreeSet<TaskId>>,
    /// Tasks that nobody is to have until a later round.
    pub waiting: BTreeSet<TaskId>,
}

/// What an assignor is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// The group.
    pub group: GroupName,
    /// Its members, in the order in which they take turns: the first seat of every instance, then the second, and so on.
    pub members: Vec<GroupMember>,
    /// Its tasks, in order.
    pub tasks: Vec<TaskId>,
    /// Instances that have gone while the leader led, and for how long.
    pub gone: BTreeMap<String, Duration>,
    /// How long the leader has led without a break: nothing is known of what was before.
    pub leading: Duration,
}

/// A member of a group, as its leader knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMember {
    /// Its name.
    pub name: MemberName,
    /// What its instance says of itself.
    pub labels: Labels,
    /// The tasks it has.
    pub owned: BTreeSet<TaskId>,
    /// The tasks whose state its instance keeps a copy of while another owns them: it would have the least to read.
    pub copies: BTreeSet<TaskId>,
    /// Whether it has joined. One that has not is about to: its instance has announced it, and what it is given waits for it.
    pub is_here: bool,
}

/// Names a member: instances run several, one for each worker of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberName {
    /// The instance.
    pub instance: String,
    /// Which of its seats, from 0.
    pub seat: u32,
}

impl fmt::Display for MemberName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.instance, self.seat)
    }
}

/// What an instance says of itself: its rack, for example, or how much it can take.
pub type Labels = BTreeMap<String, Label>;

/// The value of a label.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
}

impl Round {
    /// A round of a leader that has just begun to lead. Members are put in the order of their turns; with which instance it begins depends
    /// on the group's name, so that several small groups do not all burden the same.
    #[must_use]
    pub fn new(group: GroupName, mut members: Vec<GroupMember>, tasks: Vec<TaskId>) -> Self {
        let instances: BTreeSet<String> = members.iter().map(|member| member.name.instance.clone()).collect();
        let count = instances.len();
        let start = partition_of_key(group.as_str().as_bytes(), u32::try_from(count).unwrap_or(u32::MAX)).0;
        let start = usize::try_from(start).unwrap_or_default();
        let turn = |instance: &str| {
            let place = instances.iter().position(|known| known == instance).unwrap_or_default();
            (place + count - start) % count.max(1)
        };
        members.sort_by_cached_key(|member| (member.name.seat, turn(&member.name.instance)));
        Self { group, members, tasks, gone: BTreeMap::new(), leading: Duration::ZERO }
    }

    /// Whether a member of this instance is in the group.
    #[must_use]
    pub fn has_instance(&self, instance: &str) -> bool {
        self.members.iter().any(|member| member.name.instance == instance)
    }
}

/// An assignor with the name that members of a group compare: with different ones they do not take part in the same group.
#[derive(Clone)]
pub struct NamedAssignor {
    name: Cow<'static, str>,
    assignor: Arc<dyn Assignor>,
}

impl NamedAssignor {
    /// Round robin.
    #[must_use]
    pub fn round_robin() -> Self {
        Self { name: Cow::Borrowed("round-robin"), assignor: Arc::new(RoundRobin) }
    }

    /// By the names of the instances.
    #[must_use]
    pub fn fixed(fixed: Fixed) -> Self {
        Self { name: Cow::Borrowed("static"), assignor: Arc::new(fixed) }
    }

    /// Any other; the name says which.
    #[must_use]
    pub fn custom(name: impl Into<String>, assignor: Arc<dyn Assignor>) -> Self {
        Self { name: Cow::Owned(format!("custom.{}", name.into())), assignor }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The assignor.
    #[must_use]
    pub fn assignor(&self) -> &dyn Assignor {
        &*self.assignor
    }
}

impl Default for NamedAssignor {
    fn default() -> Self {
        Self::round_robin()
    }
}

impl fmt::Debug for NamedAssignor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("NamedAssignor").field(&self.name).finish()
    }
}
