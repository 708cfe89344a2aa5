//! Doubts: what runs, but is likely not meant.

use std::collections::BTreeSet;

use riverrun_event::TopicName;

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::read::Parts;

pub(crate) fn lint(parts: &Parts) -> Vec<Diagnostic> {
    let mut doubts = unused_topics(parts);
    doubts.extend(unused_models(parts));
    doubts.extend(unused_fragments(parts));
    doubts.extend(open_address(parts));
    doubts
}

/// A file that only declares topics is a plain log and meant so; beside pipelines and models an unused topic is forgotten.
fn unused_topics(parts: &Parts) -> Vec<Diagnostic> {
    let pipelines = parts.pipelines.iter().flat_map(|pipeline| pipeline.inputs().chain(pipeline.outputs()));
    let models = parts.models.iter().filter_map(|model| model.from.as_ref());
    let used: BTreeSet<&TopicName> = pipelines.chain(models).map(|topic| &topic.value).collect();
    if used.is_empty() {
        return Vec::new();
    }
    let unused = parts.topics.iter().filter(|topic| topic.accept.is_empty() && !used.contains(&topic.name.value));
    unused
        .map(|topic| {
            let message = format!("no pipeline and no model uses the topic `{}`", topic.name.value);
            Diagnostic::warning(codes::UNUSED_TOPIC, topic.name.span, message)
                .note("unused")
                .help("name it in a `from:`, give it `accept:` if it is only collected, or remove it")
        })
        .collect()
}

fn unused_models(parts: &Parts) -> Vec<Diagnostic> {
    let used: BTreeSet<_> =
        parts.pipelines.iter().flat_map(|pipeline| &pipeline.expanded.models).map(|model| &model.value).collect();
    let unused = parts.models.iter().filter(|model| !used.contains(&model.name.value));
    unused
        .map(|model| {
            let message = format!("no snapshot takes the model `{}`", model.name.value);
            Diagnostic::warning(codes::UNUSED_MODEL, model.name.span, message).note("unused").help(format!(
                "add `- snapshot: {{ {}: {{ key: ... }} }}` to a pipeline, or remove it",
                model.name.value
            ))
        })
        .collect()
}

fn unused_fragments(parts: &Parts) -> Vec<Diagnostic> {
    let unused = parts.fragments.iter().filter(|fragment| !fragment.is_used.get());
    unused
        .map(|fragment| {
            let message = format!("no pipeline uses the fragment `{}`", fragment.name.value);
            Diagnostic::warning(codes::UNUSED_FRAGMENT, fragment.name.span, message)
                .note("unused")
                .help(format!("put `- use: {}` among the steps of a pipeline, or remove it", fragment.name.value))
        })
        .collect()
}

fn open_address(parts: &Parts) -> Option<Diagnostic> {
    let listen = parts.listen.as_ref().filter(|listen| !listen.value.ip().is_loopback() && parts.tokens.is_empty())?;
    let diagnostic =
        Diagnostic::warning(codes::OPEN_ADDRESS, listen.span, "others can reach this address, and there are no tokens")
            .note("not loopback")
            .help("add `access: { tokens: [...] }`; without one the app starts only with --insecure");
    Some(diagnostic)
}
