//! Builds one pipeline: its inputs, its steps, where it writes.

use riverrun_event::{PipelineName, TopicName};

use crate::pipeline::{OnError, Pipeline};
use crate::step_names::StepNames;

use super::Mistakes;
use super::steps::{Built, OfPipeline, Scope, StepsBuilder};

/// Declares one pipeline. Each operator call is one step, in order.
pub type PipelineBuilder<'b> = StepsBuilder<'b, OfPipeline>;

/// The pipeline as far as it could be built; what has a mistake is left out.
pub(super) fn built(
    name: PipelineName,
    mistakes: &mut Mistakes,
    declare: impl FnOnce(PipelineBuilder<'_>) -> PipelineBuilder<'_>,
) -> Pipeline {
    let scope = Scope { mistakes, names: &mut StepNames::default() };
    let steps = StepsBuilder::new(OfPipeline::default(), format!("pipelines.{name}"), scope);
    let Built { of: OfPipeline { from, on_error, auto_repartition }, steps, to } = declare(steps).finish();
    Pipeline { name, from, steps, to, on_error, auto_repartition }
}

impl StepsBuilder<'_, OfPipeline> {
    /// Adds an input topic.
    pub fn from(mut self, topic: &str) -> Self {
        let place = format!("{}.from", self.place);
        let topic = self.scope.mistakes.named(|| place, TopicName::new(topic));
        self.of.from.extend(topic);
        self
    }

    /// Gives a keyed step a repartition where its inputs differ in their partitions, instead of refusing it.
    pub fn auto_repartition(mut self) -> Self {
        self.of.auto_repartition = true;
        self
    }

    /// What happens to an event that fails; dead letters otherwise.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.of.on_error = on_error;
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{OnError, Topology};

    #[test]
    fn steps_are_named_after_their_verbs() {
        let topology = Topology::builder("flights")
            .topic("flights", |topic| topic)
            .topic("planes", |topic| topic)
            .model("plane", "planes", |model| model)
            .pipeline("departures", |pipeline| {
                pipeline
                    .from("flights")
                    .filter("true")
                    .set("data.a", "1")
                    .filter("true")
                    .snapshot("plane", "key")
                    .snapshot_as("plane", "data.x", "data.other")
                    .named("other-plane")
                    .branch(|branch| {
                        branch
                            .when("late", "data.delay > 15", |late| late.filter("true").to("late"))
                            .default(|rest| rest.set("data.b", "1"))
                    })
                    .fragment("tidy", |steps| steps.rename("data.a", "data.b").filter("true"))
                    .merge("planes", |steps| steps.filter("true"))
                    .rename("data.a", "data.b")
                    .to("departures")
                    .on_error(OnError::Stop)
            })
            .build()
            .unwrap();
        let pipeline = topology.pipelines.values().next().unwrap();
        let names: Vec<&str> = pipeline.all_steps().into_iter().map(|step| step.name.as_str()).collect();
        let before = ["filter-1", "set-1", "filter-2", "snapshot-1", "other-plane"];
        let within =
            ["branch-1", "filter-3", "set-2", "tidy.rename-1", "tidy.filter-1", "merge-1", "filter-4", "rename-1"];
        assert_eq!(names, [before.as_slice(), &within].concat());
        let ways: Vec<&str> = pipeline.steps[5].operator.arms().iter().map(|arm| arm.name.as_str()).collect();
        assert_eq!(ways, ["late", "branch-1.default"]);
        let outputs: Vec<&str> = pipeline.outputs().into_iter().map(|topic| topic.as_str()).collect();
        assert_eq!(outputs, ["late", "departures"]);
        assert_eq!(pipeline.on_error, OnError::Stop);
        assert_eq!(topology.task_count(pipeline), 4);
    }
}
