//! A topology for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::operators::parts;
use crate::library::{Model, OnError, Pipeline, Topic, Topology};
use crate::terminal::{Ink, Palette};

/// The whole topology.
pub(super) fn write(topology: &Topology, palette: Palette) -> String {
    let mut text = format!("{}\n", palette.paint(Ink::Strong, &topology.app));
    let width = topology
        .topics
        .keys()
        .map(|name| name.as_str().len())
        .chain(topology.models.keys().map(|name| name.as_str().len()))
        .max()
        .unwrap_or(0);
    heading(&mut text, "topics", palette);
    for topic in topology.topics.values() {
        line(&mut text, topic.name.as_str(), width, &topic_facts(topic), palette);
    }
    if !topology.models.is_empty() {
        heading(&mut text, "models", palette);
    }
    for model in topology.models.values() {
        line(&mut text, model.name.as_str(), width, &model_facts(model), palette);
    }
    if !topology.pipelines.is_empty() {
        heading(&mut text, "pipelines", palette);
    }
    for pipeline in topology.pipelines.values() {
        let tasks = topology.task_count(pipeline);
        write_pipeline(&mut text, pipeline, tasks, palette);
    }
    text
}

fn heading(text: &mut String, name: &str, palette: Palette) {
    let _ = writeln!(text, "\n{}", palette.paint(Ink::Faint, name));
}

fn line(text: &mut String, name: &str, width: usize, facts: &[String], palette: Palette) {
    let padding = " ".repeat(width.saturating_sub(name.len()));
    let _ = writeln!(text, "  {}{padding}  {}", palette.paint(Ink::Name, name), facts.join(", "));
}

fn topic_facts(topic: &Topic) -> Vec<String> {
    let mut facts = vec![format!("{} partition{}", topic.partitions, if topic.partitions == 1 { "" } else { "s" })];
    let expressions = [("key", &topic.key), ("id", &topic.id), ("time", &topic.time)];
    facts.extend(expressions.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?.source()))));
    if !topic.accept.is_empty() {
        let types: Vec<&str> = topic.accept.iter().map(|pattern| pattern.0.as_str()).collect();
        facts.push(format!("accepts {}", types.join(" ")));
    }
    facts.extend(topic.retention_age.map(|age| format!("kept for {}", span(age))));
    facts.extend(topic.retention_bytes.map(|bytes| format!("kept up to {bytes} bytes per partition")));
    facts
}

fn model_facts(model: &Model) -> Vec<String> {
    let mut facts = vec![format!("from {}", model.from)];
    let expressions = [("when", &model.when), ("key", &model.key), ("merge", &model.merge)];
    facts.extend(expressions.iter().filter_map(|(name, value)| Some(format!("{name} {}", value.as_ref()?.source()))));
    facts.extend(model.history.map(|history| format!("history {}", span(history))));
    facts
}

fn write_pipeline(text: &mut String, pipeline: &Pipeline, tasks: u32, palette: Palette) {
    let from: Vec<&str> = pipeline.from.iter().map(AsRef::as_ref).collect();
    let _ = writeln!(
        text,
        "  {}  {} -> {}, {tasks} task{}, on error: {}",
        palette.paint(Ink::Name, &pipeline.name),
        from.join(" + "),
        pipeline.to,
        if tasks == 1 { "" } else { "s" },
        on_error_word(pipeline.on_error),
    );
    for (index, step) in pipeline.steps.iter().enumerate() {
        let verb = format!("{:<9}", step.operator.verb());
        let mut head = format!("    {:>2}  {}", index + 1, palette.paint(Ink::Notice, verb));
        for part in parts(&step.operator) {
            let _ = writeln!(text, "{head} {part}");
            head = " ".repeat(4 + 2 + 2 + 9);
        }
    }
}

/// The word of the app file.
pub(super) fn on_error_word(on_error: OnError) -> &'static str {
    match on_error {
        OnError::DeadLetter => "dead_letter",
        OnError::Skip => "skip",
        OnError::Stop => "stop",
    }
}

/// A duration as an app file writes it, in the largest unit that divides it.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(size, _)| seconds > 0 && seconds.is_multiple_of(*size));
    match unit {
        Some((size, name)) => format!("{}{name}", seconds / size),
        None if duration.subsec_millis() > 0 => format!("{}ms", duration.as_millis()),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_the_app_file() {
        for (seconds, expected) in [(400 * 86_400, "400d"), (5_400, "90m"), (7_200, "2h"), (59, "59s"), (0, "0s")] {
            assert_eq!(span(Duration::from_secs(seconds)), expected);
        }
        assert_eq!(span(Duration::from_millis(1_500)), "1500ms");
    }
}
