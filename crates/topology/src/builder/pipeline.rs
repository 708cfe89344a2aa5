//! Builds one pipeline, a step for each call.

use std::sync::Arc;

use riverrun_event::{ModelName, OperatorName, PipelineName, TopicName};

use crate::operators::Operator;
use crate::operators::filter::Filter;
use crate::operators::remove::Remove;
use crate::operators::rename::Rename;
use crate::operators::set::Set;
use crate::operators::snapshot::{Snapshot, SnapshotModel};
use crate::operators::transform::{Transform, Transformer};
use crate::pipeline::{OnError, Pipeline, Step};

use super::Mistakes;

/// Declares one pipeline. Each operator call is one step, in order.
#[must_use]
pub struct PipelineBuilder<'b> {
    name: PipelineName,
    from: Vec<TopicName>,
    steps: Vec<Step>,
    to: Option<TopicName>,
    on_error: OnError,
    /// Steps declared so far, those with mistakes too.
    declared: usize,
    mistakes: &'b mut Mistakes,
}

impl<'b> PipelineBuilder<'b> {
    pub(super) fn new(name: PipelineName, mistakes: &'b mut Mistakes) -> Self {
        Self {
            name,
            from: Vec::new(),
            steps: Vec::new(),
            to: None,
            on_error: OnError::default(),
            declared: 0,
            mistakes,
        }
    }

    pub(super) fn finish(self) -> Option<Pipeline> {
        let Self { name, from, steps, to, on_error, .. } = self;
        let Some(to) = to else {
            self.mistakes.add(format!("pipelines.{name}.to"), "the pipeline has no output topic; end it with .to(...)");
            return None;
        };
        Some(Pipeline { name, from, steps, to, on_error })
    }

    /// Adds an input topic.
    pub fn from(mut self, topic: &str) -> Self {
        let place = || format!("pipelines.{}.from", self.name);
        self.from.extend(self.mistakes.named(place, TopicName::new(topic)));
        self
    }

    /// Lets events pass when a condition holds.
    pub fn filter(self, condition: &str) -> Self {
        let place = self.place("filter");
        let condition = self.mistakes.expression(|| place, condition);
        self.step(condition.map(|condition| Operator::Filter(Filter { condition })))
    }

    /// Sets one field of the data.
    pub fn set(self, field: &str, source: &str) -> Self {
        self.set_all([(field, source)])
    }

    /// Sets fields of the data in one step, in order.
    pub fn set_all<'t>(self, fields: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let place = self.place("set");
        let field = |(path, source): (&str, &str)| {
            let path = self.mistakes.path(|| place.clone(), path);
            let expression = self.mistakes.expression(|| place.clone(), source);
            Some((path?, expression?))
        };
        let fields = whole(fields.into_iter().map(field));
        self.step(fields.map(|fields| Operator::Set(Set { fields })))
    }

    /// Removes fields of the data.
    pub fn remove<'t>(self, fields: impl IntoIterator<Item = &'t str>) -> Self {
        let place = self.place("remove");
        let fields = whole(fields.into_iter().map(|path| self.mistakes.path(|| place.clone(), path)));
        self.step(fields.map(|fields| Operator::Remove(Remove { fields })))
    }

    /// Moves one field of the data.
    pub fn rename(self, from: &str, to: &str) -> Self {
        self.rename_all([(from, to)])
    }

    /// Moves fields of the data in one step, in order.
    pub fn rename_all<'t>(self, fields: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let place = self.place("rename");
        let field = |(from, to): (&str, &str)| {
            let from = self.mistakes.path(|| place.clone(), from);
            let to = self.mistakes.path(|| place.clone(), to);
            Some((from?, to?))
        };
        let fields = whole(fields.into_iter().map(field));
        self.step(fields.map(|fields| Operator::Rename(Rename { fields })))
    }

    /// Puts the state of one model into `data.snapshot.<model>`.
    pub fn snapshot(self, model: &str, key: &str) -> Self {
        self.snapshot_all([(model, key)])
    }

    /// Puts the states of models into `data.snapshot.<model>` in one step: pairs of model and key expression.
    pub fn snapshot_all<'t>(self, models: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let placed = models.into_iter().map(|(model, key)| (model, key, None));
        self.snapshot_entries(placed)
    }

    /// Puts the state of one model into a place of the data.
    pub fn snapshot_as(self, model: &str, key: &str, place: &str) -> Self {
        self.snapshot_entries([(model, key, Some(place))])
    }

    fn snapshot_entries<'t>(self, entries: impl IntoIterator<Item = (&'t str, &'t str, Option<&'t str>)>) -> Self {
        let at = self.place("snapshot");
        let entry = |(model, key, place): (&str, &str, Option<&str>)| {
            let key = self.mistakes.expression(|| at.clone(), key);
            let model = self.mistakes.named(|| at.clone(), ModelName::new(model));
            let place = match place {
                Some(place) => self.mistakes.path(|| at.clone(), place),
                None => model.as_ref().map(SnapshotModel::default_place),
            };
            Some(SnapshotModel { model: model?, key: key?, place: place? })
        };
        let models = whole(entries.into_iter().map(entry));
        self.step(models.map(|models| Operator::Snapshot(Snapshot { models })))
    }

    /// Runs a transformer.
    pub fn transform(self, name: &str, transformer: impl Transformer + 'static) -> Self {
        let transformer: Arc<dyn Transformer> = Arc::new(transformer);
        self.step(Some(Operator::Transform(Transform {
            transformer_name: name.to_owned(),
            transformer: Some(transformer),
        })))
    }

    /// Names the last step, which owns its state under that name; otherwise as [`Step::default_name`] has it.
    pub fn named(mut self, name: &str) -> Self {
        let name = self.mistakes.named(
            || format!("pipelines.{}.steps[{}]", self.name, self.declared.saturating_sub(1)),
            OperatorName::new(name),
        );
        if let (Some(name), Some(step)) = (name, self.steps.last_mut()) {
            step.name = name;
        }
        self
    }

    /// The output topic.
    pub fn to(mut self, topic: &str) -> Self {
        let place = || format!("pipelines.{}.to", self.name);
        self.to = self.mistakes.named(place, TopicName::new(topic)).or(self.to);
        self
    }

    /// What happens to an event that fails; dead letters otherwise.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// The place of the next step.
    fn place(&self, verb: &str) -> String {
        format!("pipelines.{}.steps[{}].{verb}", self.name, self.declared)
    }

    /// Adds a step, unless a mistake was made in it.
    fn step(mut self, operator: Option<Operator>) -> Self {
        if let Some(operator) = operator {
            let place = || format!("pipelines.{}.steps[{}]", self.name, self.declared);
            let name = self.mistakes.named(place, Step::default_name(&operator, &self.steps));
            self.steps.extend(name.map(|name| Step { name, operator }));
        }
        self.declared += 1;
        self
    }
}

/// All of them, or `None` when one has a mistake; every one is looked at.
fn whole<T>(entries: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let entries: Vec<Option<T>> = entries.collect();
    entries.into_iter().collect()
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
                    .rename("data.a", "data.b")
                    .to("departures")
                    .on_error(OnError::Stop)
            })
            .build()
            .unwrap();
        let pipeline = topology.pipelines.values().next().unwrap();
        let names: Vec<&str> = pipeline.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["filter-1", "set-1", "filter-2", "snapshot-1", "other-plane", "rename-1"]);
        assert_eq!(pipeline.on_error, OnError::Stop);
        assert_eq!(topology.task_count(pipeline), 4);
    }
}
