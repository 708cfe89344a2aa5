//! The text of a first app file.

use std::fmt::Write;

use riverrun_event::AppName;

use super::propose::{Proposal, TopicProposal};

pub(super) fn hello(app: &AppName) -> String {
    format!(
        "{}{}",
        opening(app),
        "\
topics:
  greetings: { key: data.name }      # same key, same partition, same order

pipelines:
  polite:
    from: greetings
    steps:
      - filter: data.name != null    # what is not true is dropped
      - set:
          data.text: '\"Hello, \" + data.name + \"!\"'
    to: polite-greetings             # created with the defaults
    on_error: dead_letter            # or skip, or stop

# Try it:
#   riverrun run
#   curl -i localhost:8080/topics/greetings/events -H 'Content-Type: application/json' -d '{\"name\": \"Ada\"}'
#   riverrun tail polite-greetings --from beginning
"
    )
}

pub(super) fn fitted(app: &AppName, proposal: &Proposal) -> String {
    let mut text = opening(app);
    text.push_str("topics:\n");
    for topic in &proposal.topics {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {}: {}", topic.topic, topic_line(topic));
    }
    text.push_str(
        "
# A model keeps the state of an entity from a topic, so that a `snapshot` step can put the state at an event's own time
# into the event:
# models:
#   customer: { from: customers, history: 400d }

pipelines:
",
    );
    let from = proposal.topics.first().map_or("events", |topic| &topic.topic);
    let (field, expression) = &proposal.set;
    let _ = write!(
        text,
        "  enrich-{from}:
    from: {from}
    steps:
      - filter: {filter}
      - set:
          {field}: {expression}
    to: {from}-enriched
    on_error: dead_letter            # or skip, or stop

# Try it:
#   riverrun run
#   riverrun publish {from} sample.ndjson
#   riverrun tail {from}-enriched --from beginning
",
        filter = proposal.filter,
    );
    text
}

fn opening(app: &AppName) -> String {
    format!(
        "\
# An app file: what is kept, what happens to it, and where it runs. `riverrun check` reads it and reports every mistake at
# once; docs/app-file.md has all fields.
app: {}
log: local                           # the embedded log; it needs no server
data_dir: ./data
listen: 127.0.0.1:8080

",
        scalar(app.as_str())
    )
}

fn topic_line(topic: &TopicProposal) -> String {
    let mut fields = Vec::new();
    let named = [("key", &topic.key), ("id", &topic.id), ("time", &topic.time)];
    fields.extend(named.into_iter().filter_map(|(name, field)| Some(format!("{name}: data.{}", field.as_ref()?))));
    if !topic.accept.is_empty() {
        let patterns: Vec<String> = topic.accept.iter().map(|pattern| scalar(pattern)).collect();
        fields.push(format!("accept: [{}]", patterns.join(", ")));
    }
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// A YAML text: plain where that means the same, else in double quotes as JSON writes it. `$${` keeps `${` from being filled in.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*'))
        && !matches!(text, "null" | "true" | "false");
    if plain { text.to_owned() } else { serde_json::Value::from(text.replace("${", "$${")).to_string() }
}
