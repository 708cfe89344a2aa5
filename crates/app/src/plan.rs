//! From parts to the topology: names are resolved, implied topics created, and the graph as a whole is checked.
//!
//! A part with a mistake of its own is left out of the graph, and so is what refers to it, so that one mistake gives one
//! message.

use std::collections::{BTreeMap, BTreeSet};

use riverrun_event::{AppName, TopicName};
use riverrun_topology::{Model, Pipeline, Topology, TopologyError};

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::place;
use crate::read::{ModelPart, Parts, PipelinePart};
use crate::source::Span;
use crate::spelling;
use crate::yaml::Node;

/// Plans the graph; what is wrong with it goes to `diagnostics`.
pub(crate) fn plan(parts: &Parts, root: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Topology> {
    // Without a name the rest of the file is checked all the same.
    let name = parts.app.clone().or_else(|| AppName::new("unnamed").ok())?;
    let mut topology = Topology::new(name);
    declare_topics(parts, &mut topology);
    routes(parts, diagnostics);
    for model in &parts.models {
        plan_model(model, &mut topology, diagnostics);
    }
    let models: BTreeSet<&str> = parts.models.iter().map(|model| model.name.value.as_str()).collect();
    for pipeline in &parts.pipelines {
        plan_pipeline(pipeline, &models, &mut topology, diagnostics);
    }
    check(&topology, parts, root, diagnostics);
    topology.insert_repartitions();
    Some(topology)
}

fn declare_topics(parts: &Parts, topology: &mut Topology) {
    for part in &parts.topics {
        topology.topics.insert(part.name.value.clone(), part.topic.clone());
    }
    for to in parts.pipelines.iter().flat_map(|pipeline| pipeline.outputs()) {
        topology.topics.entry(to.value.clone()).or_insert_with(|| parts.defaults.topic(to.value.clone()));
    }
}

/// An event type is routed to one topic: the same pattern twice would leave it open which.
fn routes(parts: &Parts, diagnostics: &mut Vec<Diagnostic>) {
    let mut places: BTreeMap<&str, (Span, &TopicName)> = BTreeMap::new();
    for (topic, pattern) in
        parts.topics.iter().flat_map(|part| part.accept.iter().map(move |at| (&part.name.value, at)))
    {
        let Some((first, first_topic)) = places.insert(&pattern.value.0, (pattern.span, topic)) else { continue };
        let message =
            format!("events of type `{}` are accepted by both `{first_topic}` and `{topic}`", pattern.value.0);
        diagnostics.push(
            Diagnostic::error(codes::DUPLICATE, pattern.span, message)
                .note("the second one")
                .label(first, "the first one")
                .help("an event goes to one topic; a second pipeline can read the same topic"),
        );
    }
}

fn plan_model(part: &ModelPart, topology: &mut Topology, diagnostics: &mut Vec<Diagnostic>) {
    let Some(from) = &part.from else { return };
    if !topology.topics.contains_key(&from.value) {
        diagnostics.push(unknown_topic(&from.value, from.span, topology));
        return;
    }
    let mut model = Model::new(part.name.value.clone(), from.value.clone());
    (model.when, model.key, model.merge) = (part.when.clone(), part.key.clone(), part.merge.clone());
    (model.history, model.placement) = (part.history, part.placement);
    topology.models.insert(part.name.value.clone(), model);
}

fn plan_pipeline(
    part: &PipelinePart,
    models: &BTreeSet<&str>,
    topology: &mut Topology,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let unknown: Vec<_> = part.inputs().filter(|from| !topology.topics.contains_key(&from.value)).collect();
    diagnostics.extend(unknown.iter().map(|from| unknown_topic(&from.value, from.span, topology)));
    for model in part.expanded.models.iter().filter(|model| !models.contains(model.value.as_str())) {
        let help = match spelling::nearest(model.value.as_str(), models.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("declare it: `models: {{ {}: {{ from: <topic> }} }}`", model.value),
        };
        let message = format!("there is no model `{}`", model.value);
        diagnostics.push(Diagnostic::error(codes::REFERENCE, model.span, message).note("unknown").help(help));
    }
    let is_planned =
        unknown.is_empty() && part.expanded.models.iter().all(|model| topology.models.contains_key(&model.value));
    if part.is_whole && is_planned {
        let pipeline = Pipeline {
            name: part.name.value.clone(),
            from: part.from.iter().map(|from| from.value.clone()).collect(),
            steps: part.expanded.steps.clone(),
            to: part.to.as_ref().map(|to| to.sink.clone()),
            on_error: part.on_error.unwrap_or_default(),
            auto_repartition: part.auto_repartition,
        };
        topology.pipelines.insert(part.name.value.clone(), pipeline);
    }
}

fn unknown_topic(name: &TopicName, span: Span, topology: &Topology) -> Diagnostic {
    let help = match spelling::nearest(name.as_str(), topology.topics.keys().map(TopicName::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it: `topics: {{ {name}: }}`"),
    };
    Diagnostic::error(codes::REFERENCE, span, format!("there is no topic `{name}`")).note("unknown").help(help)
}

/// What only the graph as a whole can tell. A place that has a mistake already is not reported twice.
fn check(topology: &Topology, parts: &Parts, root: &Node, diagnostics: &mut Vec<Diagnostic>) {
    for error in topology.check() {
        // Whether a transformer is there is known only after the service registered its own.
        let TopologyError::Invalid { place, message } = error else { continue };
        let span = place::find(root, &in_file(parts, &place));
        let reported = diagnostics.iter().any(|known| span.contains(known.span) || known.span.contains(span));
        if !reported {
            diagnostics.push(Diagnostic::error(codes::TOPOLOGY, span, message).note("this one"));
        }
    }
}

/// A place of the graph as a place of the file: what stands in a fragment is there, wherever it is used.
fn in_file(parts: &Parts, place: &str) -> String {
    let places = parts.pipelines.iter().flat_map(|pipeline| &pipeline.expanded.places);
    let within = places.filter_map(|(graph, file)| {
        let rest = place.strip_prefix(graph.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('.'))?;
        Some((graph.len(), format!("{file}{rest}")))
    });
    within.max_by_key(|(length, _)| *length).map_or_else(|| place.to_owned(), |(_, file)| file)
}
