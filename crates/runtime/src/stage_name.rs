//! The name of a subtopology: that of its pipeline, and the repartition it begins behind.

use std::fmt;

use riverrun_event::{AppName, OperatorName, PipelineName, TopicName};
use riverrun_log::GroupName;

/// Names a stage of a pipeline in status, metrics and log lines: `totals`, and `totals/by-customer` behind the step
/// `by-customer`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StageName {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The repartition it begins behind; none for the first stage.
    pub behind: Option<OperatorName>,
}

impl StageName {
    /// The group its tasks share.
    #[must_use]
    pub fn group(&self, app: &AppName) -> GroupName {
        match &self.behind {
            None => GroupName::pipeline(app, &self.pipeline),
            Some(behind) => GroupName::stage(app, &self.pipeline, behind),
        }
    }

    /// The group of its replay into a topic.
    #[must_use]
    pub fn replay_group(&self, app: &AppName, to: &TopicName) -> GroupName {
        match &self.behind {
            None => GroupName::replay(app, &self.pipeline, to),
            Some(behind) => GroupName::stage_replay(app, &self.pipeline, behind, to),
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.behind {
            None => write!(formatter, "{}", self.pipeline),
            Some(behind) => write!(formatter, "{}/{behind}", self.pipeline),
        }
    }
}
