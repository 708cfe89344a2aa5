//! What steps keep state, as of the last start: a step's name owns its state, so that steps can be put in and taken out around
//! it. Before a pipeline starts, its steps are compared with those that have state in the log. One that is gone, is of another
//! kind now, or stands in another stage would leave its state behind; that is refused, unless it is asked for, and then the
//! rows are deleted.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use riverrun_event::{OperatorName, PipelineName};
use riverrun_log::{
    Assigned, Assignment, Direction, GroupName, Log, Member, Membership, StateChange, TaskCommit, TaskId, TaskInputs,
};
use riverrun_topology::{Pipeline, Topology};

use crate::commit::commit;
use crate::metrics::Metrics;
use crate::stage_name::StageName;
use crate::worker::stepping::task_inputs;

/// The row that lists the steps with state.
const STEPS_KEY: &[u8] = b"steps";
/// Rows deleted in one commit.
const DELETED_MAX: usize = 10_000;

/// How often the log is asked before a start fails.
const ATTEMPTS_MAX: u32 = 10;
/// The longest wait before the second attempt, doubled for each after it up to the second.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// How long all tasks of a pipeline may take to come; longer than the session of an instance that was stopped a moment ago.
const ALONE_WITHIN: Duration = Duration::from_secs(40);

/// A step whose state would be left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The step, as it was named.
    pub step: String,
    /// What became of it.
    pub why: String,
}

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of pipeline {}: {}", self.step, self.pipeline, self.why)
    }
}

/// What is known of a step's state: the stage it is in, and what its rows mean.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    behind: Option<OperatorName>,
    shape: String,
}

type Steps = BTreeMap<String, Kept>;

/// Compares the steps of a pipeline with what the log holds of them.
pub(crate) struct KeptState {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) pipeline: Pipeline,
    pub(crate) metrics: Metrics,
    /// Whether state that would be left behind is deleted.
    pub(crate) may_drop: bool,
}

impl KeptState {
    /// Gives the steps whose state would be left behind; with `may_drop` their rows are gone then.
    pub(crate) async fn settle(self) -> Result<Vec<Dropped>, String> {
        let executor = tokio::runtime::Handle::current();
        // Joining blocks, and a member belongs to one thread.
        let settled = tokio::task::spawn_blocking(move || executor.block_on(self.settle_here(by_chance)));
        settled.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The same on the caller's thread, for tests that have one only. A commit that failed is not repeated in place: all is
    /// looked at again, as after any other failed commit, `pause` after that.
    pub(crate) async fn settle_here(self, pause: impl Fn(u32) -> Duration) -> Result<Vec<Dropped>, String> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.settle_once().await {
                Err(reason) if attempts < ATTEMPTS_MAX => {
                    tracing::warn!(pipeline = %self.pipeline.name, reason, "its state is looked at again");
                    tokio::time::sleep(pause(attempts)).await;
                }
                settled => return settled,
            }
        }
    }

    async fn settle_once(&self) -> Result<Vec<Dropped>, String> {
        let owner = OperatorName::internal("_steps").map_err(|error| error.to_string())?;
        let now = self.steps();
        // A group of its own, since the tasks of the pipeline may be in other hands and stay there.
        let group = GroupName::steps(&self.topology.app, &self.pipeline.name);
        let only = vec![TaskInputs { task: TaskId(0), inputs: Vec::new() }];
        let opened = Opened::join(self.log.as_ref(), group, only, true).await?;
        let Some(task) = opened.tasks.first() else { return Ok(Vec::new()) };
        let row = task.state.get(&owner, STEPS_KEY).map_err(|error| error.to_string())?;
        let before = row.as_deref().map(parse).unwrap_or_default();
        let dropped = self.dropped(&before, &now);
        if !dropped.is_empty() && !self.may_drop {
            return Ok(dropped);
        }
        for (step, kept) in before.iter().filter(|(step, _)| dropped.iter().any(|dropped| dropped.step == **step)) {
            self.delete(step, kept).await?;
        }
        if before != now {
            let Some(task) = opened.tasks.first() else { return Ok(dropped) };
            let mut change = TaskCommit::new(task.task, task.epoch);
            let value = Some(Bytes::from(written(&now)));
            change.state.push(StateChange { operator: owner, key: Bytes::from_static(STEPS_KEY), value });
            opened.commit(vec![change], &self.metrics).await?;
        }
        Ok(dropped)
    }

    /// The steps that keep state now.
    fn steps(&self) -> Steps {
        let stages = self.topology.stages(&self.pipeline);
        let steps = self.pipeline.all_steps().into_iter().filter_map(|step| {
            let shape = step.operator.state_shape()?;
            let stage = stages.iter().find(|stage| stage.steps.contains(&step.name))?;
            Some((step.name.to_string(), Kept { behind: stage.behind.clone(), shape }))
        });
        steps.collect()
    }

    fn dropped(&self, before: &Steps, now: &Steps) -> Vec<Dropped> {
        let place = |behind: &Option<OperatorName>| match behind {
            Some(behind) => format!("behind {behind}"),
            None => "before any repartition".to_owned(),
        };
        let why = |step: &str, kept: &Kept| match now.get(step) {
            None => Some("there is no such step any more".to_owned()),
            Some(new) if new.shape != kept.shape => {
                Some(format!("its state is that of `{}`, and it is `{}` now", kept.shape, new.shape))
            }
            Some(new) if new.behind != kept.behind => {
                Some(format!("it stood {}, and stands {} now", place(&kept.behind), place(&new.behind)))
            }
            Some(_) => None,
        };
        let named = |(step, kept): (&String, &Kept)| {
            let why = why(step, kept)?;
            Some(Dropped { pipeline: self.pipeline.name.clone(), step: step.clone(), why })
        };
        before.iter().filter_map(named).collect()
    }

    /// Deletes the rows of a step in all tasks of the stage it stood in.
    async fn delete(&self, step: &str, kept: &Kept) -> Result<(), String> {
        let operator = OperatorName::internal(step).map_err(|error| error.to_string())?;
        let stage = StageName { pipeline: self.pipeline.name.clone(), behind: kept.behind.clone() };
        // Without its repartition the stage is gone, and nothing can read or write its rows any more.
        if self.topology.stages(&self.pipeline).iter().all(|known| known.behind != kept.behind) {
            return Ok(());
        }
        self.open(&stage).await?.delete(&operator, &self.metrics).await
    }

    async fn open(&self, stage: &StageName) -> Result<Opened, String> {
        let stages = self.topology.stages(&self.pipeline);
        let declared = stages.iter().find(|known| known.behind == stage.behind);
        let tasks = declared.map(|stage| task_inputs(&self.topology, &self.pipeline, stage)).unwrap_or_default();
        let all = Opened::join(self.log.as_ref(), stage.group(&self.topology.app), tasks, false);
        let others = "another instance runs the pipeline: its state can be deleted only while none does";
        tokio::time::timeout(ALONE_WITHIN, all).await.unwrap_or_else(|_| Err(others.to_owned()))
    }
}

