//! From an assignor's answer to what counts: answers that cannot be followed are refused.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::round_robin::round_robin;
use super::{Assignor, AssignorError, Deal, MemberName, Round};
use crate::commit::TaskId;

/// What counts in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The target.
    pub deal: Deal,
    /// After which time another round is wanted although nobody came or went.
    pub again_after: Option<Duration>,
    /// Why the assignor's answer was refused, and round robin used instead.
    pub refused: Option<AnswerError>,
}

/// Why an answer cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Some tasks are neither dealt nor waiting.
    #[error("it leaves out {}", listed(.0))]
    LeftOut(BTreeSet<TaskId>),
    /// A task is in it more than once.
    #[error("it gives partition {task} twice: to {first} and {second}")]
    Twice {
        /// The task.
        task: TaskId,
        /// Who has it.
        first: String,
        /// Who has it, too.
        second: String,
    },
    /// It deals to somebody who is no member.
    #[error("it names {0}, which is no member of the group")]
    UnknownMember(MemberName),
    /// It deals what the group does not have.
    #[error("it deals partition {0}, which the group does not have")]
    UnknownTask(TaskId),
    /// There is no answer.
    #[error("it failed: {0}")]
    Failed(String),
    /// There is none, and never should be.
    #[error("it panicked: {0}")]
    Panicked(String),
}

fn listed(tasks: &BTreeSet<TaskId>) -> String {
    let listed: Vec<String> = tasks.iter().map(ToString::to_string).collect();
    format!("partition{} {}", if tasks.len() == 1 { "" } else { "s" }, listed.join(", "))
}

/// Asks an assignor. Round robin answers for one whose answer leaves a task out, has one twice, names an unknown member or task, that
/// fails or panics.
#[must_use]
pub fn decide(assignor: &dyn Assignor, round: &Round) -> Decision {
    let asked = catch_unwind(AssertUnwindSafe(|| (assignor.assign(round), assignor.again_after(round))));
    let checked = match asked {
        Ok((Ok(deal), again_after)) => check(round, &deal).map(|()| (deal, again_after)),
        Ok((Err(AssignorError(reason)), _)) => Err(AnswerError::Failed(reason)),
        Err(panic) => Err(AnswerError::Panicked(message(&*panic))),
    };
    match checked {
        Ok((deal, again_after)) => Decision { deal, again_after, refused: None },
        Err(error) => Decision { deal: round_robin(round), again_after: None, refused: Some(error) },
    }
}

fn check(round: &Round, deal: &Deal) -> Result<(), AnswerError> {
    let unknown = |name: &&MemberName| !round.members.iter().any(|member| member.name == **name);
    if let Some(name) = deal.tasks.keys().find(unknown) {
        return Err(AnswerError::UnknownMember(name.clone()));
    }
    let mut left: BTreeSet<TaskId> = round.tasks.iter().copied().collect();
    let dealt = deal.tasks.values().flatten().chain(&deal.waiting);
    for task in dealt {
        if !left.remove(task) {
            return Err(if round.tasks.contains(task) { twice(deal, *task) } else { AnswerError::UnknownTask(*task) });
        }
    }
    if left.is_empty() { Ok(()) } else { Err(AnswerError::LeftOut(left)) }
}

fn twice(deal: &Deal, task: TaskId) -> AnswerError {
    let members = deal.tasks.iter().filter(|(_, tasks)| tasks.contains(&task)).map(|(name, _)| name.to_string());
    let waiting = deal.waiting.contains(&task).then(|| "those that wait".to_owned());
    let mut places = members.chain(waiting);
    let (first, second) = (places.next().unwrap_or_default(), places.next().unwrap_or_default());
    AnswerError::Twice { task, first, second }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
