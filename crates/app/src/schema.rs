//! The JSON Schema of the app file, made from the table of fields that the reader uses. Editors complete, explain and check
//! with it while one types; it sees what stands in the file, not what names refer to.
//!
//! Draft 7, which the YAML support of editors knows best. Whatever the reader accepts fits the schema, but for texts that
//! YAML takes for something else and that nobody means.

use serde_json::{Map, Value, json};

use crate::fields::{APP, Field, REQUIRED, SECTIONS, Section, VERB};
use crate::source::Source;
use crate::takes::Takes;
use crate::yaml;

/// What the schema's file is called beside an app file that `init` wrote.
pub const SCHEMA_FILE: &str = "riverrun.schema.json";

/// What names look like; the reader says the same through the types of the `event` crate.
const NAME: &str = "^[a-z0-9-][a-z0-9._-]{0,199}$";
/// Where `${...}` fills in the value, only the reader knows it.
const FILLED_IN: &str = r"\$\{";

/// The schema as text, indented.
#[must_use]
pub fn schema() -> String {
    let mut root = section(&APP);
    let below = SECTIONS.iter().filter(|section| section.path != APP.path);
    let definitions: Map<String, Value> = below.map(|below| (identifier(below), section(below).into())).collect();
    root.insert("definitions".to_owned(), definitions.into());
    let mut opened = Map::new();
    opened.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
    opened.insert("title".to_owned(), "Riverrun app file".into());
    opened.append(&mut root);
    format!("{:#}\n", Value::Object(opened))
}

fn section(section: &Section) -> Map<String, Value> {
    let names = |default: &str| -> Vec<&str> {
        section.fields.iter().filter(|field| field.default == default).map(|field| field.name).collect()
    };
    let (required, verbs) = (names(REQUIRED), names(VERB));
    // Nothing behind a name means its defaults, where there are some for everything.
    let kinds = if required.is_empty() && verbs.is_empty() { json!(["object", "null"]) } else { json!("object") };
    let properties: Map<String, Value> =
        section.fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let mut made = object(json!({
        "description": section.meaning,
        "type": kinds,
        "additionalProperties": false,
        "properties": properties,
    }));
    if !required.is_empty() {
        made.insert("required".to_owned(), required.into());
    }
    if !verbs.is_empty() {
        made.insert("oneOf".to_owned(), verbs.iter().map(|verb| json!({ "required": [verb] })).collect());
    }
    made
}

fn property(field: &Field) -> Value {
    let without = match field.default {
        VERB => String::new(),
        REQUIRED => "\n\nRequired.".to_owned(),
        default => format!("\n\nWithout it: {default}."),
    };
    let mut made = object(value(&field.takes));
    made.insert("description".to_owned(), format!("{}{without}", field.meaning).into());
    let example = format!("{}{without}\n\n```yaml\n{}\n```", field.meaning, field.example);
    made.insert("markdownDescription".to_owned(), example.into());
    if let Some(default) = default_value(field) {
        made.insert("default".to_owned(), default);
    }
    if let Some(example) = written_value(field.example, field.name) {
        made.insert("examples".to_owned(), vec![example].into());
    }
    made.into()
}

fn value(takes: &Takes) -> Value {
    // What is a text to the reader may be a number or a truth value to an editor.
    let scalar = json!(["string", "number", "boolean"]);
    match takes {
        Takes::Name(_) => json!({ "type": ["string", "integer"], "pattern": NAME }),
        Takes::Text(_) | Takes::Expression => json!({ "type": scalar }),
        Takes::Field => json!({ "type": "string", "pattern": r"^data(\.[^.\s]+)+$" }),
        Takes::Duration(_) => json!({ "type": "string", "pattern": or_filled_in(r"^\s*[0-9]+\s*(ms|s|m|h|d)\s*$") }),
        Takes::Size => json!({
            "type": ["integer", "string"], "minimum": 0,
            "pattern": or_filled_in(r"^\s*[0-9]+\s*(B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)?\s*$"),
        }),
        Takes::Number(least, most) => json!({
            "type": ["integer", "string"], "minimum": least, "maximum": most,
            "pattern": or_filled_in(r"^\s*[0-9]+\s*$"),
        }),
        Takes::Choice(words) => json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": FILLED_IN }] }),
        Takes::OneOrMany(one) => json!({ "anyOf": [value(one), { "type": "array", "items": value(one) }] }),
        Takes::List(_, of) => json!({ "type": ["array", "null"], "items": reference(of) }),
        Takes::Mapping(of) => reference(of),
        Takes::Named(_, _, of) => json!({
            "type": ["object", "null"], "propertyNames": { "pattern": NAME }, "additionalProperties": reference(of),
        }),
        Takes::Pairs(key, to) => json!({
            "type": "object", "minProperties": 1, "propertyNames": value(key), "additionalProperties": value(to),
        }),
        Takes::Either(one, other) => json!({ "anyOf": [value(one), value(other)] }),
    }
}

fn or_filled_in(pattern: &str) -> String {
    format!("{pattern}|{FILLED_IN}")
}

fn reference(section: &Section) -> Value {
    json!({ "$ref": format!("#/definitions/{}", identifier(section)) })
}

/// A section's path as a word: `pipelines.<name>.steps[]` is `pipelines-name-steps`.
fn identifier(section: &Section) -> String {
    let words: Vec<&str> =
        section.path.split(|c: char| !c.is_ascii_lowercase()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// The default as a value, where the reference gives one and not a description.
fn default_value(field: &Field) -> Option<Value> {
    let (literal, rest) = field.default.strip_prefix('`')?.split_once('`')?;
    let is_literal = matches!(rest, "" | ", or `defaults`") && !literal.contains('<');
    is_literal.then(|| written_value(&format!("{}: {literal}", field.name), field.name)).flatten()
}

/// The value that a line of YAML gives to a field.
fn written_value(line: &str, name: &str) -> Option<Value> {
    let (root, _) = yaml::parse(&Source::new("example", line));
    root?.entries().iter().find(|entry| entry.name == name).map(|entry| json(&entry.node))
}

/// A node as an editor sees it: a plain text that looks like a number is one.
pub(crate) fn json(node: &yaml::Node) -> Value {
    match &node.value {
        yaml::Value::Null | yaml::Value::Broken => Value::Null,
        yaml::Value::Scalar(scalar) => plain(scalar),
        yaml::Value::List(items) => items.iter().map(json).collect(),
        yaml::Value::Mapping(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.name.clone(), json(&entry.node))).collect())
        }
    }
}

fn plain(scalar: &yaml::Scalar) -> Value {
    let number = || serde_json::from_str(&scalar.text).ok().filter(Value::is_number);
    match scalar.text.as_str() {
        _ if !scalar.is_plain() => scalar.text.clone().into(),
        "true" => true.into(),
        "false" => false.into(),
        text => number().unwrap_or_else(|| text.into()),
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
