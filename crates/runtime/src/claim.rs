//! Claims a replay's topic: before the first record is written, the log says what the topic is going to hold. A replay asked
//! for again goes on only if it is the same; anything else would mix two outcomes in one topic.

use std::sync::Arc;

use bytes::Bytes;
use riverrun_event::OperatorName;
use riverrun_log::{Assignment, Log, Member, Membership, StateChange, TaskCommit};

use crate::commit::commit;
use crate::metrics::Metrics;
use crate::worker::Interruption;
use crate::worker::replaying::owner_of_replays;

/// The row that holds what was asked for.
const ASKED_KEY: &[u8] = b"asked";

/// What is to be claimed.
pub(crate) struct Claim {
    pub(crate) log: Arc<dyn Log>,
    /// All tasks of the replay, in one seat.
    pub(crate) membership: Membership,
    /// What the topic is going to hold, in words.
    pub(crate) asked: String,
    /// Whether there are records in the topic already.
    pub(crate) holds_records: bool,
    pub(crate) metrics: Metrics,
}

/// Why a topic was not claimed. Nothing was written.
pub(crate) enum Refused {
    /// It holds something else.
    Holds(String),
    /// The log did not do what was asked of it.
    Failed(String),
}

impl Claim {
    /// Claims the topic, or finds that it is claimed so already.
    pub(crate) async fn make(self) -> Result<(), Refused> {
        let executor = tokio::runtime::Handle::current();
        // Joining blocks, and a member belongs to one thread.
        let made = tokio::task::spawn_blocking(move || executor.block_on(self.make_here()));
        made.await.unwrap_or_else(|error| Err(failed(&error)))
    }

    async fn make_here(self) -> Result<(), Refused> {
        let owner = owner_of_replays().map_err(|error| match error {
            Interruption::Restart(reason) | Interruption::Stop(reason) => Refused::Failed(reason),
        })?;
        let tasks = self.membership.tasks.len();
        let mut member = self.log.join(self.membership.clone()).map_err(|error| failed(&error))?;
        let unclaimed = self.unclaimed(member.as_mut(), &owner).await?;
        if unclaimed.is_empty() {
            return Ok(());
        }
        // All tasks are claimed at once, so the first record of the topic comes after the claim.
        if unclaimed.len() == tasks && self.holds_records {
            return Err(Refused::Holds("records that this replay did not write".to_owned()));
        }
        commit(member.as_ref(), unclaimed, &self.metrics).await.map(drop).map_err(|error| failed(&error))
    }

    /// The claims of the tasks that have none yet.
    async fn unclaimed(&self, member: &mut dyn Member, owner: &OperatorName) -> Result<Vec<TaskCommit>, Refused> {
        let mut unclaimed = Vec::new();
        for _ in &self.membership.tasks {
            let Assignment::Assigned(assigned) = member.next().await else {
                return Err(Refused::Failed("the replay was taken over by another member".to_owned()));
            };
            match assigned.state.get(owner, ASKED_KEY).map_err(|error| failed(&error))? {
                Some(asked) if asked == self.asked => {}
                Some(asked) => return Err(Refused::Holds(String::from_utf8_lossy(&asked).into_owned())),
                None => {
                    let mut task = TaskCommit::new(assigned.task, assigned.epoch);
                    let (key, value) = (Bytes::from_static(ASKED_KEY), Some(Bytes::from(self.asked.clone())));
                    task.state.push(StateChange { operator: owner.clone(), key, value });
                    unclaimed.push(task);
                }
            }
        }
        Ok(unclaimed)
    }
}

fn failed(error: &dyn std::error::Error) -> Refused {
    Refused::Failed(error.to_string())
}