/// All tasks of a group, in one hand.
struct Opened {
    member: Box<dyn Member>,
    tasks: Vec<Assigned>,
}

impl Opened {
    async fn join(log: &dyn Log, group: GroupName, inputs: Vec<TaskInputs>, takes_over: bool) -> Result<Self, String> {
        let count = inputs.len();
        let membership = Membership { group, tasks: inputs, seat: 0, seats: 1, takes_over };
        let mut member = log.join(membership).map_err(|error| error.to_string())?;
        let mut tasks = Vec::new();
        while tasks.len() < count {
            match member.next().await {
                Assignment::Assigned(assigned) => tasks.push(assigned),
                Assignment::Revoke(_) => return Err("the pipeline was taken over by another process".to_owned()),
            }
        }
        tasks.sort_by_key(|assigned| assigned.task);
        Ok(Self { member, tasks })
    }

    async fn commit(&self, changes: Vec<TaskCommit>, metrics: &Metrics) -> Result<(), String> {
        commit(self.member.as_ref(), changes, metrics).await.map(drop).map_err(|error| error.to_string())
    }

    async fn delete(&mut self, operator: &OperatorName, metrics: &Metrics) -> Result<(), String> {
        for task in &self.tasks {
            loop {
                let rows = task.state.scan(operator, b"", &[0xff; 64], Direction::Ascending, DELETED_MAX);
                let rows = rows.map_err(|error| error.to_string())?;
                if rows.is_empty() {
                    break;
                }
                let mut change = TaskCommit::new(task.task, task.epoch);
                let deleted = |(key, _)| StateChange { operator: operator.clone(), key, value: None };
                change.state.extend(rows.into_iter().map(deleted));
                self.commit(vec![change], metrics).await?;
            }
        }
        Ok(())
    }
}

/// A line for each step: name, stage (empty for the first), shape.
fn written(steps: &Steps) -> String {
    let line = |(step, kept): (&String, &Kept)| {
        let behind = kept.behind.as_ref().map_or("", |behind| behind.as_str());
        format!("{step}\t{behind}\t{}\n", kept.shape.replace(['\n', '\t'], " "))
    };
    steps.iter().map(line).collect()
}

fn parse(row: &[u8]) -> Steps {
    let text = String::from_utf8_lossy(row);
    let step = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (step, behind, shape) = (parts.next()?, parts.next()?, parts.next()?);
        let behind = OperatorName::internal(behind).ok();
        Some((step.to_owned(), Kept { behind, shape: shape.to_owned() }))
    };
    text.lines().filter_map(step).collect()
}

/// How long to wait after so many attempts: any time up to a limit. Instances that start at once take the group from each other, and would go
/// on with it if they came again at the same pace.
fn by_chance(attempts: u32) -> Duration {
    let limit = PAUSE.0.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(PAUSE.1);
    let share = RandomState::new().hash_one(attempts) % 1_000;
    limit * u32::try_from(share).unwrap_or_default() / 1_000
}
