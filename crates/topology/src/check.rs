//! What must hold for any topology, however it was declared. Each finding names its place as a path of the app file.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::TopicName;
use riverrun_event::limits::PARTITIONS_MAX;

use crate::model::Model;
use crate::operators::Operator;
use crate::pipeline::Pipeline;
use crate::topic::Topic;
use crate::topology::{Topology, TopologyError};

pub(crate) fn check(topology: &Topology) -> Vec<TopologyError> {
    let mut findings = Findings { topology, errors: Vec::new() };
    topology.topics.values().for_each(|topic| findings.topic(topic));
    findings.accepted_types();
    topology.models.values().for_each(|model| findings.model(model));
    topology.pipelines.values().for_each(|pipeline| findings.pipeline(pipeline));
    findings.errors
}

struct Findings<'t> {
    topology: &'t Topology,
    errors: Vec<TopologyError>,
}

impl Findings<'_> {
    fn refuse(&mut self, place: String, message: impl Into<String>) {
        self.errors.push(TopologyError::Invalid { place, message: message.into() });
    }

    fn topic(&mut self, topic: &Topic) {
        let place = format!("topics.{}", topic.name);
        if topic.name.is_internal() {
            self.refuse(place.clone(), "names that start with '_' are Riverrun's own; choose another");
        }
        if topic.partitions == 0 || topic.partitions > PARTITIONS_MAX {
            let message =
                format!("{} partitions are not possible; a topic has 1 to {PARTITIONS_MAX}", topic.partitions);
            self.refuse(format!("{place}.partitions"), message);
        }
        for pattern in &topic.accept {
            let exact = pattern.0.strip_suffix('*').unwrap_or(&pattern.0);
            if exact.contains('*') {
                let message = format!("{:?}: a '*' can only stand at the end, for example device.*", pattern.0);
                self.refuse(format!("{place}.accept"), message);
            }
        }
    }

    /// An event of a type must have one place to go.
    fn accepted_types(&mut self) {
        let mut known: BTreeMap<&str, &TopicName> = BTreeMap::new();
        for topic in self.topology.topics.values() {
            for pattern in &topic.accept {
                if let Some(other) = known.insert(&pattern.0, &topic.name)
                    && *other != topic.name
                {
                    let message = format!("{:?} is already accepted by the topic {other}", pattern.0);
                    self.refuse(format!("topics.{}.accept", topic.name), message);
                }
            }
        }
    }

    /// Refuses a topic that is not declared or not for users; gives it otherwise.
    fn known_topic(&mut self, place: &str, name: &TopicName) -> Option<&Topic> {
        if name.is_internal() {
            self.refuse(place.to_owned(), format!("{name} is one of Riverrun's own topics and cannot be used here"));
            return None;
        }
        let topic = self.topology.topics.get(name);
        if topic.is_none() {
            let message = format!("there is no topic {name}; declared are {}", listed(self.topology.topics.keys()));
            self.refuse(place.to_owned(), message);
        }
        topic
    }

    fn model(&mut self, model: &Model) {
        let place = format!("models.{}", model.name);
        let Some(topic) = self.known_topic(&format!("{place}.from"), &model.from).cloned() else { return };
        if topic.compact.is_some() {
            self.compacted(model, &topic);
        }
        // Merging needs the events of an entity in one order, which only one partition gives.
        if let (Some(_), Some(key)) = (&model.merge, &model.key)
            && topic.key.as_ref() != Some(key)
        {
            let topic_key = topic.key.as_ref().map_or("that of the sender", |key| key.source());
            let message = format!(
                "a model with `merge` needs the key of its topic ({topic_key}), so that the events of an entity have one order; \
                 leave `key` out, or key the topic {} by {}",
                model.from,
                key.source()
            );
            self.refuse(format!("{place}.key"), message);
        }
    }

    /// A compacted topic keeps the newest record of a key, so a model made from it anew must need no more than that.
    fn compacted(&mut self, model: &Model, topic: &Topic) {
        let own_key = model.key.as_ref().is_some_and(|key| topic.key.as_ref() != Some(key));
        let reasons = [
            (model.history.is_none(), "from", "its history is for ever; give it a `history`"),
            (model.merge.is_some(), "merge", "it merges what many events say"),
            (model.when.is_some(), "when", "the newest event of a key may be one that its `when` leaves out"),
            (own_key, "key", "it has another key than the topic"),
        ];
        for (field, reason) in reasons.into_iter().filter_map(|(holds, field, reason)| holds.then_some((field, reason)))
        {
            let message = format!(
                "the topic {} is compacted and keeps only the newest event of each key, which is not enough for this model: \
                 {reason}; or take `compact` from the topic",
                topic.name
            );
            self.refuse(format!("models.{}.{field}", model.name), message);
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        let place = format!("pipelines.{}", pipeline.name);
        if pipeline.from.is_empty() {
            self.refuse(format!("{place}.from"), "a pipeline needs at least one input topic");
        }
        let mut inputs = BTreeSet::new();
        for input in &pipeline.from {
            if !inputs.insert(input) {
                self.refuse(format!("{place}.from"), format!("{input} is named twice"));
            } else {
                self.known_topic(&format!("{place}.from"), input);
            }
        }
        let to_place = format!("{place}.to");
        if pipeline.from.contains(&pipeline.to) {
            let message = format!("{} is also an input; the pipeline would feed itself without end", pipeline.to);
            self.refuse(to_place, message);
        } else {
            self.known_topic(&to_place, &pipeline.to);
        }
        self.steps(pipeline);
    }

    fn steps(&mut self, pipeline: &Pipeline) {
        let mut names = BTreeSet::new();
        for (index, step) in pipeline.steps.iter().enumerate() {
            let place = format!("pipelines.{}.steps[{index}]", pipeline.name);
            if !names.insert(&step.name) {
                let message =
                    format!("another step is named {} already; give one of them a `name` of its own", step.name);
                self.refuse(place.clone(), message);
            }
            match &step.operator {
                Operator::Snapshot(snapshot) => {
                    for entry in &snapshot.models {
                        if !self.topology.models.contains_key(&entry.model) {
                            let known = listed(self.topology.models.keys());
                            let message = format!("there is no model {}; declared are {known}", entry.model);
                            self.refuse(format!("{place}.snapshot"), message);
                        }
                    }
                }
                Operator::Transform(transform) if transform.transformer.is_none() => {
                    self.errors.push(TopologyError::UnknownTransformer {
                        pipeline: pipeline.name.clone(),
                        transformer: transform.transformer_name.clone(),
                    });
                }
                _ => {}
            }
        }
    }
}

