//! Where two JSON values differ: every place with what was expected and what is there.

use serde_json::Value;

/// One place where what came out is not what was expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: `data.total`, `data.items[2].price`, `key`.
    pub path: String,
    /// What was expected; `None`: that nothing is there.
    pub expected: Option<Value>,
    /// What is there; `None`: nothing.
    pub actual: Option<Value>,
}

/// Whether fields that are not expected may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// No.
    Whole,
    /// Yes, in objects at any depth; lists are as long as expected.
    Part,
}

/// Adds the differences of two values at `path`.
pub(super) fn differences(path: &str, expected: &Value, actual: &Value, extent: Extent, found: &mut Vec<Difference>) {
    match (expected, actual) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (name, value) in wanted {
                let place = member(path, name);
                match there.get(name) {
                    Some(other) => differences(&place, value, other, extent, found),
                    None => found.push(Difference { path: place, expected: Some(value.clone()), actual: None }),
                }
            }
            for (name, value) in there.iter().filter(|(name, _)| extent == Extent::Whole && !wanted.contains_key(*name))
            {
                found.push(Difference { path: member(path, name), expected: None, actual: Some(value.clone()) });
            }
        }
        (Value::Array(wanted), Value::Array(there)) => {
            for index in 0..wanted.len().max(there.len()) {
                let place = format!("{path}[{index}]");
                match (wanted.get(index), there.get(index)) {
                    (Some(value), Some(other)) => differences(&place, value, other, extent, found),
                    (value, other) => {
                        found.push(Difference { path: place, expected: value.cloned(), actual: other.cloned() });
                    }
                }
            }
        }
        _ if is_same(expected, actual) => {}
        _ => found.push(Difference {
            path: path.to_owned(),
            expected: Some(expected.clone()),
            actual: Some(actual.clone()),
        }),
    }
}

/// Numbers are the same when they have the same value: 1 is 1.0.
fn is_same(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64() && !both_whole(one, other)
        }
        _ => expected == actual,
    }
}

/// Large whole numbers can be different and the same as doubles.
fn both_whole(one: &serde_json::Number, other: &serde_json::Number) -> bool {
    !one.is_f64() && !other.is_f64()
}

fn member(path: &str, name: &str) -> String {
    let simple = !name.is_empty() && name.chars().all(|character| character.is_alphanumeric() || character == '_');
    if simple { format!("{path}.{name}") } else { format!("{path}[{}]", Value::from(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, actual: &str, extent: Extent, paths: &[&str]) {
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let mut found = Vec::new();
        differences("data", &value(expected), &value(actual), extent, &mut found);
        let found: Vec<&str> = found.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(found, paths, "{expected} and {actual}");
    }

    #[test]
    fn every_difference_has_its_place() {
        check(r#"{"a":1,"b":[1,{"c":null}]}"#, r#"{"b":[1.0,{"c":null}],"a":1}"#, Extent::Whole, &[]);
        check(r#"{"a":1,"b":2}"#, r#"{"a":2,"c":3}"#, Extent::Whole, &["data.a", "data.b", "data.c"]);
        check(r#"{"a":{"b":1}}"#, r#"{"a":{"b":1,"c":2},"d":3}"#, Extent::Part, &[]);
        check("[1,2]", "[1,2,3]", Extent::Part, &["data[2]"]);
        check(r#"{"a b":"1"}"#, r#"{"a b":1}"#, Extent::Whole, &[r#"data["a b"]"#]);
        check("9007199254740993", "9007199254740992", Extent::Whole, &["data"]);
        check("null", "{}", Extent::Part, &["data"]);
    }
}
