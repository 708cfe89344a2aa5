//! YAML as JSON text. Plain values are read as JSON reads them: numbers (kept as they are written), `true`, `false` and null;
//! everything else is text, and what is in quotes always is.

use granit_parser::ScalarStyle;

use crate::yaml::{Node, Scalar, Value};

/// The JSON text of a value; `None` when a part of it was already reported as broken.
pub(super) fn text(node: &Node) -> Option<String> {
    let mut json = String::new();
    write(node, &mut json).then_some(json)
}

fn write(node: &Node, json: &mut String) -> bool {
    match &node.value {
        Value::Null => json.push_str("null"),
        Value::Scalar(scalar) => scalar_text(scalar, json),
        Value::List(items) => {
            json.push('[');
            for (index, item) in items.iter().enumerate() {
                json.push_str(if index == 0 { "" } else { "," });
                if !write(item, json) {
                    return false;
                }
            }
            json.push(']');
        }
        Value::Mapping(entries) => {
            json.push('{');
            for (index, entry) in entries.iter().enumerate() {
                json.push_str(if index == 0 { "" } else { "," });
                json.push_str(&quoted(&entry.name));
                json.push(':');
                if !write(&entry.node, json) {
                    return false;
                }
            }
            json.push('}');
        }
        Value::Broken => return false,
    }
    true
}

fn scalar_text(scalar: &Scalar, json: &mut String) {
    let literal = matches!(scalar.text.as_str(), "true" | "false") || is_number(&scalar.text);
    if scalar.style == ScalarStyle::Plain && literal {
        json.push_str(&scalar.text);
    } else {
        json.push_str(&quoted(&scalar.text));
    }
}

/// Whether a text is a number as JSON writes it, and one that can be computed with.
fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