fn listed(names: impl ExactSizeIterator<Item = impl ToString>) -> String {
    if names.len() == 0 {
        return "none".to_owned();
    }
    names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{ModelBuilder, PipelineBuilder, TopicBuilder};
    use crate::operators::transform::Transform;
    use crate::topic::TypePattern;
    use crate::{Expression, Step};

    /// A topology in order, changed so that it is not.
    #[track_caller]
    fn check_refused(change: impl FnOnce(&mut Topology), expected: &[&str]) {
        let mut topology = Topology::builder("flights")
            .topic("flights", |topic: TopicBuilder<'_>| topic.key("data.tailnum"))
            .topic("planes", |topic| topic.key("data.tailnum"))
            .model("plane", "planes", |model: ModelBuilder<'_>| model)
            .pipeline("departures", |pipeline: PipelineBuilder<'_>| {
                pipeline
                    .from("flights")
                    .filter("true")
                    .filter("true")
                    .snapshot("plane", "data.tailnum")
                    .to("departures")
            })
            .build()
            .unwrap();
        assert_eq!(topology.check(), []);
        change(&mut topology);
        let found: Vec<String> = topology.check().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    fn topic(name: &str) -> TopicName {
        TopicName::internal(name).unwrap()
    }

    fn pipeline(topology: &mut Topology) -> &mut Pipeline {
        topology.pipelines.values_mut().next().unwrap()
    }

    #[test]
    fn topics_and_models_must_be_declared() {
        check_refused(
            |topology| {
                pipeline(topology).from = vec![topic("flight"), topic("flights"), topic("flights"), topic("_x")];
                topology.models.clear();
            },
            &[
                "pipelines.departures.from: there is no topic flight; declared are departures, flights, planes",
                "pipelines.departures.from: flights is named twice",
                "pipelines.departures.from: _x is one of Riverrun's own topics and cannot be used here",
                "pipelines.departures.steps[2].snapshot: there is no model plane; declared are none",
            ],
        );
        check_refused(
            |topology| topology.models.values_mut().next().unwrap().from = topic("plane"),
            &["models.plane.from: there is no topic plane; declared are departures, flights, planes"],
        );
        check_refused(
            |topology| pipeline(topology).to = topic("flights"),
            &["pipelines.departures.to: flights is also an input; the pipeline would feed itself without end"],
        );
        check_refused(
            |topology| pipeline(topology).from.clear(),
            &["pipelines.departures.from: a pipeline needs at least one input topic"],
        );
    }

    #[test]
    fn steps_have_names_of_their_own_and_transformers() {
        check_refused(
            |topology| {
                let steps = &mut pipeline(topology).steps;
                steps[1].name = steps[0].name.clone();
                let operator = Operator::Transform(Transform { transformer_name: "risk".into(), transformer: None });
                steps.push(Step { name: Step::default_name(&operator, steps).unwrap(), operator });
            },
            &[
                "pipelines.departures.steps[1]: another step is named filter-1 already; give one of them a `name` of its own",
                "pipeline departures uses the transformer \"risk\", which is not compiled in",
            ],
        );
    }

    #[test]
    fn merging_models_keep_the_key_of_their_topic() {
        let expression = |source| Some(Expression::parse(source).unwrap());
        check_refused(
            |topology| {
                let model = topology.models.values_mut().next().unwrap();
                model.merge = expression("data");
                model.key = expression("data.tailnum");
            },
            &[],
        );
        check_refused(
            |topology| {
                let model = topology.models.values_mut().next().unwrap();
                model.merge = expression("data");
                model.key = expression("data.maker");
            },
            &[
                "models.plane.key: a model with `merge` needs the key of its topic (data.tailnum), so that the events of an \
               entity have one order; leave `key` out, or key the topic planes by data.maker",
            ],
        );
    }

    #[test]
    fn topics_have_partitions_and_types_of_their_own() {
        check_refused(
            |topology| {
                let mut topics = topology.topics.values_mut();
                let first = topics.next().unwrap();
                first.partitions = 0;
                first.accept = vec![TypePattern("a.*.b".into()), TypePattern("device.*".into())];
                let second = topics.next().unwrap();
                second.partitions = 1_025;
                second.accept = vec![TypePattern("device.*".into())];
                topology.topics.insert(topic("_own"), Topic::new(topic("_own")));
            },
            &[
                "topics._own: names that start with '_' are Riverrun's own; choose another",
                "topics.departures.partitions: 0 partitions are not possible; a topic has 1 to 1024",
                "topics.departures.accept: \"a.*.b\": a '*' can only stand at the end, for example device.*",
                "topics.flights.partitions: 1025 partitions are not possible; a topic has 1 to 1024",
                "topics.flights.accept: \"device.*\" is already accepted by the topic departures",
            ],
        );
    }
}
