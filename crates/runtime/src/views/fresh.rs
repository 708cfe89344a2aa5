//! Waits until a view holds what came of a position: whoever has published an event can read what it did.

use std::collections::BTreeSet;
use std::time::Duration;

use riverrun_event::{Offset, Position, TopicPartition};
use riverrun_log::TaskId;
use riverrun_topology::Stage;
use tokio::time::Instant;

use super::{View, ViewError};
use crate::runtime::Runtime;
use crate::stage_name::StageName;
use crate::worker::stepping::task_inputs;

/// How often is looked whether a task has come far enough.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How often the log is asked about a task of another process.
const ASK_EVERY: Duration = Duration::from_millis(20);

impl Runtime {
    /// Resolves when these tasks of the view hold everything that came of the events at `positions`, each of a topic its pipeline reads
    /// or of its entrance. Behind a repartition, that is what the events before it have become, too, whoever has the tasks there.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when that takes longer than `patience`; [`ViewError::NotAnInput`] for a topic it does not read.
    pub async fn view_holds(
        &self,
        view: &View,
        tasks: &[TaskId],
        positions: &[Position],
        patience: Duration,
    ) -> Result<(), ViewError> {
        let Some(pipeline) = self.topology.pipelines.get(&view.stage.pipeline) else {
            return Err(view.is_not_ready("its pipeline is not declared".to_owned()));
        };
        let stages = self.topology.stages(pipeline);
        let inputs = pipeline.inputs();
        let until = Instant::now() + patience;
        let behind =
            |position: &Position| ViewError::Behind { view: view.name.clone(), position: position.to_string() };
        let mut admitted = Vec::with_capacity(positions.len());
        for position in positions {
            admitted.push(self.admitted(position, until).await?.ok_or_else(|| behind(position))?);
        }
        for position in &admitted {
            if !inputs.contains(&&position.topic) {
                let inputs = inputs.iter().map(|input| input.as_str()).collect::<Vec<_>>().join(", ");
                return Err(ViewError::NotAnInput { view: view.name.clone(), position: position.to_string(), inputs });
            }
        }
        for (position, asked) in admitted.iter().zip(positions) {
            let goal = (TopicPartition::new(position.topic.clone(), position.partition), position.offset.next());
            if !self.passes(view, tasks, &stages, goal, until).await? {
                return Err(behind(asked));
            }
        }
        Ok(())
    }

    /// Waits for one position, stage by stage; false when time is over.
    async fn passes(
        &self,
        view: &View,
        tasks: &[TaskId],
        stages: &[Stage],
        goal: (TopicPartition, Offset),
        until: Instant,
    ) -> Result<bool, ViewError> {
        let Some(pipeline) = self.topology.pipelines.get(&view.stage.pipeline) else { return Ok(false) };
        let mut goals = vec![goal];
        for stage in stages {
            let name = StageName { pipeline: pipeline.name.clone(), behind: stage.behind.clone() };
            let is_last = name == view.stage;
            // What is in a task's rows came through its own inputs.
            let read = task_inputs(&self.topology, pipeline, stage).into_iter();
            let read = read.filter(|task| !is_last || tasks.contains(&task.task)).flat_map(|task| task.inputs);
            let read: BTreeSet<TopicPartition> = read.collect();
            for (input, next) in goals.iter().filter(|(input, _)| read.contains(input)) {
                if !self.reaches(&name, input, *next, until).await? {
                    return Ok(false);
                }
            }
            if is_last {
                return Ok(true);
            }
            // What this stage has made of it lies before the ends of the topics in which it meets others.
            for meeting in self.topology.meeting_topics(pipeline) {
                let ends = self.log.ends_written(&meeting.name)?;
                goals.retain(|(input, _)| input.topic != meeting.name);
                for (number, end) in (0..).zip(ends) {
                    let partition = riverrun_event::Partition(number);
                    goals.push((TopicPartition::new(meeting.name.clone(), partition), end));
                }
            }
        }
        Ok(true)
    }

    /// Waits until the stage's task has committed the input up to an offset, wherever it runs; false when time is over.
    async fn reaches(
        &self,
        stage: &StageName,
        input: &TopicPartition,
        next: Offset,
        until: Instant,
    ) -> Result<bool, ViewError> {
        let Some(progress) = self.running.get(stage) else { return Ok(false) };
        loop {
            let (_, tasks) = progress.snapshot();
            let here = tasks.values().filter_map(|task| task.positions.get(input)).max().copied();
            let reached = match here {
                Some(reached) => Some(reached),
                None => self.committed_by_others(stage, input)?,
            };
            if next == Offset(0) || reached.is_some_and(|reached| reached >= next) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            tokio::time::sleep(if here.is_some() { LOOK_EVERY } else { ASK_EVERY }).await;
        }
    }

    fn committed_by_others(&self, stage: &StageName, input: &TopicPartition) -> Result<Option<Offset>, ViewError> {
        let group = stage.group(&self.topology.app);
        Ok(self.committed_elsewhere(&group, std::slice::from_ref(input))?.get(input).copied())
    }
}
