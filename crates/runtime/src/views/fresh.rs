//! Waits until a view holds what came of a position: whoever has published an event can read what it did.

use std::time::Duration;

use riverrun_event::{Offset, Position, TopicPartition};
use riverrun_topology::{Pipeline, Stage};
use tokio::time::Instant;

use super::{View, ViewError};
use crate::runtime::Runtime;
use crate::stage_name::StageName;

/// How often is looked whether a task has come far enough.
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Runtime {
    /// Resolves when the view holds everything that came of the events at `positions`, each of a topic its pipeline reads or of its
    /// entrance. Behind a repartition, that is what the events before it have become, too.
    ///
    /// # Errors
    /// [`ViewError::Behind`] when that takes longer than `patience`; [`ViewError::NotAnInput`] for a topic it does not read.
    pub async fn view_holds(&self, view: &View, positions: &[Position], patience: Duration) -> Result<(), ViewError> {
        let Some(pipeline) = self.topology.pipelines.get(&view.stage.pipeline) else {
            return Err(ViewError::NotReady(view.name.clone()));
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
            if !self.passes(view, pipeline, &stages, goal, until).await? {
                return Err(behind(asked));
            }
        }
        Ok(())
    }

    /// Waits for one position, stage by stage; false when time is over.
    async fn passes(
        &self,
        view: &View,
        pipeline: &Pipeline,
        stages: &[Stage],
        goal: (TopicPartition, Offset),
        until: Instant,
    ) -> Result<bool, ViewError> {
        let mut goals = vec![goal];
        for stage in stages {
            let name = StageName { pipeline: pipeline.name.clone(), behind: stage.behind.clone() };
            let is_read = |(input, _): &&(TopicPartition, Offset)| stage.inputs.contains(&input.topic);
            for (input, next) in goals.iter().filter(is_read) {
                if !self.reaches(&name, input, *next, until).await {
                    return Ok(false);
                }
            }
            if name == view.stage {
                return Ok(true);
            }
            // What this stage has made of it lies before the ends of the topics in which it meets others.
            for meeting in self.topology.meeting_topics(pipeline) {
                let described = self.log.describe(&meeting.name)?;
                goals.retain(|(input, _)| input.topic != meeting.name);
                for (number, offsets) in (0..).zip(described.offsets) {
                    let partition = riverrun_event::Partition(number);
                    goals.push((TopicPartition::new(meeting.name.clone(), partition), offsets.end));
                }
            }
        }
        Ok(true)
    }

    /// Waits until the stage's task has committed the input up to an offset; false when time is over.
    async fn reaches(&self, stage: &StageName, input: &TopicPartition, next: Offset, until: Instant) -> bool {
        let Some(progress) = self.running.get(stage) else { return false };
        loop {
            let (_, tasks) = progress.snapshot();
            let reached = tasks.values().filter_map(|task| task.positions.get(input)).max();
            if next == Offset(0) || reached.is_some_and(|reached| *reached >= next) {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
