//! The text of a first app file.

use riverrun_event::AppName;

use super::propose::{Proposal, TopicProposal};
use super::sample::{entity_of, topic_of_entity};
use crate::schema::SCHEMA_FILE;

/// Where comments behind a value begin; values that are longer push theirs to the right.
const COMMENT_COLUMN: usize = 37;

pub(super) fn hello(app: &AppName) -> String {
    let mut text = opening(app);
    text.push_str("topics:\n");
    line(&mut text, "  greetings: { key: data.name }", "same key, same partition, same order");
    text.push_str("\npipelines:\n  polite:\n    from: greetings\n    steps:\n");
    line(&mut text, "      - filter: data.name != null", "what is not true is dropped");
    text.push_str("      - set:\n          data.text: '\"Hello, \" + data.name + \"!\"'\n");
    line(&mut text, "    to: polite-greetings", "created with the defaults");
    line(&mut text, "    on_error: dead_letter", "or skip, or stop");
    text.push_str(&model_example("person", "people", "name"));
    text.push_str(
        "
# Try it:
#   riverrun run
# and in a second terminal:
#   curl -i localhost:8080/topics/greetings/events -H 'Content-Type: application/json' -d '{\"name\": \"Ada\"}'
#   riverrun tail polite-greetings
",
    );
    text.push_str(TESTS);
    text
}

pub(super) fn fitted(app: &AppName, file: &str, proposal: &Proposal) -> String {
    let mut text = opening(app);
    text.push_str("# Keys, ids and times are guessed from the sample: look them over.\ntopics:\n");
    for topic in &proposal.topics {
        write_topic(&mut text, topic);
    }
    let from = proposal.topics.first().map_or("events", |topic| &topic.topic);
    text.push_str(&format!("\npipelines:\n  enrich-{from}:\n    from: {from}\n    steps:\n"));
    if let Some(filter) = &proposal.filter {
        let reason = match filter.lacking {
            0 => "drops events that have none".to_owned(),
            lacking => format!("drops events that have none, {lacking} in the sample"),
        };
        line(&mut text, &format!("      - filter: data.{} != null", filter.field), &reason);
    }
    text.push_str("      - set:\n");
    let set = &proposal.set;
    line(&mut text, &format!("          data.{}: {}", set.field, set.expression), set.reason);
    line(&mut text, &format!("    to: {from}-enriched"), "created with the defaults");
    line(&mut text, "    on_error: dead_letter", "or skip, or stop");
    let key = proposal.topics.first().and_then(|topic| topic.key.as_deref());
    text.push_str(&match key.and_then(|key| Some((key, entity_of(key)?))) {
        Some((key, entity)) => model_example(&entity, &topic_of_entity(&entity), key),
        None => model_example("customer", "customers", "customer_id"),
    });
    text.push_str(&format!(
        "
# Try it:
#   riverrun run
# and in a second terminal:
#   riverrun publish {from} {file}
#   riverrun tail {from}-enriched
",
        file = shell_word(file),
    ));
    if proposal.topics.len() > 1 {
        text.push_str(
            "# `publish` sends every line to the topic it names; POST /events finds each event's topic by `accept`.\n",
        );
    }
    text.push_str(TESTS);
    text
}

const TESTS: &str = "# Its own tests are `*.test.yaml` files beside this one: `riverrun test` runs them, docs/testing.md shows how they look.\n";

fn opening(app: &AppName) -> String {
    let mut text = format!(
        "\
# yaml-language-server: $schema={SCHEMA_FILE}
# What is kept, what happens to it, and where it runs. `riverrun check` reports every mistake in this file at once;
# docs/app-file.md has all fields, and editors with YAML support offer them through the line above.
"
    );
    text.push_str(&format!("app: {}\n", scalar(app.as_str())));
    line(&mut text, "data_dir: ./data", "the embedded log and all state");
    text.push_str("listen: 127.0.0.1:8080\n\n");
    text
}

fn write_topic(text: &mut String, topic: &TopicProposal) {
    let mut lines = Vec::new();
    let named = [
        ("key", &topic.key, "same key, same partition, same order"),
        ("id", &topic.id, "sent again with the same id, an event is stored once"),
        ("time", &topic.time, "the event's own time; else the time of acceptance"),
    ];
    for (name, field, comment) in named {
        lines.extend(field.as_ref().map(|field| (format!("    {name}: data.{field}"), comment)));
    }
    if !topic.accept.is_empty() {
        let patterns: Vec<String> = topic.accept.iter().map(|pattern| scalar(pattern)).collect();
        lines.push((format!("    accept: [{}]", patterns.join(", ")), "types that POST /events brings here"));
    }
    // Without any field the topic still needs a value: nothing behind the name means the defaults.
    text.push_str(&format!("  {}:\n", topic.topic));
    for (value, comment) in lines {
        line(text, &value, comment);
    }
}

/// How the first model would look, as a comment: what a sample of one kind of events cannot show.
fn model_example(entity: &str, topic: &str, key: &str) -> String {
    format!(
        "
# A model keeps what is known about an entity, with its history. A `snapshot` step puts what was known at an event's own time
# into the event:
#   topics:     {topic}: {{ key: data.{key} }}
#   models:     {entity}: {{ from: {topic} }}
#   a step:     - snapshot: {{ {entity}: {{ key: data.{key} }} }}
"
    )
}

fn line(text: &mut String, value: &str, comment: &str) {
    text.push_str(&format!("{value:<width$}  # {comment}\n", width = COMMENT_COLUMN - 2));
}

/// A YAML text: plain where that means the same, else in double quotes as JSON writes it. `$${` keeps `${` from being filled in.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*'))
        && !matches!(text, "null" | "true" | "false");
    if plain { text.to_owned() } else { serde_json::Value::from(text.replace("${", "$${")).to_string() }
}

/// A file's name as a word of a shell's command; one that no comment can hold gives way to a made-up one.
fn shell_word(file: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | ',');
    match file {
        "" | "-" => "sample.ndjson".to_owned(),
        _ if file.contains(char::is_control) || file.contains(['\u{2028}', '\u{2029}']) => "sample.ndjson".to_owned(),
        _ if file.chars().all(is_plain) && !file.starts_with('-') => file.to_owned(),
        _ => format!("'{}'", file.replace('\'', "'\\''")),
    }
}
